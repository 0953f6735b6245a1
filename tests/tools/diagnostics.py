"""Compares the codes that the sources use with ir/base/diagnostics.def.

usage: diagnostics.py SOURCE_FOLDER

Every code in quotes ("E0301") in compiler/ and ir/ needs a row, and every row
a use and a golden that shows its message: a file *.expected of tests/ or the
page of `sgc explain`. Rows are sorted by code; no two titles are alike.
"""
import os
import re
import sys

ROW = re.compile(r'^(ERROR|WARNING)\(([EW]\d{4}), (?:"([a-z-]+)",\s)?\s*"(.+)"\)$',
                 re.M)

BLOCK = re.compile(r"^```text\n(.*?)^```$", re.M | re.S)

# What no input brings about, so that no golden can show it.
WITHOUT_GOLDEN = {
    "E0793": "an error inside of LLVM; none is known",
    "E0795": "sgc asks for the plan before it asks for code",
    "E0900": "a pass that breaks a rule of its level; none is known",
}


def rows(source):
    """(kind, code, warning, title) of each row."""
    path = os.path.join(source, "ir/base/diagnostics.def")
    with open(path, encoding="utf-8") as file:
        text = re.sub(r',\n\s+"', ', "', file.read())
    return ROW.findall(text)


def uses(source):
    """Where each code occurs first."""
    found = {}
    for top in ("compiler", "ir"):
        for folder, _, names in sorted(os.walk(os.path.join(source, top))):
            for name in sorted(names):
                if not name.endswith((".c", ".h", ".l", ".y")):
                    continue
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    for number, line in enumerate(file, 1):
                        for code in re.findall(r'"([EW]\d{4})"', line):
                            found.setdefault(code, "%s:%d" % (
                                os.path.relpath(path, source), number))
    return found


def goldens(source):
    """The text of every golden."""
    for top in ("tests", "compiler/explain"):
        for folder, _, names in os.walk(os.path.join(source, top)):
            for name in names:
                page = top != "tests" and name.endswith(".md")
                if not page and not name.endswith(".expected"):
                    continue
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read()
                yield "".join(BLOCK.findall(text)) if page else text


def shown(source):
    """The codes at the end of the messages in goldens; a warning's has its
    name behind it."""
    found = set()
    for text in goldens(source):
        found.update(re.findall(r"\[([EW]\d{4})(?: \S+)?\]", text))
    return found


def golden_faults(codes, found):
    """Codes that no golden shows, and exceptions that are none."""
    faults = ["%s: no golden shows its message" % code for code in codes
              if code not in found and code not in WITHOUT_GOLDEN]
    for code, reason in WITHOUT_GOLDEN.items():
        if code not in codes or code in found:
            faults.append("%s: not without a golden: %s" % (code, reason))
    return faults


def main():
    source = sys.argv[1]
    table, found = rows(source), uses(source)
    faults = []
    codes = [code for _, code, _, _ in table]
    for code in sorted(found):
        if code not in codes:
            faults.append("%s: %s has no row in ir/base/diagnostics.def"
                          % (found[code], code))
    titles = {}
    for kind, code, warning, title in table:
        if code not in found:
            faults.append("%s: nothing uses this row" % code)
        if (kind == "WARNING") != bool(warning) or \
           (kind == "WARNING") != code.startswith("W"):
            faults.append("%s: a warning is W and has a name" % code)
        if title in titles:
            faults.append("%s: has the title of %s" % (code, titles[title]))
        titles[title] = code
    if codes != sorted(codes, key=lambda code: (code[1:], code)):
        faults.append("the rows are not sorted by code")
    faults += golden_faults(codes, shown(source))
    if not codes:
        faults.append("no rows found")
    print("\n".join(faults) or "%d diagnostics" % len(codes))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
