"""PNG pictures, whole ones and those that are not what they say."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image

MARK = b"\x89PNG\r\n\x1a\n"


def picture(wide: int = 200, high: int = 200, colour: str = "crimson", mode: str = "RGB") -> bytes:
    """Draw a picture of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (wide, high), colour).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def part(name: bytes, content: bytes) -> bytes:
    """Write one part with its length and check sum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def header(wide: int, high: int) -> bytes:
    return part(b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0))


def built(*parts: bytes) -> bytes:
    """Write a picture of these parts; each check sum is right, whatever they are."""
    return b"".join((MARK, *parts, part(b"IEND", b"")))
