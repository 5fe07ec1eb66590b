"""Incoming documents for the agency's document system: list, lease, read, files, acknowledge, status, assignment. In: a
call; its statements about a document become `StatusCall` and `Assignment`, and the use case decides which status is allowed
now. Out: views of `inbox_view`, streamed files, and results of `incoming.act`. Reading never becomes a status
(interfaces.md 1.5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from aiohttp import web
from pydantic import Field

from gateway.api import inbox_view, routes
from gateway.api.batches import MOST_ITEMS, Outcome, act_on_all
from gateway.api.call import (
    Call,
    DocumentsQuery,
    PageOut,
    PageQuery,
    Since,
    Words,
    check_words,
    page_of,
    stream,
    wait_until,
)
from gateway.api.inbox_view import InboxItem, Quarantined
from gateway.api.models import NothingIn, StaffIn
from gateway.api.routes import Routes
from gateway.api.shapes import (
    BASE,
    PACKET_STATES,
    SET_ASIDE,
    AgencyCode,
    Code,
    Day,
    HandoverWord,
    Instant,
    Line,
    RequestModel,
    ResponseModel,
    Text,
    closed,
)
from gateway.api.words import say
from gateway.document_view.facts import received_word
from gateway.domain.account import ApiScope
from gateway.domain.document import (
    Assignment,
    IncomingDocument,
    Informed,
    InState,
    Staff,
    UnitDeadline,
    UnitPerson,
)
from gateway.domain.request_fault import bad_value
from gateway.domain.states import CODES
from gateway.domain.status import code_of
from gateway.domain.wall_clock import FIRST_DAY, LAST_DAY
from gateway.incoming import act, document_context, handling, handover, reading
from gateway.incoming.act import RefusalReason, StatusCall
from gateway.store.work import SqlWork

# 01 is the node's own, 13 the sender's.
SETTABLE_CODES = tuple(code for code, row in CODES.items() if row.set_by == "receiver")


class UnitPersonIn(RequestModel):
    """Person of a unit, by sign-in name or id."""

    unit: Line = Field(min_length=1)
    person: Line = Field(min_length=1)


class InformedIn(RequestModel):
    """Unit, or a person of it by sign-in name or id."""

    unit: Line = Field(min_length=1)
    person: Line | None = None


class AssignmentIn(RequestModel):
    """Assignment to units, with deadlines (R63)."""

    lead_unit: Line = Field(min_length=1)
    coordinating_units: list[Line] = Field(default_factory=list, max_length=100)
    deadline: Day | None = None
    instruction: Text | None = None
    unit_deadlines: dict[Line, Day] = Field(
        default_factory=dict,
        max_length=100,
        description="By coordinating unit, if its day differs from `deadline`",
    )

    persons: list[UnitPersonIn] = Field(
        default_factory=list,
        max_length=100,
        description="Persons who have the part of their unit; the first of the leading unit leads",
    )
    informed: list[InformedIn] = Field(
        default_factory=list,
        max_length=100,
        description="Units, or persons of them, who see the document and have no work on it",
    )

    def to_assignment(self) -> Assignment:
        unknown_units = sorted(set(self.unit_deadlines) - set(self.coordinating_units))
        if unknown_units:
            raise bad_value("/unit_deadlines", ", ".join(self.coordinating_units) or "–")
        days = tuple(UnitDeadline(unit=unit, deadline=day) for unit, day in self.unit_deadlines.items())
        persons = tuple(entry.into(UnitPerson) for entry in self.persons)
        informed = tuple(entry.into(Informed) for entry in self.informed)
        return self.into(Assignment, deadlines=days, persons=persons, informed=informed)


class PartIn(RequestModel):
    """Report of one unit on its part."""

    unit: Line = Field(min_length=1)
    outcome: Literal["returned", "done", "seen"] = Field(
        description="`returned`: handed back by the unit's head; `done`: a unit that helps has done its part; "
        "`seen`: an informed unit has seen the document"
    )
    reason: Text | None = Field(None, description="Reason, with `returned`")


class StatusIn(RequestModel):
    """Status of the agency for the document: a code 02 to 06, 15, 16, or its word (`accepted`)."""

    code: Code = Field(
        description="02 to 06, 15, 16, or the word of /codes",
        json_schema_extra=closed((*SETTABLE_CODES, *(CODES[code].key for code in SETTABLE_CODES))),
    )
    register_no: Line | None = Field(None, description="Arrival number in your book, with 03")
    register_year: int | None = Field(None, ge=FIRST_DAY.year, le=LAST_DAY.year)
    at: Instant | None = Field(
        None,
        description="Time of the act: between the arrival and now, with ten minutes of tolerance; now if absent",
    )
    staff: StaffIn | None = None
    note: Text | None = None
    reason: RefusalReason | None = Field(None, description="Required with 02")
    assignment: AssignmentIn | None = Field(None, description="With 04")
    answered_by: Line | None = Field(None, description="With 06: id of our message that answers it")
    reopen: bool = Field(
        False,
        description="With 05: the work was closed by mistake and continues; the sender reads the reason in `note`",
    )

    def to_call(self) -> StatusCall:
        code = code_of(self.code)
        if code not in SETTABLE_CODES:
            raise bad_value("/code", ", ".join(SETTABLE_CODES))
        if self.reopen and code != "05":
            raise bad_value("/code", "05")
        return self.into(
            StatusCall,
            code=code,
            staff=self.staff.into(Staff) if self.staff else None,
            assignment=self.assignment.to_assignment() if self.assignment else None,
            reopens=self.reopen,
        )


class AcksIn(RequestModel):
    """Documents that your system has stored."""

    ids: list[Line] = Field(min_length=1, max_length=MOST_ITEMS)


class StatusOfIn(StatusIn):
    """Status for one of several documents."""

    id: Line = Field(min_length=1)
    version: int | None = Field(
        None, ge=0, description="Version seen last; the item gets 412 if it has changed"
    )


class StatusesIn(RequestModel):
    """Statuses for several documents; several for one are set in their order."""

    statuses: list[StatusOfIn] = Field(min_length=1, max_length=MOST_ITEMS)


class InboxQuery(DocumentsQuery):
    """Filters of incoming documents."""

    state: Words = Field(
        default_factory=list,
        description="One or more states, separated by commas",
        json_schema_extra={"items": {"type": "string", "enum": list(InState)}},
    )
    handover: Literal["available", "leased", "acked"] | None = None
    arrived_from: Since | None = Field(
        None,
        alias="arrived_at[gte]",
        description="Applies to the list only, not to a lease",
    )
    arrived_to: Since | None = Field(None, alias="arrived_at[lt]")
    partner: AgencyCode | None = Field(None, description="Code of the agency that sent it")
    sort: Literal["-arrived_at", "arrived_at"] = Field(
        "-arrived_at",
        description="With a minus sign the newest come first; a lease always takes the oldest",
    )
    lease: int | None = Field(
        None,
        ge=1,
        le=3600,
        description="Seconds for which this key leases the rows not yet handed over, oldest first",
    )
    wait: int = Field(0, ge=0, le=60, description="Seconds to wait while the list is empty")


class InboxItems(PageOut[InboxItem]):
    """One page."""


class QuarantineQuery(PageQuery):
    """Filters of packets."""

    state: Words = Field(
        default_factory=list,
        description="One or more states of a packet, separated by commas; if absent, all that wait for a decision",
        json_schema_extra={"items": {"type": "string", "enum": list(PACKET_STATES)}},
    )
    wait: int = Field(0, ge=0, le=60, description="Seconds to wait while the list is empty")


class QuarantinedItems(PageOut[Quarantined]):
    """One page."""


class Acknowledged(ResponseModel):
    id: str
    handover: HandoverWord
    repeated: bool = Field(description="It was already acknowledged, which is harmless")


class StatusWarning(ResponseModel):
    """A warning about a recorded status."""

    type: str
    detail: str


class StatusSet(ResponseModel):
    """The status is recorded, and its signed answer is on its way."""

    repeated: bool
    register_no: str | None = Field(description="The arrival number given, in mode B by the node")
    warnings: list[StatusWarning] = Field(
        description="`status-no-effect`: it is recorded and sent, and changes no state"
    )
    item: InboxItem = Field(
        description="The item that the call named; `about` is the document that it concerns"
    )


class AckOutcome(Outcome[Acknowledged]):
    """Outcome of one acknowledgement."""


class AckOutcomes(ResponseModel):
    data: list[AckOutcome] = Field(description="One for each id, in their order")


class StatusOutcome(Outcome[StatusSet]):
    """Outcome of one status."""


class StatusOutcomes(ResponseModel):
    data: list[StatusOutcome] = Field(description="One for each status, in their order")


ROUTES = Routes("inbox", ApiScope.INBOX_READ)
_change = partial(ROUTES, scopes=(ApiScope.INBOX_ACT,), changes=True, headers=("ETag",))


@ROUTES(
    "GET /inbox",
    "Incoming documents, newest first; with `lease`, those not yet handed over",
    text="`lease` also needs the scope inbox:act, and returns recalled documents too: see "
    "`files_readable`. Packets that did not become documents are in the quarantine. In this list "
    "`checks.duplicate_of` is filled only for documents that are new or held.",
)
async def list_inbox(call: Call, query: InboxQuery) -> InboxItems:
    """List incoming documents. With `wait`, look again after each event of the node, until there is a row or time is up."""
    check_words("state", query.state, InState)
    return await wait_until(call, query.wait, lambda: _list(call, query), lambda page: bool(page.data))


async def _list(call: Call, query: InboxQuery) -> InboxItems:
    if query.lease is not None and call.request.method != "HEAD":  # HEAD changes nothing
        return await _lease_rows(call, query, query.lease)
    async with call.deps.store.read(call.scope()) as work:
        page = await page_of(
            call,
            work.incoming.page(
                limit=query.limit,
                cursor=query.cursor,
                states=query.state,
                query=query.q,
                handover=query.handover,
                arrived_from=query.arrived_from,
                arrived_to=query.arrived_to,
                sender=query.partner,
                number=query.number_and_symbol(),
                document_id=query.document_id,
                ids=await query.changed_ids(work),
                oldest_first=query.sort == "arrived_at",
            ),
        )
        views = await _views(call, work, page.items)
    return InboxItems.paged(views, page.next_cursor)


@ROUTES(
    "GET /inbox/{id}",
    "One incoming document with its checks",
    text="`checks` tells what was verified when it arrived; `request` is the sender's open recall, "
    "take-back or update. Reading is no status: nobody is told.",
    headers=("ETag",),
)
async def read_inbox_item(call: Call) -> InboxItem:
    return await _present(call)


async def _present(call: Call) -> InboxItem:
    """Return the present item, with its version."""
    view = await _view_of(call, call.path("id"))
    return call.versioned(view, view.version)


async def _view_of(call: Call, id: str) -> InboxItem:
    async with call.deps.store.read(call.scope()) as work:
        (view,) = await _views(call, work, [await work.incoming.get(id)])
    return view


@ROUTES.file("GET /inbox/{id}/files/{n}", "One file, as the sender attached it")
async def read_inbox_file(call: Call) -> web.StreamResponse:
    return await stream(call, await reading.open_file(*call.incoming, call.number("n")))


@ROUTES.file("GET /inbox/{id}/envelope", "The envelope, byte for byte as it arrived", media="application/xml")
async def read_inbox_envelope(call: Call) -> web.StreamResponse:
    return await stream(call, await reading.open_envelope(*call.incoming))


@ROUTES(
    "POST /inbox/{id}/ack",
    "Confirm that your system has stored the document; it is not offered again",
    text="Call it when the document is on your disk, and its files' digests are right. It is no "
    "status: the sender hears of the document by 03 and later ones.",
    scopes=(ApiScope.INBOX_ACT,),
    asks=NothingIn,
)
async def acknowledge_inbox_item(call: Call) -> Acknowledged:
    return await _acknowledge(call, call.path("id"))


async def _acknowledge(call: Call, id: str) -> Acknowledged:
    async with call.deps.store.read(call.scope()) as work:
        await work.incoming.get(id)
    first = await handover.ack(call.deps.inn, call.scope(), id, call.caller.key.id)
    return Acknowledged(id=id, handover="acked", repeated=not first)


_MANY_TEXT = (
    "Up to 100 at once, each on its own: one that is refused is answered in its place, with the `status` and the "
    "`problem` of a call for it alone, and harms no other. A body that does not fit the schema is refused as a whole, "
    "and nothing is done then. All is on disk before the answer; sending the same again is harmless."
)


@ROUTES(
    "POST /inbox:ack",
    "Confirm that your system has stored several documents",
    text=_MANY_TEXT,
    scopes=(ApiScope.INBOX_ACT,),
    sample=routes.sample_acks,
)
async def acknowledge_inbox_items(call: Call, body: AcksIn) -> AckOutcomes:
    async def act_on(id: str, _: None) -> Acknowledged:
        return await _acknowledge(call, id)

    pairs = [(id, None) for id in body.ids]
    return AckOutcomes(data=await act_on_all(call, pairs, act_on, AckOutcome, f"{BASE}/inbox/{{id}}/ack"))


@_change(
    "POST /inbox/{id}/status",
    "Report what the agency did: 02 to 06, or 15 and 16 to answer an open request",
    text="Statuses may come in any order, and a repeat is harmless. 02 needs `reason`. In mode B the "
    "answer contains the arrival number. An item whose `business` is recall or update accepts only 15 "
    "and 16; a document accepts 02 to 06, and 15 or 16 for its open `request`. To reopen work that "
    "was closed by mistake, send 05 with `reopen` and the reason as `note`.",
    fails=(409,),
    sample=routes.sample_status,
)
async def set_status(call: Call, body: StatusIn) -> StatusSet:
    answer = await _set_status(call, call.path("id"), body, call.expected_version())
    return call.versioned(answer, answer.item.version)


async def _set_status(call: Call, id: str, body: StatusIn, version: int | None) -> StatusSet:
    status_call = body.to_call()
    recorded = await act.set_status(call.deps.inn, call.scope(), id, status_call, expect_version=version)
    return StatusSet.from_object(
        recorded,
        warnings=[_no_effect_warning(call, status_call.code, recorded.document)]
        if recorded.moves_nothing
        else [],
        item=await _view_of(call, id),
    )


@ROUTES(
    "POST /inbox:status",
    "Report what the agency did about several documents",
    text=_MANY_TEXT + " `version` of an item is what If-Match is in the call for one.",
    scopes=(ApiScope.INBOX_ACT,),
    sample=routes.sample_statuses,
)
async def set_statuses(call: Call, body: StatusesIn) -> StatusOutcomes:
    async def act_on(id: str, status: StatusOfIn) -> StatusSet:
        return await _set_status(call, id, status, status.version)

    pairs = [(status.id, status) for status in body.statuses]
    path = f"{BASE}/inbox/{{id}}/status"
    return StatusOutcomes(data=await act_on_all(call, pairs, act_on, StatusOutcome, path))


def _no_effect_warning(call: Call, code: str, document: IncomingDocument) -> StatusWarning:
    word = received_word(document.state, call.lang)
    return StatusWarning(
        type="status-no-effect", detail=say("api.status_no_effect", call.lang, code=code, word=word)
    )


@_change(
    "PUT /inbox/{id}/assignment",
    "Assign an incoming document to units, with deadlines",
    text="Replaces the former assignment. No status leaves by itself: report 04 when the work is assigned.",
    sample=routes.sample_assignment,
)
async def assign_inbox_item(call: Call, body: AssignmentIn) -> InboxItem:
    assignment = body.to_assignment()
    document = await act.assign(*call.incoming, assignment, expect_version=call.expected_version())
    async with call.deps.store.read(call.scope()) as work:
        (view,) = await _views(call, work, [document])
    return call.versioned(view, document.version)


@_change(
    "POST /inbox/{id}/assignment/parts",
    "Report on a unit's part: handed back with a reason, done, or seen",
    text="A part that is handed back waits to be assigned again. The sender is not notified.",
    fails=(409,),
    sample=routes.sample_part,
)
async def end_inbox_part(call: Call, body: PartIn) -> InboxItem:
    expected = call.expected_version()
    if body.outcome == "returned":
        await handling.hand_back(*call.incoming, body.unit, body.reason or "", expected)
    elif body.outcome == "seen":
        await handling.confirm_reading(*call.incoming, body.unit, expected)
    else:
        await handling.finish(*call.incoming, body.unit, expected)
    return await _present(call)


async def _lease_rows(call: Call, query: InboxQuery, seconds: int) -> InboxItems:
    """Lease rows, which hides them from other clients, so that it is an act and needs that scope."""
    call.caller.may(ApiScope.INBOX_ACT)
    documents = await handover.lease(call.deps.inn, call.scope(), call.caller.key.id, query.limit, seconds)
    async with call.deps.store.read(call.scope()) as work:
        views = await _views(call, work, documents)
    return InboxItems(data=views, next_cursor=None, has_more=len(views) == query.limit)


@ROUTES(
    "GET /quarantine",
    "Packets that did not become a document",
    text="Metadata only. People decide about them on the pages; a program sees here that they wait.",
)
async def list_quarantine(call: Call, query: QuarantineQuery) -> QuarantinedItems:
    check_words("state", query.state, PACKET_STATES)
    return await wait_until(
        call, query.wait, lambda: _list_quarantine(call, query), lambda page: bool(page.data)
    )


async def _list_quarantine(call: Call, query: QuarantineQuery) -> QuarantinedItems:
    async with call.deps.store.read(call.scope()) as work:
        page = await page_of(
            call,
            work.inbox.page(limit=query.limit, cursor=query.cursor, states=query.state or SET_ASIDE),
        )
    rows = [inbox_view.quarantine_view(p, call.lang) for p in page.items]
    return QuarantinedItems.paged(rows, page.next_cursor)


async def _views(call: Call, work: SqlWork, documents: Sequence[IncomingDocument]) -> list[InboxItem]:
    """Make views with each hand-over, and each sender's name of today looked up once."""
    today = call.deps.out.today()
    names: dict[str, str | None] = {}
    views = []
    surroundings: Sequence[document_context.DocumentContext | None] = [None] * len(documents)
    if call.wants(*inbox_view.OF_AROUND):
        office, is_single = await call.deps.inn.office(call.scope().agency_id), len(documents) == 1
        surroundings = await document_context.load_contexts(work, documents, office, every_double=is_single)
    for document, context in zip(documents, surroundings, strict=True):
        if not call.wants("from"):
            names[document.sender_code] = None
        elif document.sender_code not in names:
            entry = await call.deps.inn.directory.find(document.sender_code, today)
            names[document.sender_code] = entry.name if entry else None
        views.append(inbox_view.inbox_item(document, context, names[document.sender_code], call.lang, today))
    return views
