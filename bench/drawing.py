"""Times the drawing of a file's pages, by a process that is warm: `python -m bench.drawing [FILE.pdf …]`. Without files
those of tests/samples, and a scan of about 10 MB. Out: a line for each, the median and the slowest of its looks."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from PIL import Image

from gateway.domain.pdf import PageWish
from gateway.trust.page_drawing.drawer import PageBox

SAMPLES = Path(__file__).parents[1] / "tests" / "samples"
LOOKS = 9


def scan() -> bytes:
    """Make a sheet at 300 dots to the inch that no compression makes small."""
    noise = Image.frombytes("L", (2480, 3508), os.urandom(2480 * 3508)).resize((2480, 3508))
    buffer = io.BytesIO()
    noise.convert("RGB").save(buffer, "PDF", resolution=300, quality=95)
    return buffer.getvalue()


def main(names: list[str]) -> None:
    files = {Path(p).name: Path(p).read_bytes() for p in names}
    if not files:
        files = {p.name: p.read_bytes() for p in sorted(SAMPLES.glob("*.pdf"))} | {"scan": scan()}
    with tempfile.TemporaryDirectory() as folder:
        box = PageBox(Path(folder))
        box.warm()
        try:
            for name, octets in files.items():
                _measured(box, Path(folder), name, octets)
        finally:
            box.close()


def _measured(box: PageBox, folder: Path, name: str, octets: bytes) -> None:
    place = folder / "looked-at"
    place.write_bytes(octets)
    took = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        look = box.draw(place, PageWish(kind="pdf", page=1, window=10))
        took.append(1000 * (time.perf_counter() - began))
    size = f"{len(octets) / 1024:,.0f} KB"
    print(
        f"{name:<24} {size:>10}  {median(took):6.0f} ms  slowest {max(took):6.0f} ms  {look.fault or len(look.picture)}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
