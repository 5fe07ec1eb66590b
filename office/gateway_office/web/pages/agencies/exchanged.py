"""What passes between the person's agency and another: the lights of that agency, and the last letters of both directions,
read as the lists read them. In: a registry entry. Out: lights in words, rows of letters. A person without an agency, or
without the right to its lists, gets no letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway_office.domain.listing import Side
from gateway_office.domain.roles import Manner, Right
from gateway_office.node.exchange import SIX_MONTHS
from gateway_office.web.addresses import url_for
from gateway_office.web.listing import list_rows
from gateway_office.web.listing.asking import PATHS
from gateway_office.web.listing.list_rows import ShownLine
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.lists import read_query

_LATEST = 5
_ENDS_SOON = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """One light of an agency: `word` is a verdict's sign, `key` that of its sentence, with its parameters."""

    name: str
    word: str
    key: str
    days: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """The newest letters of one direction. `path` is the list with all of them."""

    side: Side
    path: str
    rows: Sequence[ShownLine]
    late: frozenset[str]


def lights_of(
    *, is_bound: bool, days: int | None, heard_at: datetime | None, now: datetime, sees_mail: bool
) -> tuple[Light, ...]:
    """Judge an agency that is in force: whether it is connected, its certificate holds, and it answers, as far as the
    visitor may know."""
    if not is_bound:
        return (Light(name="connected", word="none", key="agencies.light.connected.none"),)
    connected = Light(name="connected", word="good", key="agencies.light.connected.good")
    certificate = "bad" if days is not None and days < 0 else "good"
    if days is not None and 0 <= days <= _ENDS_SOON:
        certificate = "warn"
    valid = Light(name="valid", word=certificate, key=f"agencies.light.valid.{certificate}", days=days)
    if not sees_mail:
        return connected, valid
    if heard_at is None:
        return connected, valid, Light(name="answering", word="none", key="agencies.light.answering.none")
    word = "good" if now - heard_at <= SIX_MONTHS else "warn"
    return (
        connected,
        valid,
        Light(name="answering", word=word, key="agencies.light.answering.at", at=heard_at),
    )


async def last_letters(request: PageRequest, code: str) -> list[Exchanged]:
    """List the newest letters from and to that agency, in the lists that this person may see."""
    if request.agency is None or not request.may(Right.SEE_CONTENT):
        return []
    sight, exchanged = list_rows.seen_by(request), []
    for side in (Side.IN, Side.OUT):
        # A draft is no letter yet.
        query = {"co-quan": code, "tab": "all" if side is Side.IN else "sent", "sap-xep": "newest"}
        question = read_query(request, side, query, sight)
        async with request.deps.store.read(request.scope()) as work:
            page = await work.office.lists.page(question.criteria, limit=_LATEST)
            late = await work.office.lists.late(side, [line.id for line in page.lines], request.today)
        renderer = await list_rows.row_renderer(request, side)
        path = url_for(PATHS[side], **query)
        exchanged.append(Exchanged(side=side, path=path, rows=renderer.rows(page.lines), late=late))
    return [letters for letters in exchanged if letters.rows]


def may_write(request: PageRequest, code: str) -> bool:
    """Tell whether the person may begin a document to that agency."""
    own = request.agency
    return own is not None and own.code != code and request.may(Right.ISSUE, Manner.YES)
