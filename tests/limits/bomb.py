"""The list of bombs, and how one is added to it."""

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
