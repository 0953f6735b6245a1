"""The number of parameters in what `sgc --emit=names` prints: count_parameters < NAMES

States are not counted. Printed as people write it: 124,439,808.
"""
import re
import sys

total = 0
for line in sys.stdin:
    match = re.match(r"param +\S+ : \w+\[([\d,]*)\]", line)
    if not match:
        continue
    size = 1
    for dim in match.group(1).split(","):
        size *= int(dim) if dim else 1
    total += size
print(f"{total:,}")
