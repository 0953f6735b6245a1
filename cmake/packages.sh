# Sourced by ./demo and ./check: installs the named Debian packages that are
# missing, through sudo when not root.
#
# usage: need PACKAGE...

need() {
  local missing=() package
  for package in "$@"; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" \
        != installed ]; then
      missing+=("$package")
    fi
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "installing: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "please install these packages: ${missing[*]}" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qy --no-install-recommends "${missing[@]}"
}

BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build flex bison llvm-19-dev
                libjansson-dev zlib1g-dev)
DATA_PACKAGES=(dataset-fashion-mnist)
TEST_PACKAGES=(llvm-19-tools libcmocka-dev python3 strace)
