"""Checks what the build makes from the compiler's tables.

usage: manual.py SGC BUILD SOURCE

The pages in BUILD/manual must name every option of every command, and groff,
if there is one, must have nothing to say about them. The syntax files in
BUILD/editors must hold every word of the language: those for TextMate are read
as JSON, those for Vim by Vim, if there is one.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile


def fail(format, *values):
    sys.exit("manual.py: " + format % values)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def output(*command):
    return subprocess.run(command, capture_output=True, text=True,
                          check=True).stdout


def plain(roff):
    return roff.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def check_options(sgc, page):
    commands = re.findall(r"^\.B sgc ?(\w*)$", page, re.M)
    for command in set(commands):
        words = [command] if command else []
        for option in re.findall(r"(--[a-z-]+)", output(sgc, *words, "--help")):
            if option.rstrip("-") not in page:
                fail("sgc(1) does not name %s", option)


def check_roff(pages):
    if not shutil.which("groff"):
        return
    for page in pages:
        run = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page],
                             capture_output=True, text=True)
        if run.returncode or run.stderr.strip():
            fail("groff says of %s:\n%s", page, run.stderr)


def check_words(build, source, page):
    """Words of the page's lists stand in the syntax files."""
    language = re.findall(r"^\.BR ([a-z_0-9]+) \((?!\d)|^([a-z_0-9]+)$", page,
                          re.M)
    words = {word for found in language for word in found if word}
    if len(words) < 60:
        fail("sg(5) has only %d words", len(words))
    for path in ("vim/syntax/sg.vim", "textmate/sg.tmLanguage.json"):
        text = read(os.path.join(build, "editors", path))
        for word in words:
            if not re.search(r"(?<!\w)%s(?!\w)" % re.escape(word), text):
                fail("%s lacks the word %s", path, word)
        if re.search(r"@\w+:[^@\n]*@", text):
            fail("%s has a list that was not filled in", path)


def check_ops(build, page):
    ops = re.findall(r"^\.B (\w+)$", page, re.M)
    for path in ("vim/syntax/sgir.vim", "textmate/sgir.tmLanguage.json"):
        text = read(os.path.join(build, "editors", path))
        for op in ops:
            if not re.search(r"(?<!\w)%s(?!\w)" % op, text):
                fail("%s lacks the op %s", path, op)


def check_textmate(build):
    for path in glob.glob(os.path.join(build, "editors/textmate/*.json")):
        grammar = json.loads(read(path))
        for pattern in grammar.get("patterns", []):
            for key in ("match", "begin", "end"):
                if key in pattern:
                    re.compile(pattern[key])


def check_vim(build, source):
    """The syntax loads, knows a keyword, and indents the example as it is."""
    if not shutil.which("vim"):
        return
    example = os.path.join(source, "examples/mlp/mlp.sg")
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result")
        script = os.path.join(folder, "script.vim")
        copy = os.path.join(folder, "mlp.sg")
        shutil.copy(example, copy)
        with open(script, "w", encoding="utf-8") as file:
            file.write("\n".join([
                "set nocompatible runtimepath^=%s/editors/vim" % build,
                "filetype plugin indent on", "syntax on", "edit %s" % copy,
                "call search('^module')",
                "let name = synIDattr(synID(line('.'), 1, 1), 'name')",
                "normal! gg=G",
                "call writefile([&filetype, name] + getline(1, '$'), '%s')"
                % result, "quitall!"]))
        run = subprocess.run(["vim", "-es", "-u", "NONE", "-S", script],
                             capture_output=True, text=True, timeout=60)
        if run.returncode or not os.path.exists(result):
            fail("vim: %s", run.stdout + run.stderr)
        lines = read(result).splitlines()
    if lines[:2] != ["sg", "sgItem"]:
        fail("vim takes `module` of a file of type %s for %s", *lines[:2])
    if lines[2:] != read(example).splitlines():
        fail("vim indents the example in another way")


def main():
    sgc, build, source = sys.argv[1:]
    manual = os.path.join(build, "manual")
    pages = [os.path.join(manual, page)
             for page in ("sgc.1", "sg.5", "sgir.5")]
    check_options(sgc, plain(read(pages[0])))
    check_roff(pages)
    check_words(build, source, plain(read(pages[1])))
    check_ops(build, plain(read(pages[2])))
    check_textmate(build)
    check_vim(build, source)


main()
