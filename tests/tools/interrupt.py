"""Runs a command and sends it a signal as soon as it shows progress.

usage: interrupt.py SIGNAL COMMAND...        interrupt.py INT ./tiny train

Waits for the first line that begins with `step ` on the command's standard
error, sends the signal once, and waits for the end. Prints the command's
standard output and those lines of its standard error that are not progress,
with a step number written as K; ends with its exit code. The signal has its
default action in the command, even where it is ignored around this program.
"""
import re
import signal
import subprocess
import sys


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    number = signal.Signals["SIG" + sys.argv[1]]
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    sent = False
    for line in process.stderr:
        if not line.startswith("step "):
            print(re.sub(r"\bstep \d+", "step K", line), end="")
        elif not sent:
            process.send_signal(number)
            sent = True
    print(process.stdout.read(), end="")
    code = process.wait()
    if not sent:
        sys.exit("interrupt.py: the command ended without progress")
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
