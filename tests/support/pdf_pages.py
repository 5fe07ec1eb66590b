"""PDFs of every shape to be signed on, written byte by byte: pages of any size, turned, with text where a test wants it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

A4 = (595, 842)
Line = tuple[float, float, str]

_FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>"


@cache
def paper(
    size: tuple[int, int] = A4,
    turned: int = 0,
    lines: tuple[Line, ...] = (),
    pages: int = 1,
    origin: tuple[int, int] = (0, 0),
) -> bytes:
    """Pages with lines of 12-point text: left and baseline in user space, and the words."""
    box = f"[{origin[0]} {origin[1]} {origin[0] + size[0]} {origin[1] + size[1]}]"
    words = "\n".join(f"BT /F1 12 Tf {x} {y} Td ({text}) Tj ET" for x, y, text in lines)
    kids = " ".join(f"{n} 0 R" for n in range(5, 5 + pages))
    page = (
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Rotate {turned} /Contents 4 0 R "
        "/Resources << /Font << /F1 3 0 R >> >> >>"
    )
    return assembled(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>",
            _FONT,
            f"<< /Length {len(words)} >>\nstream\n{words}\nendstream",
            *[page] * pages,
        ]
    )


def assembled(objects: Sequence[str]) -> bytes:
    """A file of these objects, numbered from 1; the first is the catalogue."""
    content, offsets = b"%PDF-1.7\n", []
    for number, x in enumerate(objects, start=1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n{x}\nendobj\n".encode("ascii")
    rows = "".join(f"{x:010d} 00000 n \n" for x in offsets)
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}"
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    return content + (table + trailer).encode("ascii")
