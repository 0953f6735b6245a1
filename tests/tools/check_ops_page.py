"""docs/ops.md has one entry, `### name`, for each row of ir/ops.def that is
written as an operation, in no other order than that of the list.

usage: check_ops_page.py OPS_DEF OPS_MD
"""
import re
import sys

LEAVES = {"param", "input", "const", "store"}


def main(definition, page):
    with open(definition, encoding="utf-8") as file:
        rows = re.findall(r'^OP\(\w+, "(\w+)"', file.read(), re.MULTILINE)
    with open(page, encoding="utf-8") as file:
        entries = re.findall(r"^### `(\w+)`", file.read(), re.MULTILINE)
    wanted = [row for row in rows if row not in LEAVES]
    missing = [row for row in wanted if row not in entries]
    unknown = [entry for entry in entries if entry not in wanted]
    if missing:
        print("no entry in docs/ops.md for:", ", ".join(missing))
    if unknown:
        print("no row in ir/ops.def for:", ", ".join(unknown))
    common = [entry for entry in entries if entry in wanted]
    ordered = [row for row in wanted if row in entries]
    if common != ordered:
        print("the entries of docs/ops.md are not in the order of ir/ops.def")
    return 1 if missing or unknown or common != ordered else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
