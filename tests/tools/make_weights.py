"""A safetensors file of zeros for tests: make_weights FILE NAME=DTYPE[2,3] ...

Or, with the one argument `BYTES=TEXT`, a file whose header is that text.
"""
import json
import re
import struct
import sys

SIZE = {"F32": 4, "F16": 2, "BF16": 2, "I32": 4, "U8": 1}


def main(path, *tensors):
    header, offset = {}, 0
    for tensor in tensors:
        if tensor.startswith("BYTES="):
            text = tensor[len("BYTES="):].encode()
            break
        name, dtype, shape = re.fullmatch(r"(.*)=(\w+)\[(.*)\]", tensor).groups()
        dims = [int(dim) for dim in shape.split(",") if dim]
        size = SIZE[dtype]
        for dim in dims:
            size *= dim
        header[name] = {"dtype": dtype, "shape": dims,
                        "data_offsets": [offset, offset + size]}
        offset += size
    else:
        text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(offset))


if __name__ == "__main__":
    main(*sys.argv[1:])
