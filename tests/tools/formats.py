"""Compares the table of docs/formats.md with ir/formats.def.

usage: formats.py SOURCE_FOLDER

Every floating-point and scale format has one row, with the facts that follow
from its definition.
"""
import os
import re
import sys
from fractions import Fraction


def definitions(source):
    with open(os.path.join(source, "ir/formats.def"), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    for row in re.findall(r"^FORMAT\((.*)\)$", text, re.M):
        field = [part.strip().strip('"') for part in row.split(",")]
        if field[2] in ("FLOAT", "SCALE"):
            yield field[1], field[2], list(map(int, field[3:7])), field[7:]


def documented(source):
    with open(os.path.join(source, "docs/formats.md"), encoding="utf-8") as file:
        for line in file:
            cell = [part.strip() for part in line.strip().strip("|").split("|")]
            if re.fullmatch(r"`\w+`", cell[0]):
                yield cell[0].strip("`"), cell[1:]


def number(text):
    """`448`, `15.5`, `2^-6` or `2^128 - 2^104`, exactly."""
    total = Fraction(0)
    for part in text.split(" - "):
        power = re.fullmatch(r"2\^(-?\d+)", part)
        value = Fraction(2) ** int(power[1]) if power else Fraction(part)
        total = value if total == 0 else total - value
    return total


def nans(kind, special, bits):
    """The cells of infinities, NaN and -0."""
    if special == "IEEE":
        return ["yes", "yes", "yes"]
    if special == "FN":
        return ["no", "7F, FF", "yes"]
    if special == "FNUZ":
        return ["no", "80", "no"]
    return ["no", "FF", "no zero"] if kind == "SCALE" else ["no", "no", "yes"]


def facts(name, kind, size, rest):
    bits, exponent, mantissa, bias = size
    special, code = rest
    two = Fraction(2)
    top = 2 ** exponent - (2 if special in ("IEEE", "ONES") else 1) - bias
    largest = (2 - two ** -mantissa * (2 if special == "FN" else 1)) * two ** top
    normal = two ** ((kind == "FLOAT") - bias)
    smallest = normal * two ** -mantissa
    compiled = ("scales only" if kind == "SCALE" else "yes" if code == "YES" and
                name != "f64" else "no")
    sign = int(kind == "FLOAT")
    if sign + exponent + mantissa != bits:
        raise ValueError("%s: the fields do not fill %d bits" % (name, bits))
    return ([str(bits), "%d, %d, %d" % (sign, exponent, mantissa), str(bias)],
            [largest, normal, smallest], nans(kind, special, bits) + [compiled])


def main():
    source, faults, seen = sys.argv[1], [], {}
    for name, cell in documented(source):
        seen[name] = cell
    for name, kind, size, rest in definitions(source):
        first, numbers, last = facts(name, kind, size, rest)
        cell = seen.pop(name, None)
        if cell is None:
            faults.append("docs/formats.md has no row for %s" % name)
        elif (cell[:3], list(map(number, cell[3:6])), cell[6:]) != (
                first, numbers, last):
            faults.append("docs/formats.md: %s is %s" % (
                name, first + list(map(str, numbers)) + last))
    faults += ["docs/formats.md: there is no format %s" % name for name in seen]
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
