"""Holds the compiled scan to the NumPy scan over a fuzzer's corpus: as found, with checksums put right, and mutated.

python -m tests.fuzz.differential [--seconds N] FOLDER…
"""

from __future__ import annotations

import argparse
import random
import struct
import tempfile
import time
from pathlib import Path

from tb_evalguide.sources import scan
from tb_evalguide.sources.records import FOOTER, HEADER, crc32c, mask
from tests.sources.test_scan_equivalence import compare


def repaired(data: bytes) -> bytes:
    """The same bytes with every checksum, and the last length, made right."""
    out, pos = bytearray(data), 0
    while len(out) - pos >= HEADER + FOOTER:
        length = min(int.from_bytes(out[pos : pos + 8], "little"), len(out) - pos - HEADER - FOOTER)
        out[pos : pos + 8] = struct.pack("<Q", length)
        out[pos + 8 : pos + HEADER] = struct.pack("<I", mask(crc32c(bytes(out[pos : pos + 8]))))
        end = pos + HEADER + length
        out[end : end + FOOTER] = struct.pack("<I", mask(crc32c(bytes(out[pos + HEADER : end]))))
        pos = end + FOOTER
    return bytes(out)


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut out or put in, perhaps a piece of another input."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        size = rng.choice((0, 1, 1, 4, 8, 40))
        piece = rng.choice((rng.randbytes(rng.randint(0, 9)), bytes(rng.randint(0, 20)), other[at : at + 60]))
        out[at : at + size] = piece
    return bytes(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("folders", nargs="+", type=Path)
    options = parser.parse_args()
    if scan.compiled is None:
        parser.exit(1, "the compiled scan is not built\n")
    inputs = [path.read_bytes() for folder in options.folders for path in sorted(folder.iterdir())]
    rng = random.Random(options.seed)
    end, count = time.monotonic() + options.seconds, 0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "events"
        while time.monotonic() < end:
            data = rng.choice(inputs)
            if count >= len(inputs):
                data = mutated(data, rng.choice(inputs), rng)
            for variant in (data, repaired(data)):
                try:
                    compare(variant, path)
                except AssertionError:
                    failed = Path("differential-failure")
                    failed.write_bytes(variant)
                    print(f"the scans differ: {failed}")
                    raise
            count += 1
    print(f"{count} inputs, each as it is and repaired: the scans agree")


if __name__ == "__main__":
    main()
