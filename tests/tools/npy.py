"""Makes and shows .npy files of format version 1, in C order.

usage: npy.py make FILE DTYPE SHAPE VALUE...    npy.py make x.npy u1 1,4,4 0 255
       npy.py show FILE...

DTYPE is one of u1 u2 i4 i8 f4 f8; the values repeat until SHAPE is full.
"""
import ast
import struct
import sys

LETTERS = {"b1": "?", "u1": "B", "u2": "H", "i4": "i", "i8": "q", "f2": "e",
           "f4": "f", "f8": "d"}


def product(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def make(path, dtype, shape, values):
    shape = tuple(int(n) for n in shape.split(",") if n)
    number = float if dtype[0] == "f" else int
    values = [number(v) for v in values]
    count = product(shape)
    data = (values * (count // len(values) + 1))[:count]
    order = "|" if dtype[1] == "1" else "<"
    header = "{'descr': '%s%s', 'fortran_order': False, 'shape': %r, }" % (
        order, dtype, shape)
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)))
        file.write(header.encode() +
                   struct.pack("<%d%s" % (count, LETTERS[dtype]), *data))


def show(path):
    with open(path, "rb") as file:
        data = file.read()
    length, = struct.unpack("<H", data[8:10])
    header = ast.literal_eval(data[10:10 + length].decode())
    count = product(header["shape"])
    body = struct.unpack("<%d%s" % (count, LETTERS[header["descr"][1:]]),
                         data[10 + length:])
    print("%s: %s %s: %s" % (path, header["descr"], list(header["shape"]),
                             " ".join("%.9g" % v for v in body)))


def main():
    if sys.argv[1:2] == ["make"] and len(sys.argv) > 5:
        make(*sys.argv[2:5], sys.argv[5:])
    elif sys.argv[1:2] == ["show"] and len(sys.argv) > 2:
        for path in sys.argv[2:]:
            show(path)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
