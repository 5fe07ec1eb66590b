"""Two agencies exchange a document through the API of a running node: real workers, a real axis, a real database. The tests
speak in the words of the document systems that call."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient

from gateway.bootstrap.node import OpenNode
from tests.support.api import DEPARTMENT, PDF, PROVINCE
from tests.support.contract import EXCHANGE
from tests.support.town.doors import serving
from tests.support.waiting import wait_until


@dataclass(kw_only=True)
class System:
    """The document system of one agency, with nothing but its key and HTTP."""

    client: TestClient[Any, Any]
    key: str
    last_event: str = "0"

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any, bytes]:
        headers = {"Authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        async with self.client.request(method, f"/api/v1{path}", headers=headers, **more) as answer:
            raw = await answer.read()
            wrong = EXCHANGE.complaints(
                method, answer.url.path, answer.status, answer.content_type, raw, answer.headers
            )
            assert not wrong, wrong
            return answer.status, json.loads(raw) if answer.content_type.endswith("json") else None, raw

    async def hears(self, kind: str, **data: str) -> dict[str, Any]:
        """Wait for the next event of that kind with that data, as the feed brings it."""

        async def next_event() -> dict[str, Any]:
            _, feed, _ = await self.call("GET", f"/events?after={self.last_event}&wait=20&limit=1")
            self.last_event = feed["next_after"]
            for event in feed["data"]:
                if event["type"] == kind and data.items() <= event["data"].items():
                    return dict(event)
            return {}

        return await wait_until(next_event, f"{kind} {data}")


@dataclass(kw_only=True)
class Story:
    node: OpenNode
    department: System
    province: System


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with serving(tmp_path / "node") as served:
        yield Story(
            node=served.node,
            department=System(client=served.client, key=await served.key(DEPARTMENT)),
            province=System(client=served.client, key=await served.key(PROVINCE)),
        )


async def _send(story: Story, number: str = "15") -> dict[str, Any]:
    meta = {
        "number": number,
        "symbol": "STD-VP",
        "date": story.node.out.today().isoformat(),
        "type": "cong_van",
        "subject": "Về việc báo cáo dự toán",
        "signer": {"name": "Nguyễn Văn Mẫu"},
        "reply_required": False,
        "recipients": [{"code": PROVINCE, "role": "to_act"}],
    }
    form = FormData(quote_fields=False)
    form.add_field("meta", json.dumps(meta), content_type="application/json")
    form.add_field("lead", io.BytesIO(PDF), filename="báo cáo.pdf")
    status, answer, raw = await story.department.call(
        "POST", "/messages", data=form, headers={"Idempotency-Key": number}
    )
    assert status == 202, raw
    return dict(answer)


async def test_a_document_goes_out_is_taken_in_and_the_sender_knows(story: Story) -> None:
    sent = await _send(story)

    await story.province.hears("inbox.received")
    _, leased, _ = await story.province.call("GET", "/inbox?state=new&lease=60")
    (item,) = leased["data"]
    _, _, file = await story.province.call("GET", item["files"][0]["link"].removeprefix("/api/v1"))
    await story.province.call("POST", f"/inbox/{item['id']}/ack")
    status_fields = {"code": "03", "register_no": "1245", "staff": {"name": "Trần Thị Mẫu"}}
    status, answer, _ = await story.province.call("POST", f"/inbox/{item['id']}/status", json=status_fields)
    event = await story.department.hears("message.status", code="03")

    assert file == PDF
    assert item["files"][0]["name"] == "báo cáo.pdf"
    assert (status, answer["register_no"]) == (200, "1245")
    assert event["subject"] == sent["id"]
    _, message, _ = await story.department.call("GET", f"/messages/{sent['id']}")
    assert message["state"] == "accepted"


async def test_a_recall_is_answered_by_the_other_side(story: Story) -> None:
    sent = await _send(story)
    received = await story.province.hears("inbox.received")
    await story.province.call("POST", f"/inbox/{received['subject']}/status", json={"code": "03"})
    await story.department.hears("message.status", code="03")

    why = {"reason": "Sai thể thức", "approved_by": "Nguyễn Văn Mẫu", "notice_no": "1/TB"}
    status, child, raw = await story.department.call(
        "POST", f"/messages/{sent['id']}/recall", json=why, headers={"Idempotency-Key": "recall"}
    )
    assert status == 202, raw
    await story.province.hears("inbox.request")
    await story.province.call("POST", f"/inbox/{received['subject']}/status", json={"code": "15"})
    await story.department.hears("message.recall.answered")

    _, message, _ = await story.department.call("GET", f"/messages/{sent['id']}")
    _, document_kept, _ = await story.province.call("GET", f"/inbox/{received['subject']}")
    unreadable, _, _ = await story.province.call("GET", f"/inbox/{received['subject']}/files/1")
    assert child["kind"] == "recall"
    assert message["state"] == "request_agreed"
    assert document_kept["state"] == "recalled"
    assert unreadable == 409


async def test_many_documents_at_once_are_each_accepted_once(story: Story) -> None:
    numbers = [str(number) for number in range(20, 30)]

    answers = await asyncio.gather(
        *(_send(story, number) for number in numbers for _ in range(2)), return_exceptions=True
    )

    # A repeat while the first request is at work is refused with a later time; nothing is ever sent twice.
    _, listed, _ = await story.department.call("GET", "/messages?limit=100")
    assert sorted(x["number"] for x in listed["data"]) == numbers
    ids = {x["id"] for x in answers if isinstance(x, dict)}
    assert ids == {x["id"] for x in listed["data"]}
