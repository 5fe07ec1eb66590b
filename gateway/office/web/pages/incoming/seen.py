"""One incoming document as a page works with it, how much of it the person may see, and acts upon it as that page
showed it. In: a visit whose address names it; the act. Out: `SeenIncoming`; NotFound for another agency's, Denied for what
is another unit's (rules 13). Of an act: what was done; or, where somebody else has just done something to it, a page
that says who and when, with the way back to how it stands now: then nothing was done."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from gateway.domain.document import UNDECIDED, IncomingDocument, Source, Staff
from gateway.domain.fields import STATUS, fitting, whole
from gateway.domain.text import fold
from gateway.errors import Clash, Denied, StaleVersion
from gateway.incoming import act
from gateway.incoming.act import StatusCall, StatusDone
from gateway.office.accounts import acting
from gateway.office.domain.roles import Manner, Right
from gateway.office.policy.rights import Granted
from gateway.office.web import visits
from gateway.office.web.dates import clock_text
from gateway.office.web.forms import Problems, whole_number
from gateway.office.web.pages import content
from gateway.office.web.routes import Needs
from gateway.office.web.visits import Visit, merged, where

ID = "{id:inb_[0-9A-Za-z]{1,40}}"
HERE = f"/van-ban-den/{ID}"
SEES = (
    Needs(
        right=Right.SEE_CONTENT,
        manners=(Manner.YES, Manner.OWN, Manner.METADATA, Manner.ORDER),
    ),
)
READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN, Manner.ORDER)),)
TAKES = (Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),)
INSTRUCTS = (Needs(right=Right.INSTRUCT, manners=(Manner.YES, Manner.OWN)),)
HANDS_BACK = (Needs(right=Right.INSTRUCT, manners=(Manner.OWN,)),)
PROGRESSES = (Needs(right=Right.PROGRESS, manners=(Manner.OWN,)),)
REOPENS = (*PROGRESSES, Needs(right=Right.INSTRUCT, manners=(Manner.YES,)))
ANSWERS = (Needs(right=Right.ANSWER, manners=(Manner.YES,)),)
FREEZES = (Needs(right=Right.FREEZE, manners=(Manner.YES,)),)
DECIDES = (Needs(right=Right.SEALED_HOLD, manners=(Manner.RECORDED,)),)
DONE = "X-Done"
"""Says to the pane that the letter was decided about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenIncoming:
    """`whole` is the document itself, or the one that this update or recall is about. `content`: the person may know what
    it says, by order once that is written down; `assigned`: it was given to the person's unit."""

    document: IncomingDocument
    whole: IncomingDocument
    manner: Manner
    assigned: bool
    content: bool
    name: str
    """Number and symbol as a page says them."""

    @property
    def path(self) -> str:
        return path_of(self.whole.id)

    @property
    def is_open(self) -> bool:
        """Whether it is to be decided about here."""
        return self.whole.state in UNDECIDED and self.whole.source is Source.AXIS


def path_of(id: str) -> str:
    return where(f"/van-ban-den/{id}")


def named(visit: Visit, document: IncomingDocument) -> str:
    """Number and symbol; in words where it has none, as many letters of citizens."""
    return document.code or visit.say("incoming.no_number")


def is_given(document: IncomingDocument, unit: str) -> bool:
    """Whether that unit leads or helps with it."""
    given = document.assignment
    if given is None or not unit.strip():
        return False
    return fold(unit) in {fold(each) for each in (given.lead_unit, *given.coordinating_units)}


async def find(visit: Visit) -> SeenIncoming:
    """The document that the address names."""
    granted = visit.person.require(Right.SEE_CONTENT)
    found = await _looked_up(visit, granted.manner, granted.unit)
    if granted.manner is Manner.OWN and not found.assigned:
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    return found


async def find_to_freeze(visit: Visit) -> SeenIncoming:
    """As `find`; also for whoever may freeze what they cannot see."""
    return await (find(visit) if visit.may(Right.SEE_CONTENT) else _looked_up(visit, Manner.NO, ""))


async def _looked_up(visit: Visit, manner: Manner, unit: str) -> SeenIncoming:
    async with visit.deps.store.read(visit.scope()) as work:
        document = await work.incoming.get(visit.path("id"))
        target = document.target_id
        whole = document if target is None else await work.incoming.get(target)
    return SeenIncoming(
        document=document,
        whole=whole,
        manner=manner,
        assigned=is_given(whole, unit),
        content=manner in (Manner.YES, Manner.OWN),
        name=named(visit, whole),
    )


async def note_read(visit: Visit, found: SeenIncoming, file: str) -> None:
    await content.note_read(visit, found.whole.id, file, assigned=found.assigned)


async def by_order(visit: Visit, found: SeenIncoming, file: str = "") -> SeenIncoming:
    """With its content, once it was written down who looks by which order. As it was where no order is needed or named."""
    if found.manner is not Manner.ORDER or not visit.ask("lenh"):
        return found
    await note_read(visit, found, file)
    return replace(found, content=True)


def granted_over(visit: Visit, found: SeenIncoming, right: Right, *manners: Manner) -> Granted:
    """That the person may do it to this very document. Denied where only the own unit's are theirs."""
    granted = visit.person.require(right, *manners)
    if granted.manner is Manner.OWN and not is_given(found.whole, granted.unit):
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    return granted


def may_reopen(visit: Visit, found: SeenIncoming) -> bool:
    """Whose unit it was given to, and who gives instructions to all of them."""
    is_theirs = found.assigned and visit.may(Right.PROGRESS, Manner.OWN)
    return is_theirs or visit.may(Right.INSTRUCT, Manner.YES)


def staff_of(visit: Visit) -> Staff:
    """Who acts, as the other side may call back."""
    person = visit.person.person
    return Staff(
        name=fitting(person.name, STATUS["staff/name"]),
        department=fitting(person.title, STATUS["staff/department"]),
        email=whole(person.email, STATUS["staff/email"]),
    )


async def leaders_of(visit: Visit) -> list[tuple[str, str]]:
    """To whom a document may be submitted, by id."""
    found = await acting.heads_of(visit.deps.accounts, visit.here.id)
    return [(each.id, ", ".join(part for part in (each.name, each.title) if part)) for each in found]


async def names_told(visit: Visit, principals: Iterable[str]) -> Mapping[str, str]:
    return await visits.names_of(visit, principals, "incoming.by")


async def name_told(visit: Visit, principal: str) -> str:
    return (await names_told(visit, [principal]))[principal]


async def ask(
    visit: Visit,
    found: SeenIncoming,
    which: str,
    problems: Problems | None = None,
    *,
    will: str = "will",
    do: str = "do",
    back: str = "",
    asked: str = "",
    **values: Any,  # what a template is given
) -> web.StreamResponse:
    """The page of a question about it; `asked` is the request that is answered."""
    document, words = found.whole, f"incoming.{which}"
    version = visit.form.text("version") or str(document.version)
    return await visit.question(
        problems,
        f"{words}.title",
        f"{words}.{will}",
        f"{words}.{do}",
        back=back or found.path,
        hidden=merged({"version": version}, request=asked or None),
        part="incoming/_questions.html",
        which=which,
        name=found.name,
        sender=document.sender_name or document.sender_code,
        found=found,
        document=document,
        **values,
    )


async def late_page(visit: Visit, found: SeenIncoming) -> web.StreamResponse:
    return await visit.page(
        "incoming/conflict.html",
        409,
        title=visit.say("incoming.conflict.title"),
        found=found,
        sentence=await last_act_words(visit, found.whole.id),
    )


async def done_or_late(
    visit: Visit, found: SeenIncoming, doing: Awaitable[object], told: str, *, over: str = ""
) -> web.StreamResponse:
    """Does it and says so, unless somebody was quicker. `over` is the state in which the letter leaves the desk by it."""
    try:
        await doing
    except (StaleVersion, Clash):
        return await late_page(visit, found)
    if over and visit.is_piece:
        return acted(visit, found, told, visit.say(f"listing.deed.{over}"))
    return visit.said(found.path, told)


def acted(visit: Visit, found: SeenIncoming, told: str, word: str, number: str = "") -> web.Response:
    """For the pane beside the list: what was done in one line, and the list goes on to its next letter."""
    stamp = bool(number) and visit.may(Right.BOOK, Manner.YES)
    said = f"{visit.say(f'told.{told}')} {word}"
    answer = visit.piece(
        "incoming/_acted.html",
        found=found,
        document=found.whole,
        word=word,
        number=number,
        stamp=stamp,
        said=said,
    )
    answer.headers[DONE] = "1"
    return answer


def give_status(
    visit: Visit, found: SeenIncoming, call: StatusCall, version: int | None = None
) -> Awaitable[StatusDone]:
    """The status that the other side hears of, given to the document as the page showed it, or as it was just judged."""
    shown = version_shown(visit) if version is None else version
    return act.set_status(visit.deps.inn, visit.scope(), found.whole.id, call, expect_version=shown)


async def last_act_words(visit: Visit, id: str) -> str:
    """The last act of a person, else that it changed by itself."""
    async with visit.deps.store.read(visit.scope()) as work:
        events = await work.events.of(id)
    last = max(events, key=lambda each: (each.at, each.id), default=None)
    if last is None or last.principal_id == visits.NODE_ITSELF:
        return visit.say("incoming.conflict.node")
    who = await name_told(visit, last.principal_id)
    return visit.say("incoming.conflict", person=who, time=clock_text(last.at, visit.deps.clock.now()))


def version_shown(visit: Visit) -> int:
    """Of the document as the page showed it; one that no document has where the form names none."""
    given = whole_number(visit.form.text("version"), 9)
    return -1 if given is None else given
