#!/usr/bin/env python3
"""The shrinker of sg-smith on planted faults: "op A feeds op B".

shrink_test.py SG_SMITH

For each pair of ops the first program that has the edge is shrunk; what
is left has the edge, is no fault of the checks, reads back, and has ten
operations or fewer in nine cases of ten.
"""
import subprocess
import sys
import tempfile

EDGES = ["exp:mul", "reshape:sum", "einsum:add", "mul:relu", "gather:mean",
         "argsort:gather", "select:div", "conv:add", "layer_norm:sub",
         "sqrt:add"]
SEEDS, SMALL = 20000, 10


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True,
                          timeout=120, check=False)


def operations(text):
    return sum(" = " in line and "(" in line.split(" = ", 1)[1]
               and line.startswith("  %") for line in text.splitlines()
               ) + sum(line.startswith("  store ")
                       for line in text.splitlines())


def reads_back(smith, text):
    with tempfile.NamedTemporaryFile("w", suffix=".sgir") as file:
        file.write(text)
        file.flush()
        checked = run(smith, "check", file.name)
        printed = run(smith, "--print", file.name)
    return checked.returncode == 0 and printed.stdout == text


def main():
    smith, sizes = sys.argv[1], []
    for edge in EDGES:
        result = run(smith, "shrink", f"--seeds=1..{SEEDS}",
                     f"--check=edge:{edge}")
        if result.returncode != 1 or not reads_back(smith, result.stdout):
            sys.exit(f"{edge}:\n{result.stdout}{result.stderr}")
        sizes.append(operations(result.stdout))
    small = sum(size <= SMALL for size in sizes)
    print(f"{small} of {len(sizes)} shrunk to {SMALL} operations or fewer; "
          f"the largest has {max(sizes)}")
    if small * 10 < len(sizes) * 9:
        sys.exit("the shrinker leaves too much")


main()
