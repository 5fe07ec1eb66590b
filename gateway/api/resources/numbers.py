"""Numbers of outgoing documents, where the node gives them: the next one, all that were given, one reserved, given back or
made void. In: a call; a notation, type and date that tell the book; a reason. Out: numbers with their states."""

from __future__ import annotations

from typing import Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, PageOut, PageQuery, Words, check_words, once
from gateway.api.routes import Routes
from gateway.api.shapes import Day, Line, Moment, RequestModel, ResponseModel, Text
from gateway.api.words import type_name
from gateway.domain.account import ApiScope
from gateway.domain.document import Draft
from gateway.domain.numbers import GivenNumber, NumberState, printed
from gateway.domain.wall_clock import local
from gateway.outgoing import numbering
from gateway.outgoing.services import profile_of
from gateway.policy import numbering as rules

_STATES = tuple(state.value for state in NumberState)


class NumberOut(ResponseModel):
    """One number of a book and year."""

    id: str
    series: str = Field(description="Book, with the type where each type has numbers of its own")
    year: int
    number: str = Field(description="As it is printed, below 10 with a leading zero")
    state: Literal["reserved", "issued", "free", "void"] = Field(
        description="`free`: was reserved and not used; the next document gets it"
    )
    at: Moment
    by: str
    until: Moment | None = Field(description="End of the reservation")
    document: str | None = Field(description="The draft that it is reserved for, or the document that has it")
    code: str | None = Field(description="Number and notation of the document that has it")
    reason: str | None


class NumbersQuery(PageQuery):
    year: int | None = Field(None, ge=1900, le=9998, description="This year if absent")
    series: Line = ""
    state: Words = Field(
        default_factory=list,
        description="One or more states, separated by commas",
        json_schema_extra={"items": {"type": "string", "enum": list(_STATES)}},
    )


class Numbers(PageOut[NumberOut]):
    """One page, by series and number. Nothing up to the last number of a series is missing."""


class PlaceIn(RequestModel):
    """Data of a document that tell its book and year."""

    symbol: Line = Field("", description="Notation, if it is known")
    type: Line = Field("", description="Key of /codes (`cong_van`), or the name of the type")
    date: Day | None = Field(None, description="Today if absent")


class ReserveIn(PlaceIn):
    """A reservation. A message that states the number uses it up."""

    days: int = Field(
        rules.RESERVED_DAYS, ge=1, le=rules.MOST_RESERVED_DAYS, description="Days until it ends by itself"
    )


class NextOut(ResponseModel):
    """Number that a document would get now; it is not reserved."""

    series: str
    year: int
    number: str | None = Field(description="Null where the node does not give the agency's numbers")
    symbol: str = Field(description="Notation as the agency's tables propose it; empty where they do not")


class ReleaseIn(RequestModel):
    reason: Text = ""


class VoidIn(RequestModel):
    reason: Text = Field(description="It is kept with the number")


ROUTES = Routes("numbers", ApiScope.MESSAGES_READ)
_WRITES = (ApiScope.MESSAGES_SEND,)


@ROUTES(
    "GET /numbers",
    "Numbers of outgoing documents with their states",
    text="By series and year; a number that was given back or made void stays in the list with its reason.",
)
async def list_numbers(call: Call, query: NumbersQuery) -> Numbers:
    check_words("state", query.state, _STATES)
    now = call.deps.clock.now()
    series, _, number = (query.cursor or "").rpartition(" ")
    position = (series, int(number)) if number.isdigit() else ("", 0)
    async with call.deps.store.read(call.scope()) as work:
        numbers = await work.given.page(
            query.year or local(now).year,
            now=now,
            series=query.series,
            states=query.state,
            limit=query.limit + 1,
            cursor=position,
        )
    page = numbers[: query.limit]
    cursor = f"{page[-1].book} {page[-1].number}" if len(numbers) > len(page) else None
    return Numbers.paged([_view(n.standing(now)) for n in page], call.next_page(cursor))


@ROUTES(
    "GET /numbers/next",
    "Number and notation that a document would get now",
    text="A look, not a reservation: another document may take it a moment later.",
)
async def next_number(call: Call, query: PlaceIn) -> NextOut:
    profile, now = await profile_of(call.deps.out, call.scope()), call.deps.clock.now()
    draft, number = _draft(query), None
    place = numbering.place_of(profile, draft, now)
    if rules.gives_numbers(profile):
        async with call.deps.store.read(call.scope()) as work:
            number = await numbering.expected(work, profile, draft, now)
    symbol = rules.propose_symbol(profile, draft.type_key, place.year)
    return NextOut(series=place.series.key, year=place.year, number=number, symbol=symbol)


@ROUTES(
    "POST /numbers",
    "Reserve the next number of a book",
    text="Reserve the number before the document is printed and signed, and state it when the document is sent. A "
    "reservation that is not used until its end goes to the next document.",
    scopes=_WRITES,
    creates=True,
    answer=NumberOut,
    status=201,
    fails=(409,),
)
async def reserve_number(call: Call, body: ReserveIn) -> web.Response:
    async def act() -> str:
        draft = _draft(body)
        number = await numbering.reserve_for(call.deps.out, call.scope(), draft, days=body.days)
        return _view(number).model_dump_json(by_alias=True)

    return await once(call, act, status=201)


@ROUTES(
    "POST /numbers/{id}/release",
    "Give a reserved number back",
    text="The next document gets it. An issued number is made void instead.",
    scopes=_WRITES,
    fails=(409,),
)
async def release_number(call: Call, body: ReleaseIn) -> NumberOut:
    return _view(await numbering.release_number(*call.outgoing, body.reason))


@ROUTES(
    "POST /numbers/{id}/void",
    "Make the number of a document that is not sent void",
    text="The number keeps the reason, and goes to no other document.",
    scopes=_WRITES,
    fails=(409,),
)
async def void_number(call: Call, body: VoidIn) -> NumberOut:
    return _view(await numbering.void_number(*call.outgoing, body.reason))


def _draft(place: PlaceIn) -> Draft:
    name = type_name(place.type) if place.type else ""
    key = place.type if name != place.type else rules.type_key_of(name)
    return Draft(symbol=place.symbol, type_name=name, type_key=key, issued_on=place.date)


def _view(number: GivenNumber) -> NumberOut:
    return NumberOut.from_object(
        number,
        series=number.book,
        number=printed(number.number),
        state=number.state.value,
        document=number.subject_id or None,
        code=number.code or None,
        reason=number.reason or None,
    )
