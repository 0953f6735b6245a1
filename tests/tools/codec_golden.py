"""Writes the decode tables of tests/unit/codec_golden.tsv.

usage: pip install ml_dtypes; python3 tests/tools/codec_golden.py \
           > tests/unit/codec_golden.tsv

ml_dtypes is an implementation of these formats that is none of ours.
"""
import ml_dtypes
import numpy

FORMATS = [("e4m3", ml_dtypes.float8_e4m3fn, 8),
           ("e5m2", ml_dtypes.float8_e5m2, 8),
           ("e4m3fnuz", ml_dtypes.float8_e4m3fnuz, 8),
           ("e5m2fnuz", ml_dtypes.float8_e5m2fnuz, 8),
           ("e3m4", ml_dtypes.float8_e3m4, 8),
           ("e2m3", ml_dtypes.float6_e2m3fn, 6),
           ("e3m2", ml_dtypes.float6_e3m2fn, 6),
           ("e2m1", ml_dtypes.float4_e2m1fn, 4),
           ("e8m0", ml_dtypes.float8_e8m0fnu, 8)]

print("# format, code, bits of its value in binary32: ml_dtypes "
      + ml_dtypes.__version__ + " (tests/tools/codec_golden.py)")
for name, dtype, bits in FORMATS:
    codes = numpy.arange(1 << bits, dtype=numpy.uint8)
    values = codes.view(dtype).astype(numpy.float32).view(numpy.uint32)
    for code, value in zip(codes, values):
        print(f"{name}\t{code:02x}\t{value:08x}")
