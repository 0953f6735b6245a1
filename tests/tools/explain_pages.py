"""Compiles the programs of every page of `sgc explain`.

usage: explain_pages.py [--bless] SGC SOURCE_FOLDER [CODE...]

A page, compiler/explain/CODE.md, holds fenced blocks: files, ```sg wrong.sg,
and one ```text, which begins with a command, `$ sgc wrong.sg`, and goes on with
all that it prints. The command must give that text, which holds the code of the
page and no other; the same command on right.sg must give no message. Where the
mistake is in the command, a second ```text holds the right one instead.
A page that has no program says why in a paragraph that begins `No program:`.
--bless writes what the command prints into the page.
"""
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys
import tempfile

import diagnostics

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
LINE_MAX = 80


def run(sgc, command, folder):
    """Exit status and all output of a command line `sgc ...`."""
    words = shlex.split(command)
    environment = dict(os.environ, NO_COLOR="1", LC_ALL="C.UTF-8")
    result = subprocess.run([sgc] + words[1:], cwd=folder, env=environment,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=60, check=False)
    return result.returncode, result.stdout.decode("utf-8", "replace")


def right_command(command):
    """The same, stopped before there is code, unless it asks for some."""
    if not re.search(r"--emit| -c| -S|sgc [a-z]+ ", command):
        command += " --emit=final"
    return command


def check_programs(sgc, code, blocks, sessions, folder):
    """Faults of a page with programs, and what its command prints."""
    command, shown = sessions[0].split("\n", 1)
    command = command[2:]
    names = [name for _, name, _ in blocks if name]
    wrong = [n for n in names if n.startswith("wrong.")]
    right = [n for n in names if n.startswith("right.")]
    if len(sessions) == 1 and (len(wrong) != 1 or len(right) != 1):
        return ["needs one wrong.sg and one right.sg"], shown
    for _, name, text in blocks:
        if name:
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    faults = []
    status, printed = run(sgc, command, folder)
    if printed != shown:
        faults.append("`%s` prints\n%s" % (command, printed))
    codes = set(re.findall(r"\[([EW]\d{4})[\] ]", printed))
    if codes != {code}:
        faults.append("`%s` gives the codes %s" % (command, sorted(codes)))
    wrong_use = (2,) if len(sessions) > 1 else ()
    if status not in ((1, 3) + wrong_use if code[0] == "E" else (0,)):
        faults.append("`%s` ends with status %d" % (command, status))
    command = right_command(
        sessions[1].rstrip("\n")[2:] if len(sessions) > 1 else
        command.replace(wrong[0], right[0]))
    output = os.path.join(folder, "output")
    if "-o " not in command:
        command += " -o " + shlex.quote(output)
    status, text = run(sgc, command, folder)
    if status or text:
        faults.append("`%s` should be silent:\n%s" % (command, text))
    return faults, printed


def check_page(sgc, source, code, bless):
    path = os.path.join(source, "compiler/explain", code + ".md")
    if not os.path.exists(path):
        return ["there is no compiler/explain/%s.md" % code]
    with open(path, encoding="utf-8") as file:
        page = file.read()
    blocks = BLOCK.findall(page)
    prose = BLOCK.sub("", page)
    faults = ["a line is longer than %d: %s" % (LINE_MAX, line)
              for line in prose.splitlines() if len(line) > LINE_MAX]
    if "```" in prose:
        faults.append("a fence without its partner")
    sessions = [text for kind, _, text in blocks if kind == "text"]
    if re.search(r"^No program:", prose, re.M):
        return faults
    if not sessions or any(s[:6] != "$ sgc " for s in sessions):
        return faults + ["needs a ```text block that begins with `$ sgc`"]
    command, shown = sessions[0].split("\n", 1)
    with tempfile.TemporaryDirectory() as folder:
        found, printed = check_programs(sgc, code, blocks, sessions, folder)
    if bless and printed != shown:
        with open(path, "w", encoding="utf-8") as file:
            file.write(page.replace(sessions[0], command + "\n" + printed))
        found = [fault for fault in found if " prints\n" not in fault]
    return faults + found


def main():
    words = [word for word in sys.argv[1:] if word != "--bless"]
    bless = "--bless" in sys.argv[1:]
    if len(words) < 2:
        sys.exit(__doc__)
    sgc, source = os.path.abspath(words[0]), words[1]
    codes = words[2:] or [code for _, code, _, _ in diagnostics.rows(source)]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for code, faults in zip(codes, pool.map(
                lambda code: check_page(sgc, source, code, bless), codes)):
            for fault in faults:
                print("%s: %s" % (code, fault))
            bad += bool(faults)
    if not words[2:]:
        present = {name[:-3] for name in os.listdir(
            os.path.join(source, "compiler/explain")) if name.endswith(".md")}
        for code in sorted(present - set(codes)):
            print("%s: a page without a row" % code)
            bad += 1
    print("%d pages, %d with faults" % (len(codes), bad))
    return 1 if bad or not codes else 0


if __name__ == "__main__":
    sys.exit(main())
