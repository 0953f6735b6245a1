"""Copies those messages of sgc from standard input that have a code.

usage: only.py CODE

A program with one mistake may also use what a version does not support; its
test is about the mistake. Exit code 1 if there is none.
"""
import re
import sys

HEAD = re.compile(r"^(\S.*: )?(error|warning|remark): ")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    shown = found = False
    for line in sys.stdin:
        if HEAD.match(line) or line.startswith("sgc: "):
            shown = "[%s" % sys.argv[1] in line
            found |= shown
        if shown:
            sys.stdout.write(line)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
