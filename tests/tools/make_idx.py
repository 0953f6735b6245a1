"""Makes the small data sets of the tests: idx files, whole or broken on purpose.

usage: make_idx.py
       make_idx.py PREFIX [--count N] [--same] [--gz] [--images FAULT]
                   [--labels FAULT]

Without arguments: `train` with 48 examples and `test` with 32. PREFIX-images
holds u8[N, 4, 4], PREFIX-labels u8[N]; --gz compresses them (RFC 1952) without
changing the names; --same makes all examples equal to the first. Class k of four lights one half of the image: top, bottom,
left, right; the rest is noise of a fixed generator.

A FAULT is one of
    cut=N           the last N bytes of the file as stored are missing
    more=N          N bytes too many
    value=I:V       element I has value V
    type=T          the type byte of the header is T
    shape=AxB       the header gives each example these axes
    axes=N          the rank of the header is N
    claim=N         the header promises N examples
    magic=B         the first byte is B

The format: Yann LeCun's page of the MNIST data.
"""
import argparse
import gzip
import struct
import sys

SIDE = 4
CLASSES = 4


def noise(seed):
    """Bytes of the generator of Numerical Recipes, section 7.1."""
    state = seed
    while True:
        state = (1664525 * state + 1013904223) % 2 ** 32
        yield state >> 24


def lit(label, row, column):
    half = SIDE // 2
    return [row < half, row >= half, column < half, column >= half][label]


def examples(prefix, count):
    random = noise(sum(prefix.encode()))
    labels = bytes((i * 7 + i // CLASSES) % CLASSES for i in range(count))
    pixels = bytes((160 if lit(label, row, column) else 0) + next(random) % 96
                   for label in labels
                   for row in range(SIDE) for column in range(SIDE))
    return pixels, labels


def idx(axes, body, fault, compress):
    """The bytes of a file; `fault` maps the words above to their values."""
    body = bytearray(body)
    if "value" in fault:
        at, value = fault["value"].split(":")
        body[int(at)] = int(value)
    if "shape" in fault:
        axes = axes[:1] + [int(n) for n in fault["shape"].split("x")]
    if "claim" in fault:
        axes = [int(fault["claim"])] + axes[1:]
    header = [int(fault.get("magic", 0)), 0, int(fault.get("type", 8)),
              int(fault.get("axes", len(axes)))]
    data = bytes(header) + struct.pack(">%dI" % len(axes), *axes) + body
    data += bytes(int(fault.get("more", 0)))
    if compress:
        data = gzip.compress(data, mtime=0)
    return data[:len(data) - int(fault.get("cut", 0))]


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def make(prefix, count, same, compress, images, labels):
    pixels, classes = examples(prefix, 1 if same else count)
    if same:
        pixels, classes = pixels * count, classes * count
    write(prefix + "-images",
          idx([count, SIDE, SIDE], pixels, images, compress))
    write(prefix + "-labels", idx([count], classes, labels, compress))


KINDS = "cut more value type shape axes claim magic".split()


def fault(text):
    kind, _, value = text.partition("=")
    if kind not in KINDS or not value:
        raise argparse.ArgumentTypeError("unknown fault " + text)
    return {kind: value}


def main():
    if len(sys.argv) == 1:
        make("train", 48, False, False, {}, {})
        make("test", 32, False, False, {}, {})
        return
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("prefix")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--same", action="store_true")
    parser.add_argument("--gz", action="store_true")
    parser.add_argument("--images", type=fault, default={})
    parser.add_argument("--labels", type=fault, default={})
    options = parser.parse_args()
    make(options.prefix, options.count, options.same, options.gz,
         options.images, options.labels)


if __name__ == "__main__":
    main()
