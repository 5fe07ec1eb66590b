"""The rows that a person chose for one act: those ticked, or all that the list's address finds. In: a form. Out: `Choice`s,
each with why the act leaves it out, judged anew each time: a page may be old."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from gateway.errors import NotFound
from gateway.office.domain.listing import ListLine, Side, Tag, unit_viewer
from gateway.office.letters import received
from gateway.office.ports.lists import ListCount, ListPage
from gateway.office.ports.store import OfficeWork
from gateway.office.web.listing import list_rows
from gateway.office.web.listing.asking import ListQuestion
from gateway.office.web.listing.list_rows import Sees, ShownLine, Teller, state_text
from gateway.office.web.visits import Visit

MOST = 500
_PAGE = 100
_WAITING = frozenset({"queued", "failed", "paper"})
_UNSENT = frozenset({"draft", "blocked"})
_OPEN = frozenset({"new", "held"})
_NOT_HANDED = frozenset({"rejected", "recalled", "sealed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`why` is a sentence; empty when the act takes the row."""

    row: ShownLine
    why: str = ""
    number: int | None = None
    tags: Sequence[Tag] = ()
    version: int | None = None

    @property
    def id(self) -> str:
        return self.row.line.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """`cut`: the list finds more than are acted on at once."""

    act: str
    asked: ListQuestion
    choices: tuple[Choice, ...]
    cut: bool = False

    @property
    def taken(self) -> tuple[Choice, ...]:
        return tuple(each for each in self.choices if not each.why)

    @property
    def left_out(self) -> dict[str, int]:
        """How many for each reason."""
        return Counter(each.why for each in self.choices if each.why)


def query_of(visit: Visit) -> dict[str, str]:
    """The list that the form came from."""
    given = visit.form.text("ds") or visit.ask("ds")
    return dict(parse_qsl(given[:4_000], max_num_fields=50))


async def chosen(
    visit: Visit, asked: ListQuestion, act: str, *, most: int = MOST, whole: bool = False
) -> Chosen:
    """From the form where there is one, else from the address. `whole`: of no row named, all are meant."""
    ids, every = _meant(visit, whole)
    seen = list_rows.seen_by(visit)
    teller = Teller(lang=visit.lang, now=visit.deps.clock.now(), content=seen.content, back=asked.query)
    async with visit.deps.store.read(visit.scope()) as work:
        lines, cut = await (_every(work, asked, most) if every else _named(work, asked, seen, ids, most))
        choices = [await _choice(visit, work, act, teller.row(line)) for line in lines]
        if act == "bo-nhan":
            choices = await _tagged(visit, work, choices)
    if act == "tiep-nhan":
        choices = await _numbered(visit, choices)
    return Chosen(act=act, asked=asked, choices=tuple(choices), cut=cut)


def _meant(visit: Visit, whole: bool) -> tuple[Sequence[str], bool]:
    """The ids that are named, and whether all are meant."""
    ids = list(dict.fromkeys([*visit.form.all("id"), *visit.request.query.getall("id", [])]))
    every = not visit.form.all("id") and (visit.ask("tat-ca") == "1" or (whole and not ids))
    return ids, every


async def pages(
    visit: Visit, asked: ListQuestion, *, most: int, tagged: bool
) -> AsyncGenerator[tuple[Sequence[ListLine], Mapping[str, Sequence[Tag]]]]:
    """As `chosen`, `whole` and of no act: a page after another, all of one look, `tagged`: with what labels its lines have.
    Who goes through it opens no other look meanwhile: there are few places. Close it where it is left early."""
    ids, every = _meant(visit, whole=True)
    async with visit.deps.store.read(visit.scope()) as work:
        if every:
            async for page in _pages(work, asked, most):
                yield page.lines, await list_rows.tags_among(work, page.lines) if tagged else {}
            return
        for n in range(0, min(len(ids), most), _PAGE):
            lines, _ = await _named(work, asked, list_rows.seen_by(visit), ids[n : n + _PAGE], _PAGE)
            yield lines, await list_rows.tags_among(work, lines) if tagged else {}


async def counted(visit: Visit, asked: ListQuestion, *, most: int) -> tuple[Sequence[str], ListCount]:
    """The ids that are named, and of how many rows the act would be; of all that the list finds no id."""
    ids, every = _meant(visit, whole=False)
    async with visit.deps.store.read(visit.scope()) as work:
        if every:
            found = await work.office.lists.count(asked.wanted)
            return (), ListCount(n=min(found.n, most), more=found.more or found.n > most)
        lines, more = await _named(work, asked, list_rows.seen_by(visit), ids, most)
        return [each.id for each in lines], ListCount(n=len(lines), more=more)


async def _pages(work: OfficeWork, asked: ListQuestion, most: int) -> AsyncIterator[ListPage]:
    left, cursor = most, None
    while left > 0:
        page = await work.office.lists.page(asked.wanted, limit=min(_PAGE, left), cursor=cursor)
        yield page
        left, cursor = left - len(page.lines), page.next_cursor
        if cursor is None:
            return


async def _every(work: OfficeWork, asked: ListQuestion, most: int) -> tuple[list[ListLine], bool]:
    lines, more = list[ListLine](), False
    async for page in _pages(work, asked, most):
        lines += page.lines
        more = page.next_cursor is not None
    return lines, more


async def _named(
    work: OfficeWork, asked: ListQuestion, seen: Sees, ids: Sequence[str], most: int
) -> tuple[list[ListLine], bool]:
    found = [await work.office.lists.line(id) for id in ids[:most]]
    ours = [line for line in found if line is not None and line.side is asked.side]
    lines = [line for line in ours if await may_see(work, seen, line)]
    if len(lines) < len(ids[:most]):
        raise NotFound("one of these documents is not there, or not to be seen by this person")
    return lines, len(ids) > most


async def may_see(work: OfficeWork, seen: Sees, line: ListLine) -> bool:
    """Whether a person who sees the own unit's alone may see that one."""
    if seen.unit is None:
        return True
    if line.side is Side.OUT:
        return line.card.source == seen.person_id
    assigned = (await work.incoming.get(line.id)).assignment
    units = (assigned.lead_unit, *assigned.coordinating_units) if assigned else ()
    # As the lists compare departments.
    return unit_viewer(seen.unit) in map(unit_viewer, units)


async def _choice(visit: Visit, work: OfficeWork, act: str, row: ShownLine) -> Choice:
    line = row.line
    if act == "tiep-nhan":
        document = await work.incoming.get(line.id)
        doubt = received.doubt(document)
        why = "" if doubt is None else visit.say(f"listing.doubt.{doubt}", state=row.state)
        return Choice(row=row, why=why, version=document.version)
    return Choice(row=row, why=_why(visit, act, line))


def _why(visit: Visit, act: str, line: ListLine) -> str:
    states = set(line.card.states)
    fits = {
        "gui-lai": "failed" in states,
        "huy-gui": line.own_state in _UNSENT or (bool(states) and states <= _WAITING),
        "don-doc": line.is_overdue(visit.deps.clock.now()),
        "tu-choi": line.own_state in _OPEN and not line.state.endswith("_asked"),
        "trinh": line.own_state in received.WORKED_ON,
        "giao-lai": line.own_state not in _NOT_HANDED,
        "da-doc": line.unread,
    }.get(act, True)
    key = {"don-doc": "listing.skip.not_late", "da-doc": "listing.skip.read"}.get(act, "listing.skip.state")
    return "" if fits else visit.say(key, state=state_text(line, visit.lang))


async def _tagged(visit: Visit, work: OfficeWork, choices: list[Choice]) -> list[Choice]:
    """With the agency's own labels on each; what carries none is left out."""
    found = await work.office.tags.of([each.id for each in choices])
    why = visit.say("listing.skip.no_tag")
    return [
        replace(each, tags=found.get(each.id, ()), why="" if each.id in found else why) for each in choices
    ]


async def _numbered(visit: Visit, choices: list[Choice]) -> list[Choice]:
    """In the order of arrival, whatever the list's; with the number that each would get in mode B."""
    choices.sort(key=lambda each: (each.row.line.at, each.id))
    taken = [each for each in choices if not each.why]
    numbers = await received.next_numbers(visit.deps.inn, visit.scope(), len(taken))
    given = dict(zip((each.id for each in taken), numbers, strict=False))
    return [replace(each, number=given.get(each.id)) for each in choices]
