"""An op without a rule does not compile.

usage: op_columns.py CC SOURCE

Compiles the files that build tables of scales from ir/ops.def against a copy of
it with one more row, once for each column whose word nothing defines: each file
must be refused, and the message must name what is missing. A row whose rules all
exist must compile. (Rules of shape, gradient and evaluation are declared by
their column: those that are missing are missed by the linker.)
"""
import pathlib
import subprocess
import sys
import tempfile

# Column of ops.def, the file that lacks the rule, what the message names.
COLUMNS = [
    ("class", "ir/op.c", "CLASS_ghost"),
    ("exponent", "ir/scale.c", "exponent_ghost"),
    ("scale", "compiler/pass/scale_rules.c", "scale_ghost"),
    ("form", "ir/op.c", "FORM_ghost"),
]
ROW = {"class": "elementwise", "shape": "unary", "exponent": "unscaled",
       "scale": "unscaled", "gradient": "exp", "eval": "exp", "form": "fused",
       "lower": "map"}


def row(**other):
    columns = {**ROW, **other}
    return 'OP(GHOST, "ghost", 1, ATTR_NONE, %s)\n' % ", ".join(
        columns.values())


def compiles(cc, source, file, extra):
    """The messages of the compiler, or None if there are none."""
    text = (source / "ir/ops.def").read_text()
    end = text.rindex("#undef OP")
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, "ir/ops.def")
        copy.parent.mkdir()
        copy.write_text(text[:end] + extra + text[end:])
        run = subprocess.run(
            [cc, "-std=gnu11", "-fsyntax-only", "-I", folder, "-I", source,
             source / file], capture_output=True, text=True)
    return run.stderr if run.returncode else None


def main():
    cc, source = sys.argv[1], pathlib.Path(sys.argv[2])
    faults = []
    for file in sorted({file for _, file, _ in COLUMNS}):
        message = compiles(cc, source, file, row())
        if message:
            faults.append(f"{file} does not compile:\n{message}")
    for column, file, name in COLUMNS:
        message = compiles(cc, source, file, row(**{column: "ghost"}))
        if message is None:
            faults.append(f"{file} compiles although {name} is missing")
        elif name not in message:
            faults.append(f"{file}: no word of {name}:\n{message}")
    few = row()[:-len(", map)\n")] + ")\n"
    if compiles(cc, source, "ir/op.c", few) is None:
        faults.append("ir/op.c compiles although a row lacks a column")
    print("\n".join(faults) or f"{len(COLUMNS)} columns, each enforced")
    sys.exit(bool(faults))


main()
