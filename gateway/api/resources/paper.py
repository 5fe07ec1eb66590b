"""The paper dispatch list for programs: what has to go on paper and what was handed over; and a document noted as handed
over. In: days, or the id of a document with day and means. Out: the lines, or the document as it now is."""

from __future__ import annotations

import datetime as dt

from aiohttp import web
from pydantic import Field

from gateway.api import message_view, samples
from gateway.api.call import Call
from gateway.api.message_view import Message
from gateway.api.routes import BASE, Body, Route
from gateway.api.shapes import Asked, Code, Moment, Text, Told
from gateway.domain.account import ApiScope
from gateway.outgoing import paper
from gateway.outgoing.paper import PaperLine
from gateway.policy.paper import HandedOver, Means


class PaperQuery(Asked):
    handed_from: dt.date | None = Field(
        None, description="With it, what was handed over since; else what waits"
    )
    handed_to: dt.date | None = Field(None, description="Last day of that; today where absent")


class HandOverIn(Asked):
    """When and how it was handed over on paper."""

    means: Means
    on: dt.date | None = Field(None, description="Today where absent")
    note: Text = Field("", description="Number of the receipt, or who took it; required with `other`")
    recipients: list[Code] = Field(
        default_factory=list, max_length=2000, description="Nobody named: all that still wait"
    )


class PaperLineOut(Told):
    """One letter to one recipient."""

    message: str
    number: str
    date: dt.date | None
    subject: str
    delivery_mode: str | None
    code: str
    name: str | None
    copies: int | None
    printed: list[str] = Field(description="Names of the files of which it consists")
    since: Moment
    handed_over: dt.date | None
    means: str | None
    note: str


class PaperList(Told):
    data: list[PaperLineOut] = Field(description=f"At most {paper.MOST}, the longest waiting first")


async def listed(call: Call) -> web.Response:
    query, today = call.query_of(PaperQuery), call.deps.out.today()
    async with call.deps.store.read(call.scope()) as work:
        if query.handed_from is None and query.handed_to is None:
            found = await paper.waiting(work)
        else:
            last = query.handed_to or today
            found = await paper.handed(work, query.handed_from or last, last)
    return call.tell(PaperList(data=[_line(each) for each in found]))


async def hand_over(call: Call) -> web.Response:
    asked = call.body_of(HandOverIn)
    said = HandedOver(on=asked.on or call.deps.out.today(), means=asked.means, note=asked.note)
    document = await paper.close(call.deps.out, call.scope(), call.path("id"), said, asked.recipients)
    async with call.deps.store.read(call.scope()) as work:
        deliveries = await work.deliveries.of(document.id)
    return call.tell(message_view.message(document, deliveries, call.lang), version=document.version)


def _line(line: PaperLine) -> PaperLineOut:
    document, part = line.document, line.part
    draft = document.draft
    return PaperLineOut(
        message=document.id,
        number=draft.code,
        date=draft.issued_on,
        subject="" if document.is_sealed else draft.subject,
        delivery_mode=draft.delivery_mode,
        code=line.delivery.recipient.code,
        name=line.delivery.recipient.name,
        copies=draft.copies,
        printed=[each.name for each in line.printed],
        since=part.opened_at,
        handed_over=part.handed_over,
        means=part.means,
        note=part.note,
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{BASE}/paper",
        name="listPaper",
        tag="messages",
        handler=listed,
        summary="What has to go on paper, or was handed over in some days",
        text="Documents with `delivery_mode` `paper` or `both`, one line for each recipient.",
        scopes=(ApiScope.MESSAGES_READ,),
        query=PaperQuery,
        answer=PaperList,
        fails=(400,),
    ),
    Route(
        method="POST",
        path=f"{BASE}/messages/{{id}}/hand-over",
        name="handOverMessage",
        tag="messages",
        handler=hand_over,
        summary="Note that it was handed over on paper, when and how",
        text="Said again of a recipient that is named, it puts right what was said before.",
        scopes=(ApiScope.MESSAGES_SEND,),
        body=Body.JSON,
        asks=HandOverIn,
        answer=Message,
        fails=(400, 404, 409, 422),
        sample=samples.dispatch,
        headers=("ETag",),
    ),
)
