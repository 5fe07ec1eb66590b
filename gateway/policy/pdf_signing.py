"""Decides whether the agency's own key may sign a PDF, and where the seal or mark goes on the page. In: the file's
present state, the wish, the key, the exchange keys, the time; the page with its occupied areas, the sizes of image and
text. Out: a `Verdict` with every reason; a `Placement`. Pure.

Trust in earlier signatures is judged when the document is sent, not here. A seal covers a third of the personal
signature, on its left (R24); a mark goes at the top right of page 1 (R24, R25: places of seal and copy mark)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.domain.pdf import (
    MOST_PDF_BYTES,
    POINTS_PER_MM,
    Area,
    EarlierSignature,
    KeyFacts,
    KeyState,
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
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

# A typed PIN opens the key for a limited session, so that a page left open over lunch asks again.
SESSION_LASTS = timedelta(minutes=15)
EDGE = 4 * POINTS_PER_MM  # printers leave about this margin blank
TOP = 8 * POINTS_PER_MM
SIDE = 15 * POINTS_PER_MM  # the right margin of the official layout
GAP = 2.0
_SHARE = 1 / 3


def may_be_signed(standing: PdfStanding, wish: Wish, name: str) -> Verdict:
    """Check the file, before a key is opened."""
    return Verdict(reasons=tuple(_file_reasons(standing, wish, name)))


def may_sign(
    standing: PdfStanding,
    key: KeyFacts,
    exchange_keys: Collection[str],
    at: datetime,
    state: KeyState | None = None,
) -> Verdict:
    """Check the key: valid, meant for signing and not revoked (K3), no exchange key (R23a), not on this file already (R30,
    one signature). A state that is not known refuses nothing."""
    reasons = list(_key_reasons(standing, key, exchange_keys, at))
    if state is not None and state.word == "revoked":
        since = state.revoked_at or at
        reasons.append(reason(ReasonCode.KEY_REVOKED, serial=key.serial, revoked_on=since.date().isoformat()))
    return Verdict(reasons=tuple(reasons))


def is_over(opened_at: datetime, at: datetime) -> bool:
    """Tell whether the session is over, so that the PIN must be typed again."""
    return not timedelta(0) <= at - opened_at <= SESSION_LASTS


def _file_reasons(standing: PdfStanding, wish: Wish, name: str) -> Iterator[Reason]:
    if standing.size > MOST_PDF_BYTES:
        yield reason(
            ReasonCode.SIGN_TOO_LARGE, name=name, size_bytes=standing.size, limit_bytes=MOST_PDF_BYTES
        )
    elif standing.encrypted:
        yield reason(ReasonCode.SIGN_ENCRYPTED, name=name)
    elif standing.fault is not None:
        yield reason(ReasonCode.SIGN_BROKEN, name=name)
    else:
        yield from _readable_reasons(standing, wish, name)


def _readable_reasons(standing: PdfStanding, wish: Wish, name: str) -> Iterator[Reason]:
    if standing.closed:
        yield reason(ReasonCode.SIGN_CLOSED, name=name)
    for signature in standing.earlier:
        if not signature.intact:
            yield reason(ReasonCode.SIGN_EARLIER_BROKEN, name=name, signer=signature.subject)
    if wish.purpose is Purpose.SEAL and not standing.earlier:
        # R19 (two signatures): the competent person signs first; the seal goes over that signature.
        yield reason(ReasonCode.SIGN_NO_PERSON, name=name)
    if wish.purpose is Purpose.APPENDIX and not wish.number.strip():
        yield reason(ReasonCode.SIGN_NO_NUMBER)
    if wish.at is not None and not 1 <= wish.at.page <= standing.pages:
        yield reason(ReasonCode.SIGN_OUTSIDE, page=wish.at.page)


def _key_reasons(
    standing: PdfStanding, key: KeyFacts, exchange_keys: Collection[str], at: datetime
) -> Iterator[Reason]:
    if key.key_id in exchange_keys:
        yield reason(ReasonCode.KEY_EXCHANGE, serial=key.serial)
    if not key.signs:
        yield reason(ReasonCode.KEY_USAGE, serial=key.serial)
    if not key.not_before <= at <= key.not_after:
        yield reason(
            ReasonCode.KEY_TIME,
            serial=key.serial,
            begins_on=key.not_before.date().isoformat(),
            ends_on=key.not_after.date().isoformat(),
        )
    if any(s.key_id == key.key_id or s.subject == key.subject for s in standing.earlier):
        yield reason(ReasonCode.SIGN_TWICE, signer=key.subject)


def page_for(standing: PdfStanding, wish: Wish) -> int:
    """Return the page to sign on. Refused when no page was chosen and a seal has no visible signature to go by."""
    if wish.at is not None:
        return wish.at.page
    if wish.purpose is not Purpose.SEAL:
        return 1
    return _anchor(standing.earlier)[0]


def place_seal(standing: PdfStanding, wish: Wish, view: PageView, image: Size, text: Layout) -> Placement:
    """Place the seal, and its text in the first free place beside it: below, left, or above; crowded where none is free."""
    if wish.at is not None:
        area = _centred(wish.at, image)
        _must_lie_on(view, area)
    else:
        area = _seal_area(_anchor(standing.earlier)[1], image, view)
    spots = [_move_inside(view, spot) for spot in _text_areas(area, text.size)]
    # The seal may cover the signature below it; only its text must not hide words.
    free = [spot for spot in spots if not spot.meets(area) and not _covers(view, spot)]
    chosen = (free or spots)[0]
    return Placement(
        page=view.number,
        area=area.union(chosen),
        image=area,
        text=chosen,
        layout=text,
        crowded=not free,
    )


def place_mark(wish: Wish, view: PageView, layouts: Sequence[Layout]) -> Placement:
    """Place the mark in the free part of the top margin with the first layout that fits. Where none fits it goes to the
    very edge, marked as crowded."""
    if wish.at is not None:
        area = _centred(wish.at, layouts[0].size)
        _must_lie_on(view, area)
        return _make_placement(view, area, layouts[0], crowded=_covers(view, area))
    for layout in layouts:
        for top in _tops(view, layout.size):
            area = _at_right(view, layout.size, top)
            if _lies_on(view, area) and not _covers(view, area):
                return _make_placement(view, area, layout, crowded=False)
    # The flattest layout that the page is wide enough for covers least.
    wide_enough = (e for e in reversed(layouts) if _lies_on(view, _at_right(view, e.size, EDGE)))
    last = next(wide_enough, layouts[0])
    return _make_placement(view, _at_right(view, last.size, EDGE), last, crowded=True)


def _anchor(earlier: Sequence[EarlierSignature]) -> tuple[int, Area]:
    """Return page and area of the last visible signature, to which the seal belongs. Refused where there is none."""
    for signature in reversed(earlier):
        if signature.page is not None and signature.area is not None:
            return signature.page, signature.area
    raise Refused(Verdict(reasons=(reason(ReasonCode.SIGN_WHERE),)))


def _seal_area(person: Area, image: Size, view: PageView) -> Area:
    x = person.left + person.width * _SHARE - image.width
    y = person.top + (person.height - image.height) / 2
    return _move_inside(view, image.at(x, y))


def _text_areas(seal: Area, text: Size) -> Iterator[Area]:
    """Yield the places for the seal's text: below, left, above."""
    middle, level = seal.left + seal.width / 2, seal.top + seal.height / 2
    yield text.at(middle - text.width / 2, seal.bottom + GAP)
    yield text.at(seal.left - GAP - text.width, level - text.height / 2)
    yield text.at(middle - text.width / 2, seal.top - GAP - text.height)


def _tops(view: PageView, size: Size) -> Iterator[float]:
    """Yield the usual top, then one as low as the text under the mark allows, then the page's edge."""
    yield TOP
    highest = min(
        (area.top for area in view.occupied if area.right > view.size.width - SIDE - size.width),
        default=TOP + size.height,
    )
    for top in (highest - GAP - size.height, EDGE):
        if EDGE <= top <= TOP:
            yield top


def _at_right(view: PageView, size: Size, top: float) -> Area:
    return size.at(max(EDGE, view.size.width - SIDE - size.width), top)


def _make_placement(view: PageView, area: Area, layout: Layout, *, crowded: bool) -> Placement:
    return Placement(page=view.number, area=area, text=area, layout=layout, crowded=crowded)


def _centred(spot: Spot, size: Size) -> Area:
    return size.at(spot.left - size.width / 2, spot.top - size.height / 2)


def _move_inside(view: PageView, area: Area) -> Area:
    """Move an area onto the page."""
    x = min(max(area.left, EDGE), max(EDGE, view.size.width - EDGE - area.width))
    y = min(max(area.top, EDGE), max(EDGE, view.size.height - EDGE - area.height))
    return replace(area, left=x, top=y)


def _lies_on(view: PageView, area: Area) -> bool:
    return (
        area.left >= 0 and area.top >= 0 and area.right <= view.size.width and area.bottom <= view.size.height
    )


def _covers(view: PageView, area: Area) -> bool:
    """Tell whether an area overlaps occupied ones, or is so close that accents would touch."""
    near = GAP / 2
    grown = Size(width=area.width + 2 * near, height=area.height + 2 * near)
    wider = grown.at(area.left - near, area.top - near)
    return any(wider.meets(a) for a in view.occupied)


def _must_lie_on(view: PageView, area: Area) -> None:
    if not _lies_on(view, area):
        raise Refused(Verdict(reasons=(reason(ReasonCode.SIGN_OUTSIDE, page=view.number),)))
