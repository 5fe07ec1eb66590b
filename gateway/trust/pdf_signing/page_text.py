"""Finds what takes room on a page: text, pictures, form fields. In: one page of a PDF. Out: areas as they are seen. A rough
reading that rather takes too much than too little: a mark that moves up a little is better than one over words. What
cannot be read takes no room."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from pypdf import PageObject
from pypdf.generic import ArrayObject, DictionaryObject

from gateway.domain.pdf_signing import Area
from gateway.trust.pdf_signing.geometry import PageFrame

MOST_AREAS = 20_000
_SHOWN = {b"Tj", b"TJ", b"'", b'"'}
_CHARACTER = 0.55  # of the type size: about the widest mean of a line of Vietnamese
_WHOLE_PAGE = (
    0.5  # a picture that takes more of the page is a scan: its blank margin cannot be told from its words
)

Matrix = Sequence[float]


class _Enough(Exception):
    """The deadline, or more areas than a page needs."""


def taken(page: PageObject, frame: PageFrame, deadline: float) -> tuple[Area, ...]:
    """`deadline` is a `time.monotonic` value. Never raises for bad content."""
    found = _Found(page, frame, deadline)
    try:
        found.fields()
        page.extract_text(visitor_operand_before=found.see)
    except Exception:  # noqa: S110 - a page that the library cannot read: what was found until then must do
        pass
    return tuple(found.areas)


class _Found:
    """Hears every operator of the page, with the matrices in force."""

    def __init__(self, page: PageObject, frame: PageFrame, deadline: float) -> None:
        self._page = page
        self._frame = frame
        self._deadline = deadline
        self._type_size = 12.0
        self.areas: list[Area] = []

    def fields(self) -> None:
        """Form fields that show: an earlier mark or seal."""
        for each in _dictionaries(self._page.get("/Annots")):
            if each.get("/Subtype") == "/Widget" and "/Rect" in each:
                left, bottom, right, top = (float(one) for one in each["/Rect"])  # type: ignore[attr-defined]  # a rectangle
                self._take((left, bottom, right, top))

    def see(self, operator: bytes, operands: Any, cm: Matrix, tm: Matrix) -> None:  # Any: of the library
        if time.monotonic() > self._deadline or len(self.areas) > MOST_AREAS:
            raise _Enough
        if operator == b"Tf":
            self._type_size = float(operands[1])
        elif operator in _SHOWN:
            self._text(operands, _product(tm, cm))
        elif operator == b"Do" and self._is_image(operands[0]):
            self._image(cm)

    def _text(self, operands: Any, at: Matrix) -> None:
        length = sum(_length(each) for each in operands)
        if length:
            wide, high = length * self._type_size * _CHARACTER, self._type_size
            # Of the line's corners; a little below the baseline for tails and dots.
            self._corners([_point(at, x, y) for x in (0.0, wide) for y in (-0.25 * high, 0.9 * high)])

    def _image(self, at: Matrix) -> None:
        self._corners([_point(at, x, y) for x in (0.0, 1.0) for y in (0.0, 1.0)], most=_WHOLE_PAGE)

    def _is_image(self, name: Any) -> bool:
        objects = self._page.get("/Resources", DictionaryObject()).get_object().get("/XObject", {})
        one = objects.get_object().get(name) if objects else None
        return one is not None and one.get_object().get("/Subtype") == "/Image"

    def _corners(self, points: Sequence[tuple[float, float]], most: float = 1.0) -> None:
        across, along = [x for x, _ in points], [y for _, y in points]
        self._take((min(across), min(along), max(across), max(along)), most)

    def _take(self, rect: tuple[float, float, float, float], most: float = 1.0) -> None:
        area, page = self._frame.area(rect), self._frame.size
        if area.width > 0 and area.height > 0 and area.width * area.height <= most * page.width * page.height:
            self.areas.append(area)


def _length(operand: Any) -> int:
    """How many characters, at most, are shown; in arrays there are adjustments between them."""
    if isinstance(operand, ArrayObject | list):
        return sum(_length(each) for each in operand)
    return len(operand) if isinstance(operand, str | bytes) else 0


def _product(a: Matrix, b: Matrix) -> Matrix:
    return (
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
        a[4] * b[0] + a[5] * b[2] + b[4],
        a[4] * b[1] + a[5] * b[3] + b[5],
    )


def _point(m: Matrix, x: float, y: float) -> tuple[float, float]:
    return x * m[0] + y * m[2] + m[4], x * m[1] + y * m[3] + m[5]


def _dictionaries(items: Any) -> Iterator[DictionaryObject]:
    for each in items.get_object() if items is not None else ():
        one = each.get_object()
        if isinstance(one, DictionaryObject):
            yield one
