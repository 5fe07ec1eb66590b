"""One incoming document as a page works with it, the part that the person may see, and acts upon it as that page showed it.
In: a request whose address names it; the act. Out: `IncomingView`; NotFound for another agency's, Denied for another
unit's: rules 13 (rights by role). Of an act: its outcome; or, where the document has just changed, a page that names person
and time, with the way back to its present state: then nothing was done."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from gateway.domain.agency_profile import UNDO_SECONDS
from gateway.domain.document import UNDECIDED, UNREADABLE, IncomingDocument, Source, Staff
from gateway.domain.fields import STATUS, fitting, keep_if_fits
from gateway.domain.handling import Share
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, StaleVersion
from gateway.incoming import act
from gateway.incoming.act import StatusCall, StatusDone
from gateway_office.accounts import acting
from gateway_office.domain.pending import ActKind, ActValues, PendingAct
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters import pending
from gateway_office.letters.pending import ActResult
from gateway_office.policy.rights import Grant
from gateway_office.web import display_names
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.dates import clock_text
from gateway_office.web.forms import Problems, whole_number
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import content
from gateway_office.web.routes import Handler, Needs

ID = "{id:inb_[0-9A-Za-z]{1,40}}"
PATH = f"/van-ban-den/{ID}"
SEES = (
    Needs(
        right=Right.SEE_CONTENT,
        manners=(Manner.YES, Manner.OWN, Manner.METADATA, Manner.ORDER),
    ),
)
COMMENTS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
SEES_OWN = (Needs(right=Right.SEE_CONTENT, manners=(Manner.OWN,)),)
READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN, Manner.ORDER)),)
TAKES = (Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),)
INSTRUCTS = (Needs(right=Right.INSTRUCT, manners=(Manner.YES, Manner.OWN)),)
HANDS_BACK = (Needs(right=Right.INSTRUCT, manners=(Manner.OWN,)),)
PROGRESSES = (Needs(right=Right.PROGRESS, manners=(Manner.OWN,)),)
REOPENS = (*PROGRESSES, Needs(right=Right.INSTRUCT, manners=(Manner.YES,)))
ANSWERS = (Needs(right=Right.ANSWER, manners=(Manner.YES,)),)
FREEZES = (Needs(right=Right.FREEZE, manners=(Manner.YES,)),)
DECIDES = (Needs(right=Right.SEALED_HOLD, manners=(Manner.RECORDED,)),)
DONE_HEADER = "X-Done"
"""Header that tells the pane that the letter was decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingView:
    """Incoming document as this person sees it. `main` is the document itself, or the one that this update or recall is
    about. `content`: the person may read it, by order once that is logged; `assigned`: the person, or a unit of
    theirs, has a part in it or is informed of it; `works`: it is a part with work."""

    document: IncomingDocument
    main: IncomingDocument
    manner: Manner
    assigned: bool
    works: bool
    content: bool
    name: str
    """Number and symbol as a page writes them."""
    pending: PendingAct | None = None
    """Act on it that waits, or that could not be done."""

    @property
    def path(self) -> str:
        return path_of(self.main.id)

    @property
    def may_comment(self) -> bool:
        """Tell whether the person reads and writes comments: a person of the agency who may read the letter."""
        return self.manner in (Manner.YES, Manner.OWN) and self.main.state not in UNREADABLE

    @property
    def is_open(self) -> bool:
        """Tell whether it is to be decided here."""
        return self.main.state in UNDECIDED and self.main.source is Source.AXIS

    @property
    def waits(self) -> bool:
        """Tell whether an act on it can still be undone."""
        return self.pending is not None and self.pending.waits


def path_of(id: str) -> str:
    return url_for(f"/van-ban-den/{id}")


def document_name(request: PageRequest, document: IncomingDocument) -> str:
    """Return number and symbol; words where it has none, as many letters of citizens."""
    return document.code or request.say("incoming.no_number")


async def find(request: PageRequest, id: str = "") -> IncomingView:
    """Load that document, else the one that the address names."""
    granted = request.person.require(Right.SEE_CONTENT)
    share = request.share_of(Right.SEE_CONTENT)
    incoming = await _load(request, id or request.path("id"), granted.manner, share)
    if granted.manner is Manner.OWN and not incoming.assigned:
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    return incoming


async def find_to_freeze(request: PageRequest) -> IncomingView:
    """Load as `find`; also for a person who may freeze documents that they cannot see."""
    if request.may(Right.SEE_CONTENT):
        return await find(request)
    return await _load(request, request.path("id"), Manner.NO, Share())


async def _load(request: PageRequest, id: str, manner: Manner, share: Share) -> IncomingView:
    async with request.deps.store.read(request.scope()) as work:
        document = await work.incoming.get(id)
        target = document.target_id
        main_document = document if target is None else await work.incoming.get(target)
        pending_act = (await work.office.pending.of_documents([main_document.id])).get(main_document.id)
    return IncomingView(
        document=document,
        main=main_document,
        manner=manner,
        assigned=share.covers_assignment(main_document.assignment),
        works=share.works_on(main_document.assignment),
        content=manner in (Manner.YES, Manner.OWN),
        name=document_name(request, main_document),
        pending=pending_act,
    )


async def note_read(request: PageRequest, incoming: IncomingView, file: str) -> None:
    await content.note_read(request, incoming.main.id, file, assigned=incoming.assigned)


async def by_order(request: PageRequest, incoming: IncomingView, file: str = "") -> IncomingView:
    """Add its content, once the reading by order is logged. Return it unchanged where no order is needed or named."""
    if incoming.manner is not Manner.ORDER or not request.ask("lenh"):
        return incoming
    await note_read(request, incoming, file)
    return replace(incoming, content=True)


def granted_over(request: PageRequest, incoming: IncomingView, right: Right, *manners: Manner) -> Grant:
    """Return the right over this very document. Raise Denied where it covers only the own unit's documents."""
    granted = request.person.require(right, *manners)
    if granted.manner is Manner.OWN and not request.share_of(right).works_on(incoming.main.assignment):
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    return granted


def may_reopen(request: PageRequest, incoming: IncomingView) -> bool:
    """Tell whether the person is of the assigned unit, or instructs all units."""
    is_theirs = incoming.works and request.may(Right.PROGRESS, Manner.OWN)
    return is_theirs or request.may(Right.INSTRUCT, Manner.YES)


def staff_of(request: PageRequest) -> Staff:
    """Describe the acting person, for the other side to call back."""
    person = request.person.person
    return Staff(
        name=fitting(person.name, STATUS["staff/name"]),
        department=fitting(person.title, STATUS["staff/department"]),
        email=keep_if_fits(person.email, STATUS["staff/email"]),
    )


async def leaders_of(request: PageRequest) -> list[tuple[str, str]]:
    """List the persons to whom a document may be submitted, with their ids."""
    heads = await acting.heads_of(request.deps.accounts, request.own_agency.id)
    return [(head.id, ", ".join(part for part in (head.name, head.title) if part)) for head in heads]


async def names_of_people(request: PageRequest, principals: Iterable[str]) -> Mapping[str, str]:
    return await display_names.names_of(request, principals, "incoming.by")


async def name_of(request: PageRequest, principal: str) -> str:
    return (await names_of_people(request, [principal]))[principal]


async def ask(
    request: PageRequest,
    incoming: IncomingView,
    which: str,
    problems: Problems | None = None,
    /,
    *,
    will: str = "will",
    do: str = "do",
    back: str = "",
    request_id: str = "",
    **values: Any,  # values of a template
) -> web.StreamResponse:
    """Show the page of a question about it; `request_id` is the request that is answered."""
    document, words = incoming.main, f"incoming.{which}"
    version = request.form.text("version") or str(document.version)
    return await request.question(
        problems,
        f"{words}.title",
        f"{words}.{will}",
        f"{words}.{do}",
        back=back or incoming.path,
        hidden=merged({"version": version}, request=request_id or None),
        part="incoming/_questions.html",
        which=which,
        name=incoming.name,
        sender=document.sender_name or document.sender_code,
        found=incoming,
        document=document,
        **values,
    )


async def late_page(request: PageRequest, incoming: IncomingView, sentence: str = "") -> web.StreamResponse:
    return await request.page(
        "incoming/conflict.html",
        409,
        title=request.say("incoming.conflict.title"),
        found=incoming,
        sentence=sentence or await last_act_words(request, incoming.main.id),
    )


def alone(handler: Handler) -> Handler:
    """Make the handler of an act that is refused, with a person's name, while another act on the document waits."""

    async def run(request: PageRequest) -> web.StreamResponse:
        if request.is_act:
            incoming = await find(request)
            if incoming.pending is not None and incoming.waits:
                return await late_page(request, incoming, await _waits_words(request, incoming.pending))
        return await handler(request)

    return run


async def _waits_words(request: PageRequest, pending_act: PendingAct) -> str:
    return request.say(
        "incoming.waits.other",
        person=await name_of(request, pending_act.person_id),
        act=request.say(f"incoming.waits.{pending_act.kind}"),
        time=f"{local(pending_act.due_at):%H:%M:%S}",
    )


async def begin_act(
    request: PageRequest, incoming: IncomingView, kind: ActKind, values: ActValues, version: int | None = None
) -> ActResult:
    """Begin an act that can be undone for as long as the agency chose, on the document as the page showed it, or as it
    was just judged."""
    now, node_s = request.deps.clock.now(), request.deps.settings.pages.undo_act_s
    async with request.deps.store.read(request.scope()) as work:
        chosen = await work.profile.value(UNDO_SECONDS, now)
    return await pending.begin(
        *request.incoming,
        incoming.main,
        kind,
        values,
        version=form_version(request) if version is None else version,
        wait=timedelta(seconds=int(chosen) if chosen is not None else node_s),
    )


async def done_or_late(
    request: PageRequest,
    incoming: IncomingView,
    act_running: Awaitable[object],
    message: str,
    *,
    end_state: str = "",
) -> web.StreamResponse:
    """Act and confirm, or show that the document has changed. At `end_state` the letter leaves the desk."""
    try:
        result = await act_running
    except (StaleVersion, Clash):
        return await late_page(request, incoming)
    if isinstance(result, ActResult) and result.due is not None:
        return await confirm_waiting(request, incoming, result.due)
    if end_state and request.is_piece:
        return confirm(request, incoming, message, request.say(f"listing.deed.{end_state}"))
    return request.confirm(incoming.path, message)


async def confirm_waiting(
    request: PageRequest, incoming: IncomingView, due: PendingAct, next_id: str = ""
) -> web.Response:
    """Report an act that can still be undone, with the button that undoes it."""
    message = f"incoming.waits.{due.kind}"
    if request.is_piece:
        waiting = replace(incoming, pending=due)
        return confirm(request, waiting, message, request.say(message))
    return request.confirm(incoming.path, message, **merged({"ds": request.ask("ds"), "sau": next_id}))


def confirm(
    request: PageRequest, incoming: IncomingView, message: str, word: str, number: str = ""
) -> web.Response:
    """Report the act in one line to the pane beside the list, which goes on to its next letter."""
    stamp = bool(number) and request.may(Right.BOOK, Manner.YES)
    sentence = f"{request.say(f'told.{message}')} {word}"
    answer = request.piece(
        "incoming/_acted.html",
        found=incoming,
        document=incoming.main,
        word=word,
        number=number,
        stamp=stamp,
        said=sentence,
        left=_seconds_left(request, incoming),
    )
    answer.headers[DONE_HEADER] = "1"
    return answer


def _seconds_left(request: PageRequest, incoming: IncomingView) -> int:
    """Return for how long the act on it can be undone."""
    if incoming.pending is None:
        return 0
    return max(0, int((incoming.pending.due_at - request.deps.clock.now()).total_seconds()))


def give_status(
    request: PageRequest, incoming: IncomingView, call: StatusCall, version: int | None = None
) -> Awaitable[StatusDone]:
    """Set the status that the other side receives, for the document as the page showed it, or as it was just judged."""
    expected = form_version(request) if version is None else version
    return act.set_status(*request.incoming, incoming.main.id, call, expect_version=expected)


async def last_act_words(request: PageRequest, id: str) -> str:
    """Name the last act of a person, else say that it changed by itself."""
    async with request.deps.store.read(request.scope()) as work:
        events = await work.events.of_subject(id)
    last = max(events, key=lambda event: (event.at, event.id), default=None)
    if last is None or last.principal_id == display_names.NODE_ITSELF:
        return request.say("incoming.conflict.node")
    person = await name_of(request, last.principal_id)
    return request.say("incoming.conflict", person=person, time=clock_text(last.at, request.deps.clock.now()))


def form_version(request: PageRequest) -> int:
    """Return the version that the page showed; an impossible one where the form has none."""
    version = whole_number(request.form.text("version"), 9)
    return -1 if version is None else version
