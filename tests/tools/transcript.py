"""Carries out the commands of a test and prints them with all that they say.

usage: transcript.py FILE FOLDER

FOLDER is made anew, holding a copy of what is in `Inputs` beside FILE. Each
line of FILE that begins with `$ ` is a command for bash, run there; a line
after it that begins with `> ` continues it. Printed are the command, its
standard output and error together, and `[exit N]` if the code is not 0. Other
lines of FILE are comments.

A Python program X.py of this folder is the command X. A command that takes
longer than TIME_LIMIT seconds fails the test.
"""
import os
import shutil
import signal
import subprocess
import sys

TIME_LIMIT = 120
TOOLS = os.path.dirname(os.path.abspath(__file__))


def commands(path):
    found = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("$ "):
                found.append(line[2:])
            elif line.startswith("> ") and found:
                found[-1] += line[2:]
    if not found:
        sys.exit("transcript.py: %s has no line that begins with `$ `" % path)
    return found


def fresh_folder(folder, inputs):
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.isdir(inputs):
        shutil.copytree(inputs, folder)
    else:
        os.makedirs(folder)


def functions():
    """The programs of this folder as functions of bash."""
    lines = []
    for name in sorted(os.listdir(TOOLS)):
        base, suffix = os.path.splitext(name)
        if suffix == ".py":
            lines.append('%s() { "%s" "%s" "$@"; }\n'
                         % (base, sys.executable, os.path.join(TOOLS, name)))
    return "".join(lines)


def run(command, folder, prelude):
    """Output and exit code; a process ended by signal N gives 128 + N."""
    process = subprocess.Popen(
        ["bash", "-c", prelude + command], cwd=folder,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        sys.exit("transcript.py: no end after %d s: %s"
                 % (TIME_LIMIT, command))
    code = process.returncode
    return output, code if code >= 0 else 128 - code


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path, folder = sys.argv[1:]
    fresh_folder(folder, os.path.join(os.path.dirname(path), "Inputs"))
    prelude = functions()
    out = sys.stdout.buffer
    for command in commands(path):
        first, *rest = command.rstrip("\n").split("\n")
        text = "\n".join(["$ " + first] + ["> " + line for line in rest])
        output, code = run(command, folder, prelude)
        out.write(text.encode() + b"\n" + output)
        if output and not output.endswith(b"\n"):
            out.write(b"\n[no newline]\n")
        if code:
            out.write(b"[exit %d]\n" % code)
        out.flush()


if __name__ == "__main__":
    main()
