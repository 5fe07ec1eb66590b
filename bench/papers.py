"""Makes PDF files of an exact size that no compression can shrink, as scans are. In: a path, a size, a seed. Out: a file
with one image a page, written in pieces. Run as a program, so that the measured process never holds the content: `python -m
bench.papers FOLDER SIZE COUNT`."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

# Bytes of one image: a scanned page at 300 dpi has about as many.
IMAGE = 4_000_000
_FIRST_PAGE = 3  # objects 1 and 2 are the catalogue and the page tree


def write(path: Path, size: int, seed: int) -> None:
    """Write a PDF of exactly `size` bytes at `path`; another seed gives other bytes."""
    pages = max(1, -(-size // IMAGE))
    bare = sum(map(len, _pdf([0] * pages, random.Random(seed))))
    if size < bare:
        raise ValueError(f"a PDF of {pages} pages has at least {bare} bytes; {size} were asked for")
    per_page, remainder = divmod(size - bare, pages)
    with path.open("wb") as file:
        for piece in _pdf([per_page] * (pages - 1) + [per_page + remainder], random.Random(seed)):
            file.write(piece)


def content(size: int, seed: int) -> bytes:
    """Return a small PDF of exactly `size` bytes: one image on one page."""
    bare = sum(map(len, _pdf([0], random.Random(seed))))
    return b"".join(_pdf([size - bare], random.Random(seed)))


def _pdf(images: Sequence[int], chance: random.Random) -> Iterator[bytes]:
    """Yield its pieces. Numbers have a fixed width, so that only the images' size depends on more than the pages."""
    offsets: list[int] = []
    position = len(header := b"%PDF-1.4\n")
    yield header
    for number, parts in enumerate(_objects(images, chance), start=1):
        offsets.append(position)
        for part in (b"%d 0 obj\n" % number, *parts, b"\nendobj\n"):
            position += len(part)
            yield part
    yield b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
    for offset in offsets:
        yield b"%010d 00000 n \n" % offset
    yield b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%010d\n%%%%EOF\n" % (len(offsets) + 1, position)


def _objects(images: Sequence[int], chance: random.Random) -> Iterator[tuple[bytes, ...]]:
    kids = b" ".join(b"%d 0 R" % (_FIRST_PAGE + 2 * n) for n in range(len(images)))
    yield (b"<< /Type /Catalog /Pages 2 0 R >>",)
    yield (b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(images), kids),)
    for n, length in enumerate(images):
        image = _FIRST_PAGE + 2 * n + 1
        yield (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]"
            b" /Resources << /XObject << /Im0 %d 0 R >> >> >>" % image,
        )
        yield (
            b"<< /Type /XObject /Subtype /Image /Width %010d /Height 1 /ColorSpace /DeviceGray"
            b" /BitsPerComponent 8 /Length %010d >>\nstream\n" % (length, length),
            chance.randbytes(length),
            b"\nendstream",
        )


def main(folder: Path, size: int, count: int) -> None:
    """Write `count` files FOLDER/SIZE-N.pdf, all different."""
    for n in range(count):
        write(folder / f"{size}-{n}.pdf", size, seed=size + n)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
