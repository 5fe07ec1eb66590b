"""Serves the call by which a program notes that one of our people reminded a late recipient, once in some days. In: a
document, a code, the person who reminded it and how. Out: the late documents there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, once
from gateway.api.routes import BASE, Route
from gateway.api.shapes import AgencyCode, Line, Moment, RequestModel, ResponseModel, Text
from gateway.domain.account import ApiScope
from gateway.words.labels import say
from gateway_office.letters import follow_up

if TYPE_CHECKING:
    from gateway_office.bootstrap.office import Office


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


async def _remind(office: Office, call: Call) -> web.Response:
    request = call.body_of(RemindIn)
    every = dt.timedelta(days=office.settings.pages.urge_days)

    async def act() -> str:
        async with call.deps.store.read(call.scope()) as work:
            document = await work.outgoing.get(call.path("id"))
        urging = await follow_up.urge(
            office.out,
            call.scope(),
            request.recipient,
            by=request.by,
            how=request.how,
            text=request.text,
            every=every,
            only=() if request.every else (document.id,),
        )
        late = [d.id for d in urging.late if request.every or d.id == document.id]
        now = office.clock.now()
        reminder = RemindedOut(recipient=urging.code, documents=late, at=now, next_at=now + every)
        return reminder.model_dump_json()

    return await once(call, act, status=200)


def routes(office: Office) -> Sequence[Route]:
    return (
        Route(
            path=f"{BASE}/messages/{{id}}/remind",
            name="remindRecipient",
            method="POST",
            tag="messages",
            handler=partial(_remind, office),
            summary="Note that a late recipient was reminded",
            text="409 where nothing of ours is late there (`GW-NOT-LATE`), or it was reminded a short while ago "
            "(`GW-URGED`).",
            scopes=(ApiScope.MESSAGES_SEND,),
            creates=True,
            asks=RemindIn,
            answer=RemindedOut,
            fails=(400, 404, 409, 422),
            sample=lambda _: {
                "recipient": "Z91",
                "by": say("sample.signer"),
                "how": "phone",
                "text": say("sample.reminder"),
            },
        ),
    )
