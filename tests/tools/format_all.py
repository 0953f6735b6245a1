"""Lays out every .sg file of the sources and checks what comes out.

usage: format_all.py SGC SOURCE

Each file that parses must be laid out without an internal error; a second time
nothing may change; and neither blanks at the beginning of lines nor a second
blank elsewhere may make a difference.
"""
import json
import os
import re
import subprocess
import sys
import tempfile


def laid_out(sgc, texts):
    """Each text in layout; None for those that do not parse."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, "%d.sg" % i) for i in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, "wb") as file:
                file.write(text)
        run = subprocess.run([sgc, "fmt", "--diagnostics=json"] + paths,
                             capture_output=True, text=True)
        messages = [json.loads(line) for line in run.stderr.splitlines()]
        if run.returncode not in (0, 1):
            sys.exit("exit code %d: %s" % (run.returncode, run.stderr))
        wrong = {message["file"] for message in messages}
        result = []
        for path in paths:
            with open(path, "rb") as file:
                result.append(None if path in wrong else file.read())
        return result


def without_indents(text):
    return b"\n".join(line.lstrip(b" \t") for line in text.split(b"\n"))


def with_blanks(text):
    """Two blanks for one, outside strings and comments."""
    parts = re.split(rb'("(?:[^"\\\n]|\\.)*"|#[^\n]*)', text)
    return b"".join(part if i % 2 else part.replace(b" ", b"  ")
                    for i, part in enumerate(parts))


def files(source):
    for folder, names, found in os.walk(source):
        names[:] = [n for n in names if n not in ("build", ".git")]
        for name in found:
            if name.endswith(".sg"):
                yield os.path.join(folder, name)


def main():
    sgc, source = sys.argv[1:]
    paths = sorted(files(source))
    texts = []
    for path in paths:
        with open(path, "rb") as file:
            texts.append(file.read())
    kept = [(path, text) for path, text in zip(paths, laid_out(sgc, texts))
            if text is not None]
    if len(kept) < 100:
        sys.exit("only %d files were laid out" % len(kept))
    once = [text for _, text in kept]
    variants = {"again": once,
                "without indents": [without_indents(text) for text in once],
                "with more blanks": [with_blanks(text) for text in once]}
    for what, variant in variants.items():
        for (path, text), result in zip(kept, laid_out(sgc, variant)):
            if result != text:
                sys.exit("%s: laid out %s, it differs" % (path, what))


main()
