"""Where seals and marks go: on the page whatever its size, over a third of the personal signature, beside the text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.identity import Digest
from gateway.domain.pdf import (
    POINTS_PER_MM,
    Area,
    EarlierSignature,
    Layout,
    PageView,
    PdfStanding,
    Placement,
    Purpose,
    Size,
    Spot,
    Wish,
)
from gateway.errors import Refused
from gateway.policy.pdf_signing import EDGE, TOP, page_for, place_mark, place_seal

A4 = Size(width=595, height=842)
IMAGE = Size(width=36 * POINTS_PER_MM, height=36 * POINTS_PER_MM)
TEXT = Layout(lines=("a", "b"), type_size=8, size=Size(width=110, height=18))
STACKED = Layout(lines=("SAO Y", "Z91", "2026"), type_size=10, size=Size(width=120, height=34))
FLAT = Layout(lines=("SAO Y; Z91; 2026",), type_size=10, size=Size(width=200, height=11))
SEAL = Wish(purpose=Purpose.SEAL, agency_name="Z91")
COPY = Wish(purpose=Purpose.COPY, agency_name="Z91")
HAND = Area(left=330, top=560, width=170, height=60)


def standing(*places: tuple[int, Area] | None) -> PdfStanding:
    earlier = tuple(
        EarlierSignature(
            subject="CN=A",
            key_id="1",
            intact=True,
            page=place[0] if place else None,
            area=place[1] if place else None,
        )
        for place in places
    )
    return PdfStanding(digest=Digest("a" * 64), size=1, pages=3, earlier=earlier)


def blank(*occupied_areas: Area, size: Size = A4) -> PageView:
    return PageView(number=1, size=size, occupied=occupied_areas)


def image_of(placed: Placement) -> Area:
    assert placed.image is not None
    return placed.image


def test_a_seal_covers_a_third_of_the_signature_on_its_left_and_its_text_moves_away_from_words() -> None:
    """The last visible signature counts; without one a person must choose the place. R24 (look of signatures)."""
    image = image_of(place_seal(standing((1, HAND)), SEAL, blank(), IMAGE, TEXT))
    assert image.right - HAND.left == pytest.approx(HAND.width / 3)
    assert image.top + image.height / 2 == pytest.approx(HAND.top + HAND.height / 2)
    assert (image.width, image.height) == (IMAGE.width, IMAGE.height)
    assert page_for(standing((1, HAND), (3, HAND), None), SEAL) == 3
    with pytest.raises(Refused, match="sign-where"):
        page_for(standing(None), SEAL)

    below = Area(left=200, top=640, width=300, height=40)

    placed = place_seal(standing((1, HAND)), SEAL, blank(below), IMAGE, TEXT)

    assert not placed.crowded
    assert not placed.text.meets(below)
    assert not placed.text.meets(image_of(placed))


def test_a_mark_stands_at_the_top_right_and_a_full_margin_or_a_place_outside_is_refused() -> None:
    title = Area(left=300, top=57, width=250, height=14)

    placed = place_mark(COPY, blank(title), (STACKED, FLAT))

    assert placed.layout is STACKED
    assert placed.area.bottom <= title.top
    assert placed.area.right == pytest.approx(A4.width - 15 * POINTS_PER_MM)
    assert placed.area.top >= EDGE

    placed = place_mark(COPY, blank(Area(left=0, top=0, width=595, height=100)), (STACKED, FLAT))
    assert placed.crowded
    assert placed.area.top == EDGE
    first = place_mark(COPY, blank(), (STACKED, FLAT))
    second = place_mark(COPY, blank(first.area), (STACKED, FLAT))
    assert second.crowded or not second.area.meets(first.area)

    away = Spot(page=1, left=590, top=10)

    with pytest.raises(Refused, match="sign-outside"):
        place_seal(standing((1, HAND)), replace(SEAL, at=away), blank(), IMAGE, TEXT)
    with pytest.raises(Refused, match="sign-outside"):
        place_mark(replace(COPY, at=away), blank(), (STACKED,))


def test_a_mark_moves_up_and_then_flat_before_it_covers_anything() -> None:
    high = Area(left=300, top=EDGE + STACKED.size.height + 4, width=250, height=14)
    higher = Area(left=300, top=EDGE + FLAT.size.height + 4, width=250, height=14)

    up, flat = (place_mark(COPY, blank(size), (STACKED, FLAT)) for size in (high, higher))

    assert (up.layout, up.crowded) == (STACKED, False)
    assert up.area.top < TOP
    assert (flat.layout, flat.crowded) == (FLAT, False)
    assert not flat.area.meets(higher)


sizes = st.floats(min_value=200, max_value=4000)
parts = st.builds(
    Area,
    left=st.floats(min_value=-100, max_value=4000),
    top=st.floats(min_value=-100, max_value=4000),
    width=st.floats(min_value=1, max_value=2000),
    height=st.floats(min_value=1, max_value=2000),
)


@given(st.builds(Size, width=sizes, height=sizes), parts, st.lists(parts, max_size=5))
def test_everything_lies_on_the_page_whatever_it_looks_like(
    size: Size, hand: Area, occupied_areas: list[Area]
) -> None:
    view = blank(*occupied_areas, size=size)
    for placed in (
        place_seal(standing((1, hand)), SEAL, view, IMAGE, TEXT),
        place_mark(COPY, view, (STACKED, FLAT)),
    ):
        for part in (placed.area, placed.text, placed.image or placed.text):
            assert part.left >= -0.01
            assert part.right <= size.width + 0.01
            assert part.top >= -0.01
            assert part.bottom <= size.height + 0.01
        assert placed.crowded or not any(placed.text.meets(area) for area in occupied_areas)
