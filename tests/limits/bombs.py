"""Inputs made to cost: each must end in a message, soon and in little memory.

usage: bombs.py SGC [--factor N] [NAME...]

Every bomb is written to a scratch folder and compiled to `ir` in a process of
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

SECONDS, MIB = 2.0, 256
OK, REFUSED = 0, 1
bombs = []


def bomb(expected, status=REFUSED, name="bomb.sg", options=()):
    """Registers a function that returns the text, or a dict of files."""

    def add(make):
        bombs.append((make.__name__, make, expected, status, name, options))
        return make

    return add


def entry(body):
    return "entry f(x: [4]) -> [4] {\n%s\n  return x\n}\n" % body


# ---- nesting -----------------------------------------------------------------


@bomb("E0110.*|deeper than 1000 levels .`--max-nesting`")
def million_parentheses():
    return "const N = " + "(" * 10**6 + "1" + ")" * 10**6 + "\n"


@bomb("--max-nesting")
def million_brackets_open():
    return "const N = " + "[" * 10**6


@bomb("--max-nesting")
def million_braces():
    return "fn f(n: int) -> int {\n" + "if n > 0 {\n" * 10**6


@bomb("--max-nesting")
def million_signs():
    return "const N = " + "-" * 10**6 + "1\n"


@bomb("--max-nesting")
def million_sums():
    return "const N = 1" + " + 1" * 10**6 + "\n"


@bomb("--max-nesting")
def million_powers():
    return "const N = 1" + " ** 1" * 10**6 + "\n"


@bomb("--max-nesting")
def million_transpositions():
    return "entry f(x: [3, 3]) -> [3, 3] = x" + ".T" * 10**6 + "\n"


@bomb("--max-nesting")
def million_calls():
    return "entry f(x: [3]) -> [3] = " + "relu(" * 10**6 + "x\n"


@bomb("--max-nesting")
def million_indices():
    return "entry f(x: [3]) -> [3] = x" + "[0]" * 10**6 + "\n"


@bomb(r"\[E0\d+\]")
def million_negations():
    return "assert " + "not " * 10**6 + "true\n"


@bomb("--max-call-depth")
def calls_in_calls():
    lines = ["fn f%d(n: int) -> int = f%d(n) + 1" % (i, i + 1) for i in range(10**4)]
    return "\n".join(lines) + "\nfn f10000(n: int) -> int = n\nconst N = f0(1)\n"


@bomb("--max-call-depth")
def modules_in_modules():
    lines = ["module M%d {\n  inner: M%d()\n}" % (i, i + 1) for i in range(10**4)]
    return "\n".join(lines) + "\nmodule M10000 {}\nmodel m: M0()\n"


@bomb("", status=OK)
def arguments_in_arguments():
    return "fn g(x: [4]) -> [4] = x\n" + "entry f(x: [4]) -> [4] = " + "g(" * 900 + "x" + ")" * 900 + "\n"


# ---- unrolling ---------------------------------------------------------------


@bomb("--max-(nodes|work)")
def nested_repeats():
    body = "  repeat 1000 {\n" * 10 + "  x = x + 1\n" + "  }\n" * 10
    return entry(body)


@bomb("--max-work")
def nested_empty_repeats():
    return entry("  repeat 1000 {\n" * 10 + "  }\n" * 10)


@bomb("--max-work")
def nested_ranges():
    body = "".join("  for i%d in 0..90000 {\n" % i for i in range(8))
    return entry(body + "  y = i0\n" + "  }\n" * 8)


@bomb("--max-turns")
def long_range():
    return entry("  for i in 0 .. 9223372036854775807 { y = i }")


@bomb("--max-turns")
def long_repeat():
    return entry("  repeat 2 ** 62 { x = x + 1 }")


@bomb("--max-work")
def doubling_calls():
    lines = ["fn f%d(n: int) -> int = f%d(n) + f%d(n)" % (i, i + 1, i + 1) for i in range(60)]
    return "\n".join(lines) + "\nfn f60(n: int) -> int = n\nconst N = f0(1)\n"


@bomb("--max-(work|modules|memory-bytes)")
def doubling_modules():
    lines = ["module M%d {\n  a, b: M%d()\n}" % (i, i + 1) for i in range(60)]
    return "\n".join(lines) + "\nmodule M60 {}\nmodel m: M0()\n"


@bomb("--max-(work|modules|memory-bytes)")
def array_of_arrays():
    return (
        "module A { param w: [1] = zeros }\nmodule B { a[90000]: A() }\n"
        "module C { b[90000]: B() }\nmodel m: C()\n"
    )


@bomb("--max-modules")
def array_too_long():
    return "module A {}\nmodule B { a[100001]: A() }\nmodel m: B()\n"


@bomb("--max-(work|modules|parameters)|E0711")
def many_parameters():
    params = "".join("  param w%d: [1] = zeros\n" % i for i in range(2000))
    return "module A {\n%s}\nmodule B { a[90000]: A() }\nmodel m: B()\n" % params


@bomb("--max-(work|nodes|memory-bytes)")
def long_body_in_a_loop():
    return entry("  repeat 99999 {\n" + "  y = x\n" * 10**5 + "  }")


@bomb("--max-(work|constant-bytes|memory-bytes)")
def lists_in_a_loop():
    return entry("  repeat 99999 { y = [%s] }" % ", ".join(["1"] * 4000))


@bomb(r"--max-(work|nodes|memory-bytes)")
def many_entries_unroll():
    return "\n".join(
        "entry f%d(x: [4]) -> [4] {\n  repeat 90000 { x = x + 1 }\n  return x\n}" % i for i in range(500)
    )


@bomb("--max-entries")
def many_entries():
    return "\n".join("entry f%d(x: [4]) -> [4] = x" % i for i in range(10**5))


@bomb("computing again takes more than 200000 operations")
def regions_in_regions():
    calls = "".join(
        "@remat\nfn f%d(x: [4]) -> [4] = tanh(f%d(x)) * x\n" % (i, i + 1)
        for i in range(190)
    )
    body = "  x = tanh(x) * x\n" * 1200
    return (
        calls
        + "fn f190(x: [4]) -> [4] {\n%s  return x\n}\n" % body
        + "entry f(x: [4]) -> [4] = grad(sum(f0(x)), x)\n"
    )


# ---- sizes -------------------------------------------------------------------


@bomb("too large|E0305|E03")
def size_of_two_to_31():
    return "entry f(x: [2147483648, 2147483648]) -> [1] = x\n"


@bomb("E03|too large")
def sizes_wrap():
    return "entry f(x: [4294967296, 4294967296, 4294967296]) -> [1] = x\n"


@bomb("E03|too large")
def size_of_two_to_63_less_one():
    return "entry f(x: [9223372036854775807]) -> [1] = x\n"


@bomb("E01")
def literal_of_two_to_63():
    return "entry f(x: [9223372036854775808]) -> [1] = x\n"


@bomb(r"E\d+")
def sizes_computed():
    return "entry f(x: [2 ** 62 * 4]) -> [1] = x\n"


@bomb(r"E\d+")
def million_axes():
    return "entry f(x: [%s]) -> [1] = x\n" % ", ".join(["1"] * 10**6)


@bomb(r"E\d+")
def million_digits():
    return "const N = " + "9" * 10**6 + "\n"


@bomb(r".", status=None)
def million_decimals():
    return "const N = 0." + "9" * 10**6 + "\n"


@bomb(r"E\d+")
def outer_products():
    body = "".join("  x = reshape(x, [%d, 1]) @ reshape(x, [1, %d])\n" % (4 ** 2**i, 4 ** 2**i) for i in range(6))
    return entry(body)


# ---- names, texts, lists -----------------------------------------------------


@bomb("--max-name-bytes")
def long_name():
    return "const %s = 1\n" % ("a" * 15 * 10**6)


@bomb("--max-file-bytes")
def name_of_100_megabytes():
    return "const " + "a" * 10**8 + " = 1\n"


@bomb("--max-(file|sgir)-bytes", options=("-",))
def endless_standard_input():
    return "const " + "a" * 10**8 + " = 1\n"


@bomb(r"E\d+|constant", status=None)
def string_of_15_megabytes():
    return 'assert true, "%s"\n' % ("s" * 15 * 10**6)


@bomb("assertion failed", status=REFUSED)
def string_of_escapes():
    return 'assert false, "%s"\n' % (r"\n" * 7 * 10**6)


@bomb(r"E\d+")
def string_not_closed():
    return 'assert false, "%s\n' % ("s" * 15 * 10**6)


@bomb("--max-list-items")
def million_items():
    return "const L = [%s]\n" % ", ".join(["1"] * 10**6)


@bomb(r"E\d+")
def million_arguments():
    return "entry f(x: [4]) -> [4] = relu(%s)\n" % ", ".join(["x"] * 10**6)


@bomb(r"E\d+", status=None)
def many_parameters_of_a_function():
    return "fn f(%s) -> int = 1\n" % ", ".join("a%d: int" % i for i in range(10**5))


@bomb(r"E\d+")
def equal_parameters_of_a_function():
    return "fn f(%s) -> int = 1\n" % ", ".join(["a: int"] * 10**5)


@bomb(r"E\d+")
def many_names_bound():
    return entry("  %s = x" % ", ".join("a%d" % i for i in range(10**5)))


@bomb(r"E\d+", status=None)
def long_pattern():
    letters = " ".join("a%d" % i for i in range(10**5))
    return 'entry f(x: [4]) -> [4] = mean(x, "%s -> %s")\n' % (letters, letters)


@bomb(r"E\d+", status=None)
def long_rearrange():
    return 'entry f(x: [4]) -> [4] = rearrange(x, "%s -> a")\n' % ("(" * 10**6)


@bomb("--max-selectors")
def many_rules():
    rules = "".join("  x%d : f16\n" % i for i in range(10**5))
    return "recipe r {\n%s}\n@recipe(r)\nentry f(x: [4]) -> [4] = x + 1\n" % rules


@bomb("--max-selectors")
def many_rules_that_match():
    rules = "  x : f16\n" * 10**5
    body = "".join("  y%d = x + %d\n" % (i, i) for i in range(1000))
    return "recipe r {\n%s}\n@recipe(r)\n%s" % (rules, entry(body))


@bomb("--max-selectors")
def many_selectors():
    selectors = ", ".join("z%d" % i for i in range(10**5))
    return "recipe r {\n  %s : f16\n}\n@recipe(r)\nentry f(x: [4]) -> [4] = x\n" % selectors


@bomb("E05")
def rules_and_values():
    rules = "".join("  z%d : f16\n" % i for i in range(900))
    body = "".join("  y%d = x + %d\n" % (i, i) for i in range(3 * 10**4))
    return "recipe r {\n%s}\n@recipe(r)\n%s" % (rules, entry(body))


@bomb(r".", status=None)
def many_attributes():
    return "@steps(1)" * 10**5 + "\nentry f(x: [4]) -> [4] = x\n"


# ---- merely large ------------------------------------------------------------


@bomb("", status=OK)
def many_constants():
    return "".join("const C%d = %d\n" % (i, i) for i in range(2 * 10**5)) + entry("")


@bomb("", status=OK)
def many_functions():
    return "".join("fn f%d(x: [..s]) -> [..s] = x + %d\n" % (i, i) for i in range(10**5)) + entry("")


@bomb("", status=OK)
def many_statements():
    return entry("".join("  y%d = x\n" % i for i in range(10**5)))


@bomb("", status=OK)
def many_values():
    return entry("".join("  y%d = x + %d\n" % (i, i) for i in range(5 * 10**4)))


@bomb("", status=OK)
def many_numbers():
    body = "".join("  y%d = x * %d\n" % (i, i) for i in range(2 * 10**4)) + "  z = x\n"
    return entry(body + "".join("  z = z + y%d\n" % i for i in range(2 * 10**4)) + "  x = z\n")


@bomb("", status=OK)
def many_comments():
    return "# no news\n" * 10**6 + entry("")


@bomb("", status=OK)
def many_docs():
    return "## no news\n" * 10**6 + entry("")


@bomb("", status=OK)
def many_blank_lines():
    return "\n" * 10**7 + entry("")


# ---- many mistakes -----------------------------------------------------------


@bomb("not shown")
def many_unknown_names():
    consts = "".join("const C%d = %d\n" % (i, i) for i in range(5 * 10**4))
    return consts + "".join("const D%d = Q%d\n" % (i, i) for i in range(5 * 10**4))


@bomb("not shown")
def many_double_definitions():
    return "const A = 1\n" * 10**5


@bomb("not shown")
def many_syntax_errors():
    return "const = 1\n" * 10**5


@bomb("not shown")
def many_strange_characters():
    return "const A = ` 1\n" * 10**5


@bomb("not shown")
def many_strings_not_closed():
    return 'assert true, "\n' * 10**5


@bomb("not shown")
def many_missing_imports():
    return "".join("import nothing%d\n" % i for i in range(2 * 10**4))


@bomb("not shown")
def many_bad_statements():
    return entry("".join("  y%d = z%d\n" % (i, i) for i in range(5 * 10**4)))


@bomb(r"E\d+")
def zeros():
    return "\0" * 10**7


@bomb(r"E\d+")
def bytes_of_no_text():
    return b"\xff\xfe" * 10**6


# ---- imports -----------------------------------------------------------------


@bomb("cycle")
def import_cycle():
    return {"bomb.sg": "import a\n", "a.sg": "import b\n", "b.sg": "import a\n"}


@bomb("cycle")
def import_itself():
    return {"bomb.sg": 'import "bomb.sg" as b\n'}


@bomb("--max-import-depth")
def import_chain():
    files = {"a%d.sg" % i: "import a%d\n" % (i + 1) for i in range(2000)}
    files["bomb.sg"] = "import a0\n"
    return files


@bomb("--max-imports")
def many_files():
    files = {"a%d.sg" % i: "" for i in range(2000)}
    files["bomb.sg"] = "".join("import a%d\n" % i for i in range(2000))
    return files


@bomb("", status=OK)
def one_file_many_times():
    lines = ['import "a.sg" as a%d\n' % i for i in range(10**5)]
    return {"bomb.sg": "".join(lines) + entry(""), "a.sg": "const A = 1\n"}


@bomb("", status=OK)
def import_diamonds():
    files = {"a%d.sg" % i: "from a%d import A\nimport a%d\n" % (i + 1, i + 1) for i in range(90)}
    files["a90.sg"] = "const A = 1\n"
    files["bomb.sg"] = "import a0\n" + entry("")
    return files


@bomb(r"E\d+")
def import_of_a_folder():
    return {"bomb.sg": 'import "../" as up\n'}


@bomb("--max-file-bytes")
def import_of_100_megabytes():
    return {"bomb.sg": "import big\n", "big.sg": "#" * 10**8}


@bomb("--max-file-bytes|E02")
def import_without_end():
    return {"bomb.sg": 'import "/dev/zero" as z\n'}


# ---- .sgir -------------------------------------------------------------------

TOP = 'sgir 1 plain\nprogram "b"\n'


def sgir(expected, status=REFUSED):
    return bomb(expected, status, name="bomb.sgir")


def sgir_entry(body, head=""):
    return "%s%sentry @f(%%x : real[4]) {\nphase forward\n%s\n} -> (%%x : real[4])\n" % (TOP, head, body)


@sgir("E08")
def sgir_parentheses():
    return TOP + "param @w : real[3] = " + "(" * 10**6


@sgir("--max-(nodes|memory-bytes)|E08", status=None)
def sgir_million_values():
    lines = ["%%y%d : real[4] = relu(%%x)" % i for i in range(10**6)]
    return sgir_entry("\n".join(lines))


@sgir(r".", status=None)
def sgir_long_chain():
    lines = ["%%y%d : real[4] = relu(%%%s)" % (i, "y%d" % (i - 1) if i else "x") for i in range(10**5)]
    return sgir_entry("\n".join(lines))


@sgir("--max-(nodes|memory-bytes)|E08")
def sgir_many_entries():
    return TOP + "".join("entry @f%d(%%x : real[4]) {\n} -> (%%x : real[4])\n" % i for i in range(10**5))


@sgir(r".", status=None)
def sgir_params_and_entries():
    params = "".join("param @w%d : real[4] = zeros\n" % i for i in range(10**5))
    return TOP + params + "".join("entry @f%d(%%x : real[4]) {\n} -> (%%x : real[4])\n" % i for i in range(900))


@sgir("E08")
def sgir_huge_type():
    return sgir_entry("%y : real[2147483648,2147483648,4] = relu(%x)")


@sgir("E08")
def sgir_size_of_two_to_63():
    return sgir_entry("%y : real[9223372036854775807] = relu(%x)")


@sgir("E08")
def sgir_number_too_large():
    return sgir_entry("%y : real[9223372036854775808] = relu(%x)")


@sgir("E08")
def sgir_million_axes():
    return sgir_entry("%%y : real[%s] = relu(%%x)" % ",".join(["1"] * 10**6))


@sgir("E08")
def sgir_long_pattern():
    letters = " ".join(["a"] * 10**6)
    return sgir_entry('%%y : real[4] = mean(%%x, "%s -> a")' % letters)


@sgir("--max-memory-bytes|E08")
def sgir_million_operands():
    return sgir_entry("%%y : real[4] = add(%s)" % ", ".join(["%x"] * 10**6))


@sgir("not shown")
def sgir_many_unknown_names():
    lines = ["%%y%d : real[4] = relu(%%z%d)" % (i, i) for i in range(10**5)]
    return sgir_entry("\n".join(lines))


@sgir(r".", status=None)
def sgir_million_aliases():
    return TOP + "".join("alias %%a%d = %%x\n" % i for i in range(5 * 10**5)) + sgir_entry("")[len(TOP):]


@sgir("E08")
def sgir_long_name():
    return sgir_entry("%" + "a" * 10**7 + " : real[4] = relu(%x)\n%b : real[4] = relu(%c)")


@sgir("--max-sgir-bytes")
def sgir_of_100_megabytes():
    return TOP + "#" * 10**8


@sgir("--max-selectors")
def sgir_many_rules():
    return TOP + 'recipe r {\n' + "".join("x%d : f16\n" % i for i in range(10**5)) + "}\n" + sgir_entry("")[len(TOP):]


@sgir("E08")
def sgir_many_sources():
    return TOP + "".join('source %d "a"\n' % i for i in range(10**5)) + sgir_entry("")[len(TOP):]


@sgir(r".", status=None)
def sgir_many_stores():
    params = "".join("param @w%d : real[4] = zeros\n" % i for i in range(2 * 10**4))
    stores = "\n".join("store @w%d(%%x)" % i for i in range(2 * 10**4))
    return sgir_entry("phase update\n" + stores, params)


@sgir("E08")
def sgir_zeros():
    return b"sgir 1 plain\n" + b"\0" * 10**7


# ---- running -----------------------------------------------------------------


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
