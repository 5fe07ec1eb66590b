"""A document system with the client sends, takes, answers and follows at a real node, over a line that breaks."""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from pypdf import PdfWriter

from gateway.api.deps import ApiOptions
from gateway.domain.upload import MIB
from gateway_client import (
    ChangedContent,
    Client,
    Conflict,
    CursorGone,
    File,
    ForgedWebhook,
    MessageIn,
    NoAnswer,
    NotAllowed,
    NotFound,
    Patience,
    Received,
    Refused,
    StaleVersion,
    StatusIn,
    TooManyCalls,
    verify_webhook,
)
from gateway_client.shapes import InboxFileOut
from tests.support import api
from tests.support.api import DEPARTMENT, PDF, PROVINCE, Door
from tests.support.hooks import Hooked, receiving
from tests.support.tcp_proxy import Direction, TcpProxy
from tests.unit.gateway_client.conftest import Clients, Waits, client_over, in_thread


def meta(**more: Any) -> MessageIn:
    return cast("MessageIn", api.meta(**more))


@cache
def large() -> bytes:
    """Build a good PDF of three whole parts and a bit."""
    writer, buffer = PdfWriter(clone_from=io.BytesIO(PDF)), io.BytesIO()
    writer.add_metadata({"/Note": "x" * 3 * MIB})
    writer.write(buffer)
    return buffer.getvalue()


async def only_received(client: Client) -> Received:
    """Return the only document that arrived."""
    (item,) = (await in_thread(lambda: client.call("GET", "/inbox")))["data"]
    return await in_thread(lambda: client.received(item["id"]))


async def test_each_call_is_in_the_trace_at_hand(door: Door, line: TcpProxy) -> None:
    traces = ["4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"]
    trace_headers = [{"traceparent": f"00-{trace}-00f067aa0ba902b7-01"} for trace in (*traces, "0" * 32)]
    url = f"http://{line.host}:{line.port}"
    with Client(url, await door.key(DEPARTMENT), trace=lambda: trace_headers.pop(0)) as node:
        await in_thread(node.me)
        await in_thread(node.me)
        assert door.calls is not None
        await door.calls.flush()
        rows = await in_thread(lambda: node.call("GET", "/me/calls"))

    assert {row["trace_id"] for row in rows["data"]} == set(traces)


async def test_a_large_document_goes_over_lines_that_break_and_its_story_is_told_back(
    door: Door, client_of: Clients, line: TcpProxy, tmp_path: Path, waits: Waits
) -> None:
    lead = tmp_path / "15.pdf"
    lead.write_bytes(large())
    files = [
        File(path=lead),
        File(content=PDF, name='Phụ lục "1"; Điều 2.pdf', role="appendix"),
    ]
    async with client_of(DEPARTMENT) as department, client_of(PROVINCE) as province, receiving() as receiver:
        hook = await in_thread(
            lambda: department.call(
                "POST", "/webhooks", {"url": receiver.url, "types": ["message.status"]}, once="h"
            )
        )

        line.cut_after(MIB + 300_000)  # in the second part
        sent = await in_thread(lambda: department.send(meta(external_id="qlvb-15"), files))
        await door.carry()

        line.cut_after(MIB, Direction.BACK)  # in the first file
        stored: list[dict[str, bytes]] = []

        def store(received: Received) -> StatusIn:
            paths = received.save(tmp_path / received.id)
            received.save_envelope(tmp_path / received.id / "envelope.xml")
            stored.append({path.name: path.read_bytes() for path in paths})
            return {"code": "03", "register_no": "1245"}

        report = await in_thread(lambda: province.receive(store, once=True))
        await door.carry()
        assert len(waits.pauses) == 2

        feed = department.events(types=["message.status"], subject=sent["id"], for_s=0)
        events = await in_thread(lambda: list(feed))
        await Hooked(town=door.town).push()

        assert (report.done, report.failed) == (1, 0)
        (files_stored,) = stored
        assert sorted(files_stored.values(), key=len) == [PDF, large()]
        assert any("Phụ lục" in name and name.startswith(("1-", "2-")) for name in files_stored)
        assert [event["data"]["code"] for event in events] == ["01", "03"]
        assert (await in_thread(lambda: department.message(sent["id"])))["recipients"][0][
            "state"
        ] == "accepted"
        message = await in_thread(lambda: department.find("qlvb-15"))
        assert message is not None
        assert message["id"] == sent["id"]
        # Nothing is left of the upload, and the feed goes on behind what was seen.
        assert (await in_thread(lambda: department.call("GET", "/uploads")))["data"] == []
        next_feed = department.events(feed.cursor, types=["message.status"], for_s=0)
        assert await in_thread(lambda: list(next_feed)) == []
        bodies = [
            verify_webhook(headers, body, hook["secret"], now=door.clock.now().timestamp())
            for headers, body in receiver.raw
        ]
        assert bodies == events
        headers, body = receiver.raw[0]
        with pytest.raises(ForgedWebhook):
            verify_webhook(headers, body.replace(b"01", b"03"), hook["secret"])


async def test_an_upload_goes_on_in_another_program_with_the_parts_that_are_missing(
    door: Door, line: TcpProxy, waits: Waits
) -> None:
    key = await door.key(DEPARTMENT)
    files = [File(content=large(), name="15.pdf")]

    line.cut_after(2 * MIB + 500_000)
    with client_over(line, key, waits.patience(1)) as hasty, pytest.raises(NoAnswer):
        await in_thread(lambda: hasty.send(meta(external_id="qlvb-15"), files))
    line.heal()
    passed_before = line.passed[Direction.TO]
    with client_over(line, key, waits.patience(1)) as next_client:
        sent = await in_thread(lambda: next_client.send(meta(external_id="qlvb-15"), files))
        assert line.passed[Direction.TO] - passed_before < 2 * MIB
        # After the upload is gone a repeat brings it again, and finds the document that was sent.
        repeat = await in_thread(lambda: next_client.send(meta(external_id="qlvb-15"), files))

    assert repeat["id"] == sent["id"]
    assert sent["files"][0]["sha256"] == hashlib.sha256(large()).hexdigest()


async def test_a_small_file_is_uploaded_in_one_call_and_again_is_the_same(
    door: Door, line: TcpProxy, waits: Waits
) -> None:
    file = File(content=PDF, name="báo cáo.pdf")
    waits.then = line.heal
    with client_over(line, await door.key(DEPARTMENT), waits.patience()) as client:
        line.cut_after(500)
        first = await in_thread(lambda: client.upload(file))
        repeat = await in_thread(lambda: client.upload(file, "mine"))
        sent = await in_thread(
            lambda: client.send({**meta(), "files": [{"id": first["id"], "role": "lead"}]})
        )

    assert (first["complete"], first["name"], repeat["id"]) == (True, "báo cáo.pdf", first["id"])
    assert sent["files"][0]["sha256"] == hashlib.sha256(PDF).hexdigest()


async def test_a_download_that_breaks_goes_on_also_in_a_later_program(
    door: Door, line: TcpProxy, tmp_path: Path, waits: Waits
) -> None:
    await door.send(files=(("lead", "15.pdf", large()),))
    await door.carry()
    with client_over(line, await door.key(PROVINCE), waits.patience(1)) as hasty:
        received = await only_received(hasty)

        line.cut_after(2 * MIB, Direction.BACK)
        with pytest.raises(NoAnswer):
            await in_thread(lambda: received.save(tmp_path))
        partial_files = [path.name for path in tmp_path.glob(".*")]
        line.heal()
        passed_before = line.passed[Direction.BACK]
        (path,) = await in_thread(lambda: received.save(tmp_path))

    assert (len(partial_files), path.name) == (1, "1-15.pdf")
    assert path.read_bytes() == large()
    assert line.passed[Direction.BACK] - passed_before < len(large()) - MIB
    assert [*tmp_path.glob(".*.part")] == []


async def test_a_beginning_that_was_changed_on_the_disk_is_detected_and_discarded(
    door: Door, client_of: Clients, tmp_path: Path
) -> None:
    await door.send()
    await door.carry()
    async with client_of(PROVINCE) as province:
        received = await only_received(province)
        sha256, into = received.item["files"][0]["sha256"], tmp_path / "in"
        into.mkdir()
        (into / f".{sha256[:32]}.part").write_bytes(b"x" * 100)

        with pytest.raises(ChangedContent):
            await in_thread(lambda: received.save(into))
        assert [*into.iterdir()] == []
        (path,) = await in_thread(lambda: received.save(into))

        assert path.read_bytes() == PDF
        # More than there is lies there: it is let go of.
        (into / f".{sha256[:32]}.part").write_bytes(PDF + b"x")
        assert (await in_thread(lambda: received.save(into)))[0].read_bytes() == PDF


async def test_many_who_save_one_document_into_one_folder_leave_it_whole_and_nothing_else(
    door: Door, client_of: Clients, tmp_path: Path
) -> None:
    await door.send(files=(("lead", "15.pdf", large()),))
    await door.carry()
    into = tmp_path / "in"
    async with client_of(PROVINCE) as province:
        received = await only_received(province)
        await asyncio.gather(*(in_thread(lambda: received.save(into)) for _ in range(4)))
        missing: InboxFileOut = {**received.item["files"][0], "n": 9, "sha256": "0" * 64}
        with pytest.raises(NotFound):
            await in_thread(lambda: received.save_file(missing, into / "9.pdf"))

    assert {path.name: path.read_bytes() for path in into.iterdir()} == {"1-15.pdf": large()}


async def test_a_document_that_fails_waits_for_nobody_and_is_retried(
    door: Door, client_of: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    await door.send(api.meta(number="1"), once="1")
    await door.send(api.meta(number="2"), once="2")
    await door.carry()
    tried: list[str] = []

    def store(received: Received) -> None:
        tried.append(received.item["number"])
        if tried.count("1") == 1 and tried[-1] == "1":
            raise OSError("the disk is full")

    async with client_of(PROVINCE) as province:
        with caplog.at_level(logging.ERROR, logger="gateway_client"):
            first = await in_thread(lambda: province.receive(store, once=True, lease_s=60))
        door.clock.advance(61)
        second = await in_thread(lambda: province.receive(store, once=True))

        assert (first.done, first.failed) == (1, 1)
        assert (second.done, second.failed) == (1, 0)
        assert sorted(tried) == ["1", "1", "2"]
        assert "offered again" in caplog.text


async def test_an_answer_that_is_lost_does_not_send_the_document_twice(
    client_of: Clients, line: TcpProxy, waits: Waits
) -> None:
    async with client_of(DEPARTMENT) as department:
        line.cut_after(20, Direction.BACK)
        await in_thread(lambda: department.send(meta(), [File(content=PDF, name="15.pdf")]))

        assert len(waits.pauses) == 1
        listed = await in_thread(lambda: department.call("GET", "/messages"))
        assert len(listed["data"]) == 1


async def test_many_threads_share_one_client(client_of: Clients, line: TcpProxy) -> None:
    async with client_of(DEPARTMENT) as department:
        answers = await asyncio.gather(*(in_thread(department.me) for _ in range(24)))

        assert {answer["agency"] for answer in answers} == {DEPARTMENT}
        assert line.connections <= 24
        connections = line.connections
        for _ in range(5):
            await in_thread(department.me)
        assert line.connections == connections


async def test_what_the_node_refuses_is_told_by_its_own_exception(
    door: Door, client_of: Clients, line: TcpProxy
) -> None:
    async with client_of(DEPARTMENT) as department:
        pdf = [File(content=PDF, name="15.pdf")]
        with pytest.raises(Refused) as refused:
            await in_thread(lambda: department.send(meta(number=None), pdf))
        sent = await in_thread(lambda: department.send(meta(external_id="one"), pdf))
        with pytest.raises(Conflict) as clash:
            await in_thread(lambda: department.send(meta(external_id="one", subject="Another"), pdf))
        with pytest.raises(StaleVersion):
            await in_thread(lambda: department.call("POST", f"/messages/{sent['id']}/cancel", {}, version=99))
        with pytest.raises(NotFound):
            await in_thread(lambda: department.message("../../readyz"))
        with pytest.raises(CursorGone):
            await in_thread(lambda: list(department.events("evt_9-999", for_s=0)))
        checked = await in_thread(lambda: department.validate(meta(subject=""), pdf))

    assert any(fault.pointer == "/number" for fault in refused.value.faults)
    assert (refused.value.status, refused.value.retryable) == (422, False)
    assert "/number" in str(refused.value)
    assert clash.value.existing == sent["id"]
    assert checked["allowed"] is False
    with client_over(line, "gwk_wrong") as wrong:
        with pytest.raises(NotAllowed):
            await in_thread(wrong.me)
        assert "gwk_wrong" not in repr(wrong.__dict__)


async def test_who_calls_too_often_waits_as_long_as_the_node_says(blank_node: Path, tmp_path: Path) -> None:
    # One in a hundred seconds: what these calls take is little beside it.
    options = ApiOptions(rate_per_s=0.01, burst=2)
    waits: list[float] = []
    async with api.opened(blank_node, tmp_path / "node", options) as door:
        url, key = str(door.client.make_url("")).rstrip("/"), await door.key(PROVINCE)
        with Client(url, key, patience=Patience(tries=2, first_s=0.001, sleep=waits.append)) as client:
            for _ in range(2):
                await in_thread(client.me)
            with pytest.raises(TooManyCalls) as why:
                await in_thread(client.me)

    assert why.value.retry_after_s is not None
    assert 2 <= why.value.retry_after_s <= 100
    assert len(waits) == 1
    assert waits[0] >= why.value.retry_after_s
