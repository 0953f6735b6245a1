"""Shows what a checkpoint says of itself.

usage: checkpoint.py FILE         tensors by name, and the metadata
       checkpoint.py FILE KEY     one value of the metadata
"""
import json
import struct
import sys


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    metadata = header.pop("__metadata__")
    if len(sys.argv) == 3:
        print(metadata[sys.argv[2]])
        return
    for name, tensor in sorted(header.items()):
        print(name, tensor["dtype"], tensor["shape"], tensor["data_offsets"])
    for key, value in sorted(metadata.items()):
        print("%s = %s" % (key, value))


if __name__ == "__main__":
    main()
