"""A recipient that is late is reminded by a person of ours, and the document system says so. In: a document, a
code, who reminded whom how and with what words. Out: what is late there; the note of it, once in so many days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, once
from gateway.api.routes import BASE, Route
from gateway.api.shapes import AgencyCode, Asked, Line, Moment, Text, Told
from gateway.domain.account import ApiScope
from gateway.office.letters import asking
from gateway.words.labels import say

if TYPE_CHECKING:
    from gateway.office.bootstrap.office import Office

Desk = Callable[[], "Office"]


class RemindIn(Asked):
    """Who reminded whom, and how. The node reminds nobody by itself: a person did, or does it now."""

    recipient: AgencyCode
    by: Line = Field(min_length=1, max_length=100, description="The person who reminds, in the agency's name")
    how: Literal["phone", "mail", "letter", "other"] = "other"
    text: Text = Field(min_length=1, max_length=asking.LONGEST_URGING, description="What was said or written")
    every: bool = Field(
        False, description="Of everything of ours that is late there, not of this document alone"
    )


class RemindedOut(Told):
    recipient: str
    documents: list[str] = Field(description="Ids of the messages that it was reminded of")
    at: Moment
    next_at: Moment = Field(description="From when on it may be reminded again")


def routes(desk: Desk) -> tuple[Route, ...]:
    return (
        Route(
            path=f"{BASE}/messages/{{id}}/remind",
            name="remindRecipient",
            method="POST",
            tag="messages",
            handler=partial(_remind, desk),
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


async def _remind(desk: Desk, call: Call) -> web.Response:
    asked, office = call.body_of(RemindIn), desk()
    every = timedelta(days=office.settings.pages.urge_days)

    async def act() -> str:
        async with call.deps.store.read(call.scope()) as work:
            document = await work.outgoing.get(call.path("id"))
        found = await asking.urge(
            office.out,
            call.scope(),
            asked.recipient,
            by=asked.by,
            how=asked.how,
            text=asked.text,
            every=every,
            only=() if asked.every else (document.id,),
        )
        late = [each.id for each in found.late if asked.every or each.id == document.id]
        now = office.clock.now()
        told = RemindedOut(recipient=found.code, documents=late, at=now, next_at=now + every)
        return told.model_dump_json()

    return await once(call, act, status=200)
