"""Shows what a checkpoint says of itself.

usage: checkpoint.py FILE               tensors by name, and the metadata
       checkpoint.py FILE KEY           one value of the metadata
       checkpoint.py FILE --npy FOLDER  each parameter as FOLDER/NAME.npy, in
                                        f64 with its exponent folded in, as
                                        `sgc exec --dump` writes it
"""
import json
import math
import os
import struct
import sys

LETTER = {"F64": "d", "F32": "f", "F16": "e"}


def read(path):
    """Header without metadata, metadata, data section."""
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        return header, header.pop("__metadata__"), file.read()


def raw(header, data, name, letter):
    begin, end = header[name]["data_offsets"]
    count = (end - begin) // struct.calcsize(letter)
    return struct.unpack("<%d%s" % (count, letter), data[begin:end])


def write_npy(path, shape, values):
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': %r, }" % (
        tuple(shape),)
    text += " " * (-(len(text) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)))
        file.write(text.encode() + struct.pack("<%dd" % len(values), *values))


def write_all(header, data, folder):
    os.makedirs(folder, exist_ok=True)
    for name, tensor in header.items():
        if name + ".exp" not in header:
            continue
        exponent, = raw(header, data, name + ".exp", "i")
        values = [math.ldexp(v, exponent)
                  for v in raw(header, data, name, LETTER[tensor["dtype"]])]
        write_npy(os.path.join(folder, name + ".npy"), tensor["shape"], values)


def main():
    words = sys.argv[1:]
    if not 1 <= len(words) <= 3 or (len(words) == 3 and words[1] != "--npy"):
        sys.exit(__doc__)
    header, metadata, data = read(words[0])
    if len(words) == 3:
        write_all(header, data, words[2])
    elif len(words) == 2:
        print(metadata[words[1]])
    else:
        for name, tensor in sorted(header.items()):
            print(name, tensor["dtype"], tensor["shape"],
                  tensor["data_offsets"])
        for key, value in sorted(metadata.items()):
            print("%s = %s" % (key, value))


if __name__ == "__main__":
    main()
