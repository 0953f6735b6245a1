"""Checks that --fold-layers loses nothing: the folded text of a program whose
arrays do not nest is unfolded again and compared with the whole.

usage: unfold.py SGC STAGE FILE [OPTION...]

A line of the first element stands for all elements; notes below it take some
away or tell what differs. Lines are compared as a set, without the blanks that
align them; exponents in the head of a kernel are those of its lines.
"""
import collections
import re
import subprocess
import sys

NAME = re.compile(r"[%@$][A-Za-z0-9_.'~]+")
ELEMENT = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z_]\w*)\.(\d+)(?!\w)")
NOTE = re.compile(r"\s*#   ")


def printed(sgc, *arguments):
    return subprocess.run([sgc, *arguments], capture_output=True, text=True,
                          check=True).stdout.splitlines()


def normal(line):
    line = re.sub(r"\s+", " ", line.split("   # arena")[0]).strip()
    if line.endswith("{"):  # a kernel: its lines have the exponents
        line = re.sub(r" \* (2\^\([^)]*\)|2\^[-$\w.'~]+|zero|any)", "", line)
    return line


def elements(text):
    """{1, 3, 4} of "layers.1, layers.3..4"."""
    found = set()
    for first, last in re.findall(r"\w+\.(\d+)(?:\.\.(\d+))?", text):
        found.update(range(int(first), int(last or first) + 1))
    return found


def units(lines):
    """Kernels, and lines by themselves: ([line], {line: [note]})."""
    unit, notes, inside = [], collections.defaultdict(list), False
    for line in lines:
        if NOTE.match(line):
            notes[len(unit) - 1].append(NOTE.sub("", line))
            continue
        if unit and not inside:
            yield unit, notes
            unit, notes = [], collections.defaultdict(list)
        unit.append(line)
        kernel = line.startswith("  ") and line.endswith("{")
        inside = inside or kernel
        if line == "  }":
            inside = False
    if unit:
        yield unit, notes


def own_element(unit):
    """Word and index of the element a unit is of, and whether its name is one
    that is bound again each turn: such a unit stands for itself, and for those
    a note names."""
    name = NAME.search(unit[0])
    if not name or unit[0].startswith('  "'):  # a line of `weights`
        return None
    found = ELEMENT.search(name.group())
    chain = found is None
    if chain:
        for other in NAME.findall(unit[0].partition("=")[2]):
            found = ELEMENT.search(other)
            if found:
                break
    return found and (found.group(1), int(found.group(2)), chain)


def later(name, delta):
    """The binding `delta` turns on, with its mark where marks may be."""
    mark = re.search(r"'(\d+)", name)
    if mark:
        number = int(mark.group(1)) + delta
        return name[:mark.start()] + ("'%d" % number if number > 1 else "") \
            + name[mark.end():]
    dot = re.search(r"(\.([qm]|e\dm\d\w*|bf16|f16|f32)\b|~)", name)
    at = dot.start() if dot else len(name)
    return "%s'%d%s" % (name[:at], 1 + delta, name[at:])


def moved(line, word, delta, turned, kept):
    def rename(match):
        name = match.group()
        if name in kept:
            return name
        if any(w == word for w, _ in ELEMENT.findall(name)):
            return ELEMENT.sub(
                lambda m: "%s.%d" % (word, int(m.group(2)) + delta)
                if m.group(1) == word else m.group(), name)
        return later(name, delta) if name in turned else name
    return NAME.sub(rename, line)


def apply(line, differences):
    """Puts other types, exponents and shifts in."""
    left, equals, body = line.partition(" = ")
    for text in differences:
        scale = re.search(r" \* (2\^\([^)]*\)|[^ ,]+)", text)
        kind = re.match(r" ([a-z0-9]+\[[^]]*\])", text)
        shift = re.search(r" (no shift|shift = (\([^)]*\)|[^ ,]+))", text)
        if kind:
            left = re.sub(r": [^*]*?( \*|$)", ": %s\\1" % kind.group(1), left)
        if scale:
            left = left.split(" * ")[0] + " * " + scale.group(1)
        if shift:
            body = re.sub(r", shift = (\([^)]*\)|[^ ,)]+)", "", body)
            if shift.group(1) != "no shift":
                body = body[:-1] + ", " + shift.group(1) + ")"
    return left + equals + body


def differences(notes, j):
    return [text for head, text in
            (note.split(":", 1) for note in notes if ":" in note)
            if j in elements(head)]


def extent(notes, index, first, count):
    """Which elements a unit stands for."""
    extents = [note for note in notes if ":" not in note]
    if not extents:
        return set(range(count)) if first else {index}
    return elements(extents[0]) | {index}


def unfolded(lines, counts):
    result = collections.Counter()
    lowest = {}
    every = list(units(lines))
    for unit, _ in every:
        own = own_element(unit)
        if own:
            key = family(unit, own)
            lowest[key] = min(own[1], lowest.get(key, own[1]))
    for unit, notes in every:
        own = own_element(unit)
        if not own or own[0] not in counts:
            result.update(map(normal, unit))
            continue
        word, index, chain = own
        first = lowest[family(unit, own)] == index and not chain
        last = notes[len(unit) - 1]
        for j in extent(last, index, first, counts[word]):
            result.update(unit_moved(unit, notes, word, j - index, j))
    return result


def family(unit, own):
    name = NAME.search(unit[0])
    text = normal(unit[0][:name.end()])
    return text if own[2] else ELEMENT.sub(r"\1.*", text, count=1)


def unit_moved(unit, notes, word, delta, j):
    if delta == 0:
        return map(normal, unit)
    turned, kept = set(), set()
    for text in (t for of in notes.values() for t in differences(of, j)):
        turned.update(re.findall(r"(\S+) of its turn", text))
        kept.update(re.findall(r"(\S+) itself", text))
    for line in unit:
        name = NAME.search(line)
        if name and not ELEMENT.search(name.group()) and " = " in line and \
                not line.endswith("{"):
            turned.add(name.group())
    if len(unit) > 1 or NAME.search(unit[0]):
        head = NAME.search(unit[0]).group()
        if not ELEMENT.search(head):
            turned.add(head)
    return [normal(apply(moved(re.sub(r"\s+", " ", line), word, delta, turned,
                               kept),
                         differences(notes[i], j)))
            for i, line in enumerate(unit)]


def main():
    sgc, stage, *arguments = sys.argv[1:]
    arguments.append("--emit=" + stage)
    whole = printed(sgc, *arguments)
    folded = printed(sgc, *arguments, "--fold-layers")
    counts = {}
    for line in folded:
        array = re.match(r"# (?:\w+\.)*(\w+)\.0\.\.(\d+)$", line)
        if array:
            counts[array.group(1)] = int(array.group(2)) + 1
    if not counts:
        sys.exit("unfold.py: there is no array")
    start = next(i for i, line in enumerate(folded)
                 if line.startswith("# sgir"))
    have = unfolded(folded[start + 1:], counts)
    want = collections.Counter(map(normal, whole[1:]))
    for counter in (have, want):
        del counter[""]
    if have != want:
        for line in (want - have):
            print("lost:    ", line)
        for line in (have - want):
            print("made up: ", line)
        sys.exit(1)
    print("%s: %s" % (stage, "nothing is lost"))


main()
