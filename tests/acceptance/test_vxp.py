"""A node whose axis is the national one, against its simulator: documents are admitted once, by the session that vouches
for them; statuses come back; faults of the hub, kills and wrong credentials lose and double nothing."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.document import InState, Kind, Lane
from gateway.domain.identity import Digest
from gateway.edxml.build import AttachmentContent, write
from gateway.edxml.envelope import Attachment
from gateway.errors import GatewayError
from gateway.incoming import process
from gateway.outgoing.intake import Order
from gateway.policy.verdict import ReasonCode
from gateway.ports import Fate, Parcel
from gateway.settings import Settings
from tests.services.process import kept_ports
from tests.support import node
from tests.support.clock import START, ManualClock
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town, draft
from tests.support.town import axes, vxp
from tests.support.town.axes import SYSTEM, OnHub
from tests.unit.outgoing.test_look import looked


@pytest.fixture
async def on_vxp(tmp_path: Path) -> AsyncIterator[OnHub]:
    async with axes.on_vxp(tmp_path) as made:
        yield made


async def test_a_document_goes_over_the_hub_and_its_statuses_come_back(on_vxp: OnHub) -> None:
    town = on_vxp.town
    sent = await town.send("15", PROVINCE, COMMUNE)

    await on_vxp.carry()

    for code in (PROVINCE, COMMUNE):
        came = await town.only(code)
        assert (came.state, came.vouched_by) == (InState.NEW, "axis")
        assert came.checks["envelope_signature"] == "axis"
        assert came.checks["axis_session"] == f"vxp:{SYSTEM}"
        assert await town.read(came) == node.PDF
    assert {each.state for each in (await town.deliveries(sent)).values()} == {"delivered"}

    await town.status(await town.only(PROVINCE), "03")
    await on_vxp.carry()

    states = {code: each.state for code, each in (await town.deliveries(sent)).items()}
    assert states == {PROVINCE: "accepted", COMMUNE: "delivered"}
    assert not on_vxp.axis.hub.waiting(SYSTEM, "edoc")
    assert not on_vxp.axis.hub.waiting(SYSTEM, "status")


async def test_a_send_that_was_lost_after_its_effect_is_found_in_the_sent_list(on_vxp: OnHub) -> None:
    """Nobody knows whether the hub has it: it is asked before anything is sent again."""
    town = on_vxp.town
    on_vxp.axis.faults.change({"rate": 1.0, "kinds": ["lost"], "operations": ["sendEdoc"]})
    sent = await town.send("16", PROVINCE)
    await town.carry()
    assert (await town.delivery(sent)).state == "sending"
    assert dict(await on_vxp.client.counts())["unknown"] == 1

    on_vxp.axis.faults.change({"kinds": []})
    town.clock.advance(3600)
    await on_vxp.carry()

    assert (await town.delivery(sent)).state == "delivered"
    assert dict(await on_vxp.client.counts())["unknown"] == 0
    documents = [row for row in on_vxp.axis.hub.summary() if row[1] == "edoc"]
    assert [row[5] for row in documents] == [1]  # the hub had it once


async def test_the_same_bytes_published_again_are_not_sent_again(on_vxp: OnHub) -> None:
    """A kill between the hub's answer and the record of it costs no second document."""
    town = on_vxp.town
    sent = await town.send("17", PROVINCE)
    await on_vxp.carry()
    (packet,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)

    await town.deliver(packet, PROVINCE)

    assert [row[5] for row in on_vxp.axis.hub.summary() if row[1] == "edoc"] == [1]
    assert (await town.delivery(sent)).state == "delivered"


async def test_wrong_credentials_stop_every_call_and_name_what_to_mend(tmp_path: Path) -> None:
    secrets = tmp_path / "vxp.toml"

    def told(secret: str) -> None:
        secrets.write_text(f'[[system]]\nid = "{SYSTEM}"\nsecret = "{secret}"\n', encoding="utf-8")
        secrets.chmod(0o600)

    told("of somebody else")
    async with axes.on_vxp(tmp_path, credentials=secrets, secret=None) as found:
        axis, town, clock = found.axis, found.town, found.town.clock
        sent = await town.send("18", PROVINCE)
        await found.carry()

        state = found.client.state()
        assert state.down_since is not None
        assert str(secrets) in state.reason
        assert SYSTEM in state.reason
        assert (await town.delivery(sent)).state == "sending"
        calls = dict(axis.faults.calls)
        clock.advance(3600)
        await found.carry()
        assert dict(axis.faults.calls) == calls  # nobody is locked out by repetition

        told(f"secret of {SYSTEM}")
        clock.advance(3600)
        await found.carry()
        assert (await town.delivery(sent)).state == "delivered"
        assert found.client.state().down_since is None


async def test_a_sender_that_nobody_knows_waits_for_a_person(tmp_path: Path) -> None:
    """By rule: the session vouches for whom the registry knows, and a person for the rest."""

    def known(settings: Settings) -> Settings:
        return replace(settings, axis=replace(settings.axis, vouches="nobody"))

    async with axes.on_vxp(tmp_path, known) as found:
        town = found.town
        await town.send("19", PROVINCE)
        await found.carry()

        (row,) = await town.inbox(PROVINCE)
        assert (row.state, row.code) == ("held", "AXIS-SENDER")
        assert not await town.incoming(PROVINCE)

        await process.release(town.node.inn, await town.scope(PROVINCE), row.id, "đã gọi điện hỏi")
        await found.carry()
        assert (await town.only(PROVINCE)).vouched_by == "axis"


async def test_the_sender_is_told_before_sending_what_the_hub_has_no_place_for(on_vxp: OnHub) -> None:
    wishes = draft("15", PROVINCE, reply_required=True, reply_due=None)

    verdict = await looked(on_vxp.town, Order(draft=wishes))

    assert verdict.allowed
    told = [each for each in verdict.warnings if each.code is ReasonCode.AXIS_LOSES]
    assert [each.pointer for each in told] == ["/reply_required"]


@pytest.mark.parametrize("at", ["took", "ended", "told", "mark"])
async def test_a_kill_at_the_ledger_loses_and_doubles_nothing(on_vxp: OnHub, at: str) -> None:
    """What stands before the write was done, and what stands after it was not: the next look mends it."""
    town, ledger = on_vxp.town, on_vxp.client._ledger
    real: Callable[..., Any] = getattr(ledger, at)
    killed: list[int] = []

    def kills(*given: Any, **more: Any) -> Any:
        if not killed:
            killed.append(1)
            raise RuntimeError("killed here")
        return real(*given, **more)

    setattr(ledger, at, kills)
    sent = await town.send("20", PROVINCE)
    for _ in range(6):
        try:
            await on_vxp.carry(1)
        except RuntimeError:
            town.clock.advance(3600)
        town.clock.advance(120)
    town.clock.advance(7200)
    await on_vxp.carry()

    assert killed
    assert (await town.only(PROVINCE)).vouched_by == "axis"
    assert (await town.delivery(sent)).state == "delivered"
    assert not on_vxp.axis.hub.waiting(SYSTEM, "edoc")
    assert [row[5] for row in on_vxp.axis.hub.summary() if row[1] == "edoc"] == [1]


FAULTY = """
[hub]
code = "TRUC.W00"
fresh_h = 0
[faults]
rate = 0.2
slow_s = 0.05
seed = %d
kinds = ["error500", "html", "lost", "half", "slow", "duplicate", "reorder", "damaged", "nodata", "fail:20"]
"""


@pytest.mark.long
async def test_two_nodes_on_one_hub_with_faults_and_kills(tmp_path: Path) -> None:
    """The hub in a process of its own, which is killed between rounds; one call in five goes wrong."""
    clock = ManualClock()
    systems = {vxp.NORTH: [DEPARTMENT], vxp.SOUTH: [PROVINCE, COMMUNE]}
    async with AsyncExitStack() as stack:
        (port,) = stack.enter_context(kept_ports(1))

        async def opened(name: str, system: str) -> Town:
            file = vxp.credentials(tmp_path / f"{name}.toml", {system: systems[system]})
            change = vxp.on(f"http://127.0.0.1:{port}", credentials=file, poll_s=0.05)
            return await stack.enter_async_context(node.opened(tmp_path / name, clock, change=change))

        north, south = await opened("north", vxp.NORTH), await opened("south", vxp.SOUTH)
        sent = [await north.send(str(40 + n), PROVINCE, COMMUNE) for n in range(4)]
        back = await south.send("60", DEPARTMENT, sender=PROVINCE)

        async def round_() -> None:
            for _ in range(4):
                for town in (north, south):
                    await town.carry()
                    await quietly(town)
                clock.advance(600)

        accepted: set[str] = set()
        for n in range(30):
            with vxp.start(tmp_path / "hub", systems, FAULTY % n, port):
                await round_()
            for code in (PROVINCE, COMMUNE):
                for document in await south.incoming(code):
                    if document.id not in accepted and document.state is InState.NEW:
                        accepted.add(document.id)
                        await south.status(document, "03")
            states = [each.state for one in sent for each in (await north.deliveries(one)).values()] + [
                (await south.delivery(back)).state
            ]
            if set(states) == {"accepted", "delivered"} and states.count("accepted") == 8:
                break
        else:
            pytest.fail(f"not all came through: {states}")
        with vxp.start(tmp_path / "hub", systems, "[hub]\nfresh_h = 0\n", port):
            await round_()
            rows = vxp.looked_into(tmp_path / "hub")

    documents = [row for row in rows if row[1] == "edoc"]
    assert len({row[0] for row in documents}) == 5  # one message at the hub for each document
    assert {row[4] for row in rows} == {"done"}


async def quietly(town: Town) -> None:
    try:
        await town.look()
    except GatewayError:
        return


@pytest.mark.long
async def test_sixty_megabytes_and_a_country_of_agencies_pass_in_little_memory(tmp_path: Path) -> None:
    """G8: neither a file in one base64 string nor a list of 111,000 lies in memory whole."""
    systems = {vxp.NORTH: ["Z91.07", "Z92"]}
    more = "[hub]\nfresh_h = 0\nmore_agencies = 111000\n"
    with vxp.start(tmp_path / "hub", systems, more) as url:
        async with vxp.client(tmp_path / "node", url, vxp.NORTH, limits_envelope_mb="200") as axis:
            await axis.host(["Z92"])
            large = enveloped_file(tmp_path / "large.edxml", 60 * 1024 * 1024)
            tracemalloc.start()
            try:
                outcomes = await axis.publish(large, ["Z92"])
                await axis.look()
                (arrival,) = await axis.take(1, 60.0)
                count = 0

                def note(_: object) -> None:
                    nonlocal count
                    count += 1

                await axis.agencies(note)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert arrival.size > 80 * 1024 * 1024
    assert count == 111_002
    assert peak < 64 * 1024 * 1024


def enveloped_file(path: Path, size: int) -> Parcel:
    """An unsigned envelope with one file of that size."""
    one = Attachment(content_id="cid:1", attachment_name="lon.pdf", content_type="application/pdf")
    model = replace(
        node.document("900", (), sender="Z91.07", to=("Z92",)), manifest=(one,), attachments=(one,)
    )
    piece = bytes(range(256)) * 1024
    pieces = AttachmentContent(
        entry_name="0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f.pdf",
        open=lambda: (piece for _ in range(size // len(piece))),
    )
    with path.open("w+b") as out:
        write(model, [pieces], out, None, None, START)
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while read := file.read(1 << 20):
            hasher.update(read)
    return Parcel(
        packet_id="large",
        kind="document",
        sender="Z91.07",
        lane=Lane.NORMAL,
        digest=Digest.of_bytes(hasher.digest()),
        size=path.stat().st_size,
        open=lambda: path.open("rb"),
    )
