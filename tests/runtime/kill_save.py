#!/usr/bin/env python3
"""Kills, starves and interrupts a training run at every system call.

usage: kill_save.py [--random=N] COMMAND...

COMMAND is the tiny program of program.c (`command_test --as-program`). It goes
on from a checkpoint of 6 steps to 12 and saves at 9 and 12, while strace kills
it at its n-th write, fsync, rename, ..., lets that call fail, or sends SIGINT
there, for every n. Whatever happens, the file is a whole checkpoint of 6, 9 or
12 steps, to the bit, and going on from it gives the bits of an undisturbed
run. Exit codes: 0 fine, 1 not, 77 strace cannot trace here.
"""
import errno
import gzip
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

FIT = ["train", "fit", "--threads=1", "--quiet"]
RESUMED = FIT + ["--steps=12", "--resume=c", "--save=c", "--save-every=3"]
# Calls that end at strace's counter; `?`: not known on every architecture.
CALLS = ["write", "fsync", "?rename,?renameat,?renameat2", "openat",
         "?unlink,?unlinkat", "flock", "close"]
FAULTS = [("write", "ENOSPC"), ("write", "EIO"), ("fsync", "EIO"),
          ("?rename,?renameat,?renameat2", "EACCES"), ("write", "EINTR"),
          ("fsync", "EINTR"), ("flock", "EIO")]


def put_datasets():
    """43 examples of four bytes, their labels gzipped."""
    draw = random.Random(1)
    count = 43
    labels = bytes(i * 7 % 11 % 3 for i in range(count))
    images = bytes(draw.randrange(128) + (100 if k == label else 0)
                   for label in labels for k in range(4))
    for part in ("train", "test"):
        with open(part + "-images", "wb") as file:
            file.write(struct.pack(">III", 0x802, count, 4) + images)
        with gzip.open(part + "-labels", "wb") as file:
            file.write(struct.pack(">II", 0x801, count) + labels)


def run(words):
    # A leak checker cannot work in a traced process.
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    return subprocess.run(words, stdout=subprocess.DEVNULL, text=True,
                          stderr=subprocess.PIPE, env=environment)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Trial:
    """The states that a run may leave, and how a disturbed run is judged."""

    def __init__(self, command):
        self.command = command
        self.count = 0
        self.states = {}
        for steps in (6, 9, 12):
            done = run(command + FIT + ["--steps=%d" % steps, "--save=c"])
            if done.returncode != 0:
                sys.exit("the program does not train:\n" + done.stderr)
            self.states[read("c")] = steps
        self.whole = read("c")

    def begin(self):
        for name in ("c", "c.tmp", "c.lock"):
            if os.path.exists(name):
                os.unlink(name)
        with open("c", "wb") as file:
            file.write(next(d for d, n in self.states.items() if n == 6))

    def traced(self, calls, what, n):
        """Runs with the n-th of `calls` disturbed; None if there is none."""
        inject = "inject=%s:%s:when=%d" % (calls, what, n)
        self.begin()
        done = run(["strace", "-f", "-o", "trace", "-e", "trace=" + calls,
                    "-e", inject] + self.command + RESUMED)
        seen = "signal=" in what and "---" in read("trace").decode()
        seen = seen or "INJECTED" in read("trace").decode()
        seen = seen or done.returncode == -signal.SIGKILL
        return done if seen else None

    def judge(self, where):
        """Is the file whole, and does going on from it end as it should?"""
        self.count += 1
        steps = self.states.get(read("c"))
        if steps is None:
            sys.exit(where + ": the checkpoint is none of the three")
        if steps < 12:
            done = run(self.command + FIT +
                       ["--steps=12", "--resume=c", "--save=c"])
            if done.returncode != 0:
                sys.exit(where + ": going on failed:\n" + done.stderr)
        if read("c") != self.whole:
            sys.exit(where + ": going on gave other bits")
        left = [n for n in os.listdir(".") if n.startswith("c.")]
        if left and steps < 12:
            sys.exit(where + ": left behind: " + " ".join(left))
        return steps


def kills(trial):
    for calls in CALLS:
        n = 1
        while trial.traced(calls, "signal=SIGKILL", n):
            trial.judge("SIGKILL at call %d of %s" % (n, calls))
            n += 1
        if n == 1:
            sys.exit("no call of %s was seen" % calls)


def faults(trial):
    for calls, error in FAULTS:
        n = 1
        while True:
            done = trial.traced(calls, "error=" + error, n)
            where = "%s at call %d of %s" % (error, n, calls)
            if done is None:
                break
            if done.returncode not in (0, 1):
                sys.exit("%s: exit code %d" % (where, done.returncode))
            # The C library drops what it could not print; that is told.
            printed = "standard output" in done.stderr
            if error == "EINTR" and done.returncode != 0 and not printed:
                sys.exit(where + ": not tried again:\n" + done.stderr)
            if done.returncode == 1 and "cannot" not in done.stderr:
                sys.exit(where + ": no message:\n" + done.stderr)
            if os.path.exists("c.tmp"):
                sys.exit(where + ": the temporary file was left")
            trial.judge(where)
            n += 1


def interruptions(trial):
    for calls in ("write", "fsync", "openat", "?rename,?renameat,?renameat2"):
        n = 1
        while True:
            done = trial.traced(calls, "signal=SIGINT", n)
            where = "SIGINT at call %d of %s" % (n, calls)
            if done is None:
                break
            if done.returncode not in (0, 130, -signal.SIGINT):
                sys.exit("%s: exit code %d" % (where, done.returncode))
            trial.judge(where)
            n += 1


def random_kills(trial, count):
    draw = random.Random(2)
    for i in range(count):
        trial.begin()
        child = subprocess.Popen(trial.command + RESUMED,
                                 stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        time.sleep(draw.random() * 0.02)
        child.kill()
        child.wait()
        trial.judge("random kill %d" % i)


def can_trace():
    try:
        return run(["strace", "-o", os.devnull, "true"]).returncode == 0
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise


def main():
    words = sys.argv[1:]
    count = 50
    if words and words[0].startswith("--random="):
        count = int(words.pop(0).split("=")[1])
    if not words:
        sys.exit(__doc__)
    if not can_trace():
        print("strace cannot trace here")
        sys.exit(77)
    words[0] = os.path.abspath(words[0])
    folder = tempfile.mkdtemp(prefix="sgrt-kill-")
    os.chdir(folder)
    try:
        put_datasets()
        trial = Trial(words)
        kills(trial)
        faults(trial)
        interruptions(trial)
        random_kills(trial, count)
        print("%d disturbed runs, none lost" % trial.count)
    finally:
        os.chdir("/")
        shutil.rmtree(folder)


main()
