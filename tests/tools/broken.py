"""Makes files that nobody should have to read, on standard output.

usage: broken.py noise N           N bytes of a fixed generator
       broken.py nest A B N TEXT   TEXT between N times A and N times B
       broken.py flip FILE AT      FILE with all bits of byte AT inverted;
                                   AT below 0 counts from the end
"""
import sys


def noise(count):
    """The generator of Numerical Recipes, section 7.1; its first byte is no
    letter, so that no language can be meant."""
    state, out = 1, bytearray([0xff])
    while len(out) < count:
        state = (1664525 * state + 1013904223) % 2 ** 32
        out.append(state >> 24)
    return bytes(out[:count])


def flip(path, at):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[at] ^= 0xff
    return bytes(data)


def main():
    kind, *words = sys.argv[1:] or [""]
    if kind == "noise" and len(words) == 1:
        data = noise(int(words[0]))
    elif kind == "nest" and len(words) == 4:
        count = int(words[2])
        data = (words[0] * count + words[3] + words[1] * count).encode()
    elif kind == "flip" and len(words) == 2:
        data = flip(words[0], int(words[1]))
    else:
        sys.exit(__doc__)
    sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
