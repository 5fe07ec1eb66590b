"""Where marks go on a page. In: millimetres from the upper left corner. Out: an area in points."""

from __future__ import annotations

from gateway.domain.pdf import POINTS_PER_MM, Area


def area_in_mm(x: float, top: float, width: float, height: float) -> Area:
    k = POINTS_PER_MM
    return Area(left=x * k, top=top * k, width=width * k, height=height * k)
