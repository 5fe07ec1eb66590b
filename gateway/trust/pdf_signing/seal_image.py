"""Reads the image of an agency's seal (R24). In: the bytes of a PNG. Out: the picture and its real size. Refuses what would
not look like a seal on paper: no transparency, not red, out of all size."""

from __future__ import annotations

import io
import warnings

from PIL import Image

from gateway.domain.pdf_signing import POINTS_PER_MM, Size
from gateway.errors import Clash

MOST_BYTES = 4 * 1024 * 1024
MOST_PIXELS = 4_000_000
LEAST_MM, MOST_MM = 20.0, 60.0
USUAL_MM = 36.0  # where the file does not say how many dots it has to the inch
_SOLID = 200
_MM_PER_INCH = 25.4


def read_seal(content: bytes) -> Image.Image:
    """The picture, with transparency. Clash when it cannot stand for a seal."""
    if len(content) > MOST_BYTES:
        raise _unfit(f"has {len(content)} bytes, more than {MOST_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a picture that is too large the library only warns
            image = Image.open(io.BytesIO(content), formats=("PNG",))
            if image.width * image.height > MOST_PIXELS:
                raise _unfit(f"has {image.width} x {image.height} dots")
            picture = image.convert("RGBA")
    except Clash:
        raise
    except Exception as why:  # what a damaged picture makes the library raise has no common class
        raise _unfit("is no PNG that can be read") from why
    _must_look_like_one(picture)
    picture.info["dpi"] = image.info.get("dpi", (0, 0))
    return picture


def size_of(picture: Image.Image) -> Size:
    """Its real size: by its own dots to the inch, else the usual width of a seal."""
    dpi = float(picture.info.get("dpi", (0, 0))[0] or 0)
    wide = picture.width / dpi * _MM_PER_INCH if dpi > 1 else USUAL_MM
    if not LEAST_MM <= wide <= MOST_MM:
        raise _unfit(f"is {wide:.0f} mm wide; a seal has {LEAST_MM:.0f} to {MOST_MM:.0f}")
    width = wide * POINTS_PER_MM
    return Size(width=width, height=width * picture.height / picture.width)


def _must_look_like_one(picture: Image.Image) -> None:
    small = picture.resize((64, 64))
    dots = [dot for dot in small.get_flattened_data() if isinstance(dot, tuple)]
    solid = [dot for dot in dots if dot[3] >= _SOLID]
    if len(solid) > 0.9 * len(dots):
        raise _unfit("is not transparent: it would hide the personal signature")
    if not solid:
        raise _unfit("is empty")
    red, green, blue = (sum(dot[n] for dot in solid) / len(solid) for n in range(3))
    if red < 1.5 * max(green, blue, 1):
        raise _unfit("is not red")


def _unfit(why: str) -> Clash:
    return Clash(
        f"the image of the seal {why}",
        code="SEAL-IMAGE",
        hint="scan the seal in red, make its ground transparent, and save it as PNG with its dots to the inch",
    )
