"""Compares standard input with a golden file, or rewrites the file.

usage: golden.py [--bless] FILE

The expected text must match exactly. Exit code 1 and a unified diff if not.
"""
import difflib
import os
import sys


def main():
    args = sys.argv[1:]
    bless = "--bless" in args
    args = [a for a in args if a != "--bless"]
    if len(args) != 1:
        sys.exit(__doc__)
    path = args[0]
    actual = sys.stdin.buffer.read()
    expected = b""
    if os.path.exists(path):
        with open(path, "rb") as file:
            expected = file.read()
    if actual == expected and os.path.exists(path):
        return 0
    if bless:
        with open(path, "wb") as file:
            file.write(actual)
        return 0
    sys.stdout.writelines(difflib.unified_diff(
        expected.decode("utf-8", "replace").splitlines(keepends=True),
        actual.decode("utf-8", "replace").splitlines(keepends=True),
        path, "actual"))
    print("\nto accept this output: tests/bless")
    return 1


if __name__ == "__main__":
    sys.exit(main())
