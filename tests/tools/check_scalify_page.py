"""docs/scalify.md quotes every golden of pass scalify that ends in a program,
and each that names a rule.

usage: check_scalify_page.py TESTS_FOLDER RULES_DEF SCALIFY_MD
"""
import pathlib
import re
import sys


def main(folder, definition, page):
    text = pathlib.Path(page).read_text(encoding="utf-8")
    quoted = set(re.findall(r"<!-- file tests/pass/scalify/([\w-]+)\.sgir",
                            text))
    rules = set(re.findall(r'^RULE\(\w+, "([\w-]+)"',
                           pathlib.Path(definition).read_text(), re.MULTILINE))
    goldens = {path.name.removesuffix(".sgir.expected")
               for path in pathlib.Path(folder).glob("*.sgir.expected")
               if re.search("^sgir 1", path.read_text(), re.MULTILINE)}
    missing = sorted((goldens | rules) - quoted)
    if missing:
        print("docs/scalify.md does not quote:", ", ".join(missing))
    if not rules or not goldens:
        print("no rules or no goldens found")
    return 1 if missing or not rules or not goldens else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
