"""Serves the call by which a program notes that one of our people reminded a late recipient, once in some days. In: a
document, a code, the person who reminded it and how. Out: the late documents there."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, once
from gateway.api.routes import Routes
from gateway.api.shapes import AgencyCode, Line, Moment, RequestModel, ResponseModel, Text
from gateway.domain.account import ApiScope
from gateway.words.labels import say
from gateway_office.bootstrap.office import Office
from gateway_office.letters import follow_up


class RemindIn(RequestModel):
    """Reminder: who gave it to whom, and how. The node reminds nobody by itself: a person did, or does it now."""

    recipient: AgencyCode
    by: Line = Field(min_length=1, max_length=100, description="The person who reminds, in the agency's name")
    how: Literal["phone", "mail", "letter", "other"] = "other"
    text: Text = Field(
        min_length=1, max_length=follow_up.LONGEST_URGING, description="What was said or written"
    )
    every: bool = Field(
        False, description="Of everything of ours that is late there, not of this document alone"
    )


class RemindedOut(ResponseModel):
    recipient: str
    documents: list[str] = Field(description="Ids of the messages that it was reminded of")
    at: Moment
    next_at: Moment = Field(description="From when on it may be reminded again")


ROUTES = Routes("messages", ApiScope.MESSAGES_SEND)


@ROUTES(
    "POST /messages/{id}/remind",
    "Note that a late recipient was reminded",
    text="409 where nothing of ours is late there (`GW-NOT-LATE`), or it was reminded a short while ago "
    "(`GW-URGED`).",
    creates=True,
    answer=RemindedOut,
    status=200,
    fails=(400, 404, 409),
    sample=lambda _: {
        "recipient": "Z91",
        "by": say("sample.signer"),
        "how": "phone",
        "text": say("sample.reminder"),
    },
)
async def remind_recipient(office: Office, call: Call, body: RemindIn) -> web.Response:
    every = dt.timedelta(days=office.settings.pages.urge_days)

    async def act() -> str:
        async with call.deps.store.read(call.scope()) as work:
            document = await work.outgoing.get(call.path("id"))
        urging = await follow_up.urge(
            office.out,
            call.scope(),
            body.recipient,
            by=body.by,
            how=body.how,
            text=body.text,
            every=every,
            only=() if body.every else (document.id,),
        )
        late = [d.id for d in urging.late if body.every or d.id == document.id]
        now = office.clock.now()
        reminder = RemindedOut(recipient=urging.code, documents=late, at=now, next_at=now + every)
        return reminder.model_dump_json()

    return await once(call, act, status=200)
