"""Puts the compiler's real output into the documentation.

usage: update_docs.py [--check] SGC FILE.md...

A fenced block that follows a comment of the form

    <!-- sgc ARGUMENTS -->
    <!-- sgc ARGUMENTS | lines FIRST-LAST -->
    <!-- sgc ARGUMENTS | from REGEX | head N -->

is replaced by the output of that command, run in the source folder; with
--check the files are only compared. `<!-- file PATH -->` quotes a file. After
`<!-- session -->` each line of the block that begins with `$ ` is a command:
all are run in turn, by bash, in a copy of docs/examples with sgc in reach.
"""
import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

BLOCK = re.compile(
    r"(<!-- (sgc|file|session) ?([^\n]*?) ?-->\n```[a-z]*\n)(.*?)(```\n)",
    re.DOTALL)


def select(text, filters):
    lines = text.splitlines(keepends=True)
    for word in filters:
        kind, _, value = word.strip().partition(" ")
        if kind == "lines":
            first, last = map(int, value.split("-"))
            lines = lines[first - 1:last]
        elif kind == "from":
            start = next(i for i, line in enumerate(lines)
                         if re.search(value, line))
            lines = lines[start:]
        elif kind == "head":
            lines = lines[:int(value)]
        elif kind == "grep":
            lines = [line for line in lines if re.search(value, line)]
        else:
            sys.exit("unknown filter: " + word)
    return "".join(lines)


def output(sgc, kind, command):
    command, *filters = command.split(" | ")
    if kind == "file":
        with open(command) as file:
            return select(file.read(), filters)
    result = subprocess.run([sgc] + shlex.split(command), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return select(result.stdout, filters)


def session(sgc, block):
    """The commands of a block, each followed by what it prints."""
    path = os.path.dirname(sgc) + os.pathsep + os.environ.get("PATH", "")
    out = ""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree("docs/examples", folder, dirs_exist_ok=True)
        for line in block.splitlines():
            if not line.startswith("$ "):
                continue
            result = subprocess.run(["bash", "-c", line[2:]], cwd=folder,
                                    env=dict(os.environ, PATH=path), text=True,
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
            out += line + "\n" + result.stdout
    return out


def replacement(sgc, match):
    head, kind, command, block, tail = match.groups()
    if kind == "session":
        return head + session(sgc, block) + tail
    return head + output(sgc, kind, command) + tail


def main():
    args = sys.argv[1:]
    check = args[0] == "--check"
    sgc, *files = args[1:] if check else args
    sgc = os.path.abspath(sgc)
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    failed = False
    for path in files:
        with open(path) as file:
            old = file.read()
        new = BLOCK.sub(lambda match: replacement(sgc, match), old)
        if check and new != old:
            failed = True
            sys.stdout.writelines(difflib.unified_diff(
                old.splitlines(keepends=True), new.splitlines(keepends=True),
                path, "what the compiler prints"))
            print("to accept: docs/update")
        elif new != old:
            with open(path, "w") as file:
                file.write(new)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
