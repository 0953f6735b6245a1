"""Bombs in the text form of a graph, .sgir."""
from bomb import OK, REFUSED, bomb

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


@sgir("--max-nodes")
def sgir_many_losses():
    lines = ["%%y%d : real[4] = relu(%%x)" % i for i in range(1000)] + ['%l : real[] = sum(%x, "b ->")']
    pairs = ["minimize %%l (%%x -> %%d%d : real[4])" % i for i in range(10**4)]
    return sgir_entry("\n".join(lines + pairs))


@sgir(r"^$", status=OK)
def sgir_losses_within_bounds():
    lines = ["%%y%d : real[4] = relu(%%%s)" % (i, "y%d" % (i - 1) if i else "x") for i in range(100)]
    lines += ['%l : real[] = sum(%y99, "b ->")']
    pairs = ["minimize %%l (%%x -> %%d%d : real[4])" % i for i in range(400)]
    results = ", ".join("%%d%d : real[4]" % i for i in range(400))
    return "%sentry @f(%%x : real[4]) -> (%s) {\nphase forward\n%s\n}\n" % (TOP, results, "\n".join(lines + pairs))


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
