"""One trace from the call of a document system to the webhook that says that its document has arrived, and in the log
of the node on the way: real workers, a real axis, a real webhook receiver."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway import log
from tests.support.api import DEPARTMENT, PROVINCE, form, meta
from tests.support.hooks import Receiver, near, receiving
from tests.support.town.doors import Door, serving
from tests.support.waiting import wait_until

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{ID}-00f067aa0ba902b7-01"


@dataclass(kw_only=True)
class Story:
    served: Door

    async def key(self, code: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.served.key(code)}"}

    async def post(self, path: str, headers: dict[str, str], **more: Any) -> Any:
        async with self.served.client.post(f"/api/v1{path}", headers=headers, **more) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with serving(tmp_path / "node", near) as served:
        yield Story(served=served)


@pytest.fixture
def lines() -> Any:
    """Yield a reader of the lines that the program writes on its stderr."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.JsonLines())
    root = logging.getLogger("gateway")
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


async def wait_for_event(receiver: Receiver, kind: str) -> int:
    """Wait for the first call with an event of that kind; return its position."""

    def which() -> list[int]:
        return [n for n, body in enumerate(receiver.bodies) if body["type"] == kind]

    return (await wait_until(which, f"a call that tells of {kind}"))[0]


async def test_the_webhook_of_a_document_that_arrived_is_in_the_trace_of_the_call_that_sent_it(
    story: Story, lines: Any
) -> None:
    department, province = await story.key(DEPARTMENT), await story.key(PROVINCE)
    async with receiving() as sender, receiving() as recipient:
        for key, endpoint in ((department, sender), (province, recipient)):
            await story.post("/webhooks", key | {"Idempotency-Key": "hook"}, json={"url": endpoint.url})
        today = story.served.node.out.today().isoformat()
        sent = await story.post(
            "/messages",
            department | {"Idempotency-Key": "one", "traceparent": PARENT, "X-Request-Id": "ours-15"},
            data=form(meta(date=today)),
        )
        arrived = await wait_for_event(sender, "message.status")
        await wait_for_event(recipient, "inbox.received")

    headers, body = sender.raw[arrived][0], sender.bodies[arrived]
    assert (body["subject"], body["data"]["state"]) == (sent["id"], "delivered")
    assert body["data"]["trace"] == ID
    assert headers["traceparent"].startswith(f"00-{ID}-")
    assert headers["traceparent"].endswith("-01")
    assert headers["traceparent"] != PARENT

    accepted = next(line for line in lines() if line.get("action") == "message.accepted")
    assert (accepted["trace_id"], accepted["request"], accepted["document"]) == (ID, "ours-15", sent["id"])

    # The packet to the other agency does not carry the trace.
    assert all(ID not in f"{headers}{body!r}" for headers, body in recipient.raw)
