"""Inputs made to cost: each must end in a message, soon and in little memory.

usage: bombs.py SGC [--factor N] [NAME...]

The bombs are in bombs_sg.py and bombs_sgir.py. Each is written to a scratch folder and compiled to `ir` in a process of
its own. It must exit with 1 (or 0 where it is merely large), say what it is
expected to say, use at most 2 s of processor time and 256 MiB of memory.
A hard limit ends what would run away. --factor multiplies both bounds, for
builds with sanitizers.
"""

import os
import re
import resource
import sys
import tempfile

import bombs_sg  # both add to the list
import bombs_sgir
from bomb import bombs

SECONDS, MIB = 2.0, 256


def write(folder, files):
    for name, text in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())


def limit_child(factor):
    resource.setrlimit(resource.RLIMIT_CPU, (int(10 * SECONDS * factor),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if factor == 1:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30,) * 2)


def run(command, folder, stdin, factor):
    """Exit status (negative: signal), output, seconds, MiB."""
    out = os.path.join(folder, "out")
    pid = os.fork()
    if pid == 0:
        try:
            limit_child(factor)
            os.chdir(folder)
            os.dup2(os.open(stdin or os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open("out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
            os.dup2(1, 2)
            os.execv(command[0], command)
        finally:
            os._exit(127)
    _, status, usage = os.wait4(pid, 0)
    with open(out, errors="replace") as file:
        text = file.read(10**6)
    code = os.waitstatus_to_exitcode(status)
    return code, text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def check(bomb, sgc, factor):
    label, make, expected, status, name, options = bomb
    files = make()
    if not isinstance(files, dict):
        files = {name: files}
    with tempfile.TemporaryDirectory(prefix="sg-bomb-") as folder:
        write(folder, files)
        piped = "-" in options
        file = "-" if piped else name
        command = [sgc, file, "--emit=ir", "-o", os.devnull]
        code, text, seconds, mib = run(command, folder, name if piped else None, factor)
    faults = []
    if code not in ((0, 1) if status is None else (status,)):
        faults.append("exit status %d" % code)
    if not re.search(expected, text) and not (code == 0 and status is None):
        faults.append("did not say /%s/" % expected)
    if seconds > SECONDS * factor:
        faults.append("took long")
    if mib > MIB * factor:
        faults.append("took much memory")
    print("%-34s %6.2f s %6.0f MiB  %s" % (label, seconds, mib, "; ".join(faults) or "ok"), flush=True)
    if faults:
        print("   " + text[:400].replace("\n", "\n   "), flush=True)
    return not faults


def main():
    arguments = sys.argv[1:]
    factor = 1.0
    if "--factor" in arguments:
        at = arguments.index("--factor")
        factor = float(arguments[at + 1])
        del arguments[at : at + 2]
    sgc, names = os.path.abspath(arguments[0]), arguments[1:]
    chosen = [b for b in bombs if not names or b[0] in names]
    failed = [b[0] for b in chosen if not check(b, sgc, factor)]
    print("%d of %d bombs are refused in time" % (len(chosen) - len(failed), len(chosen)))
    sys.exit(1 if failed else 0)


main()
