"""Where things are on a page as it is seen, and in the PDF's own user space. In: boxes, rotation and unit of a page. Out:
areas in points from the top-left corner of the page as seen, rectangles in user space, and the matrix that turns a picture
upright."""

from __future__ import annotations

from dataclasses import dataclass

from pypdf import PageObject
from pypdf.generic import RectangleObject

from gateway.domain.pdf_signing import Area, Size

Rect = tuple[float, float, float, float]
# By rotation: what the picture's own axes become in user space, so that it stands upright on the turned page.
_MATRICES = {
    0: (1, 0, 0, 1, 0, 0),
    90: (0, 1, -1, 0, 0, 0),
    180: (-1, 0, 0, -1, 0, 0),
    270: (0, -1, 1, 0, 0, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFrame:
    """One page: its visible box in user space, how far it is turned clockwise, and points per user unit."""

    box: Rect
    turned: int = 0
    unit: float = 1.0

    @classmethod
    def of(cls, page: PageObject) -> PageFrame:
        """The frame of a page as readers show it: the crop box inside the media box. ValueError when there is none."""
        media, crop = _rect(page.mediabox), _rect(page.cropbox)
        box = (
            max(media[0], crop[0]),
            max(media[1], crop[1]),
            min(media[2], crop[2]),
            min(media[3], crop[3]),
        )
        if box[2] - box[0] < 1 or box[3] - box[1] < 1:
            raise ValueError("the page has no visible box")
        unit = float(page.user_unit)
        return cls(box=box, turned=page.rotation % 360, unit=unit if 0 < unit <= 1000 else 1.0)

    @property
    def size(self) -> Size:
        """As seen, in points."""
        width, height = (self.box[2] - self.box[0]) * self.unit, (self.box[3] - self.box[1]) * self.unit
        turned = self.turned in (90, 270)
        return Size(width=height if turned else width, height=width if turned else height)

    @property
    def matrix(self) -> tuple[int, ...]:
        return _MATRICES.get(self.turned, _MATRICES[0])

    def rect(self, area: Area) -> Rect:
        """The area in user space."""
        a, b = self._to_user(area.left, area.top), self._to_user(area.right, area.bottom)
        return min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])

    def area(self, rect: Rect) -> Area:
        """The rectangle of user space as it is seen."""
        a, b = self._to_seen(rect[0], rect[1]), self._to_seen(rect[2], rect[3])
        left, top = min(a[0], b[0]), min(a[1], b[1])
        return Area(left=left, top=top, width=abs(a[0] - b[0]), height=abs(a[1] - b[1]))

    def _to_user(self, left: float, top: float) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        right, down = left / self.unit, top / self.unit
        if self.turned == 90:
            return x0 + down, y0 + right
        if self.turned == 180:
            return x1 - right, y0 + down
        if self.turned == 270:
            return x1 - down, y1 - right
        return x0 + right, y1 - down

    def _to_seen(self, x: float, y: float) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        if self.turned == 90:
            left, top = y - y0, x - x0
        elif self.turned == 180:
            left, top = x1 - x, y - y0
        elif self.turned == 270:
            left, top = y1 - y, x1 - x
        else:
            left, top = x - x0, y1 - y
        return left * self.unit, top * self.unit


def _rect(box: RectangleObject) -> Rect:
    left, bottom, right, top = (float(each) for each in box)
    return min(left, right), min(bottom, top), max(left, right), max(bottom, top)
