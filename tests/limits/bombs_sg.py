"""Bombs in the language itself."""
from bomb import OK, REFUSED, bomb, entry


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


@bomb("--max-entries")
def many_sizes():
    return "entry f[T in %s](x: [T]) -> [T] = x\n" % ", ".join("%d" % i for i in range(1, 10**5))


@bomb("--max-nodes")
def many_losses():
    lines = ["  x%d = sum(y + %d)\n  z = z + grad(x%d, x)" % (i, i, i) for i in range(5000)]
    return entry("  y = x\n  z = x\n  repeat 100 { y = y * x }\n" + "\n".join(lines))


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
