"""Every golden test is run: lit discovers each file that says how.

usage: discovered.py LIT SUITE SOURCE

LIT is lit's program, SUITE the folder of its configuration, SOURCE the folder
tests/. Exit code 1 and a list if a test lies where lit does not look.
"""
import pathlib
import subprocess
import sys

SUFFIXES = {".sg", ".sgir", ".test"}
# Inputs that were found among tests and kept as they were.
CORPUS = "fuzz/corpus/"


def says_how(path):
    return any(line.startswith("# RUN: ")
               for line in path.read_text("utf-8", "replace").splitlines())


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    lit, suite, source = sys.argv[1:]
    shown = subprocess.run([sys.executable, lit, "--show-tests", suite],
                           check=True, text=True, stdout=subprocess.PIPE).stdout
    found = {line.split("::", 1)[1].strip()
             for line in shown.splitlines() if "::" in line}
    root = pathlib.Path(source)
    lost = sorted(name for name in (str(path.relative_to(root))
                                    for path in root.rglob("*")
                                    if path.suffix in SUFFIXES and
                                    path.is_file() and says_how(path))
                  if name not in found and not name.startswith(CORPUS))
    for name in lost:
        print("%s is never run" % name)
    print("%d tests are run, %d are not" % (len(found), len(lost)))
    return 1 if lost or not found else 0


if __name__ == "__main__":
    sys.exit(main())
