#!/usr/bin/env python3
"""The words of a language, for libFuzzer's -dict.

usage: dictionary.py sg|sgir|rule|npy SOURCE_FOLDER > TARGET.dict

The words come from where the compiler has them: the grammars' tokens, the .def
lists of ops, formats and built-in functions, and the lexers' literals.
"""
import pathlib
import re
import sys


def column(root, path, macro, number):
    """String or word number `number` of each MACRO(...) row of a .def list."""
    text = (root / path).read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    for row in re.findall(rf"^{macro}\(([^\n]*)", text, flags=re.M):
        yield row.split(",")[number].strip(' ")')


def tokens(root, path):
    """The texts in quotes of a grammar's %token lines that are words or signs
    rather than descriptions."""
    text = (root / path).read_text().split("\n%%\n")[0]
    for text in re.findall(r'"((?:[^"\\]|\\.)+)"', text):
        if " " not in text and (len(text) < 3 or "/" not in text):
            yield text


def quoted(root, path, pattern):
    return re.findall(pattern, (root / path).read_text())


def words(target, root):
    if target == "npy":
        yield from quoted(root, "ir/npy.c", r'"([a-z_]\w{1,14})"')
        yield from ["\x93NUMPY", "'<f4'", "'|b1'", "False", "True", "{'descr':"]
        return
    yield from column(root, "ir/formats.def", "FORMAT", 1)
    if target != "sgir":
        yield from tokens(root, "compiler/front/parse.y")
        yield from column(root, "compiler/front/builtins.def", "BUILTIN", 0)
        yield from column(root, "compiler/front/builtins.def", "RESERVED", 0)
        for name in ("settings", "recipe", "dataset", "entry", "attributes"):
            yield from quoted(root, f"compiler/front/{name}.c",
                              r'"([a-z_]{3,12})"')
    else:
        yield from column(root, "ir/ops.def", "OP", 1)
        for path in ("ir/sgir.l", "ir/recipe.c", "ir/names.c", "ir/op.c",
                     "ir/read_recipe.c", "ir/read_entry.c", "ir/read_op.c"):
            yield from quoted(root, path, r'"([a-z_]{2,14})"')
        yield from ["->", "..", ".**", "%", "@", "$", "!", "2^", "~1", "'2",
                    "* 2^(", "sgir 1 plain\n", "sgir 1 scaled\n",
                    "sgir 1 formatted\n", "sgir 1 final\n"]


def escaped(word):
    return "".join(c if c.isprintable() and c not in '"\\' else
                   f"\\x{ord(c):02x}" for c in word)


def main():
    target, root = sys.argv[1], pathlib.Path(sys.argv[2])
    for word in sorted(set(words(target, root))):
        print(f'"{escaped(word)}"')


if __name__ == "__main__":
    main()
