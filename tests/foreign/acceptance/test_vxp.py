"""A node whose axis is the national one, against its simulator: documents are admitted once, by the session that vouches
for them; statuses come back; faults of the hub, kills and wrong credentials lose and double nothing."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.document import InState, Kind, Lane, OutgoingDocument
from gateway.domain.identity import Digest
from gateway.edxml.build import AttachmentContent, write
from gateway.edxml.envelope import Attachment
from gateway.errors import GatewayError
from gateway.incoming import process
from gateway.outgoing.intake import Order
from gateway.policy.verdict import ReasonCode
from gateway.ports.axis import Fate, Parcel, each_axis
from gateway.settings import Settings
from gateway_foreign.rest.axis import RestAxis
from tests.services.process import kept_ports
from tests.support import node
from tests.support.clock import START, ManualClock
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town, draft
from tests.support.town import lgsp, vxp
from tests.unit.outgoing.test_look import send_verdict

SYSTEM = "truc.lienthong.01"


CODES = [PROVINCE, DEPARTMENT, COMMUNE]


@dataclass(frozen=True, kw_only=True)
class OnHub:
    """A node on a hub of others."""

    town: Town
    axis: vxp.Axis | lgsp.Axis

    @property
    def client(self) -> RestAxis:
        return client_of(self.town)

    @property
    def documents(self) -> list[tuple[str, int]]:
        """Documents of the hub: receiver and number of sends."""
        return sorted((row[3], row[5]) for row in self.axis.hub.summary() if row[1] == "edoc")

    async def carry(self, turns: int = 3) -> None:
        """Carry everything over the hub and back."""
        for _ in range(turns):
            await self.town.carry()
            await self.client.look()
        await self.town.carry()
        await self.client.look()

    async def arrives_and_is_answered(self, sessions: Mapping[str, str]) -> None:
        """Send a document to two agencies, each vouched for by its session; the answer of the first comes back."""
        sent = await self.town.send("15", PROVINCE, COMMUNE)
        await self.carry()
        for code, session in sessions.items():
            arrived = await self.town.only(code)
            assert (arrived.state, arrived.vouched_by) == (InState.NEW, "axis")
            assert arrived.checks["envelope_signature"] == "axis"
            assert arrived.checks["axis_session"] == session
            assert await self.town.read(arrived) == node.PDF
        assert {delivery.state for delivery in (await self.town.deliveries(sent)).values()} == {"delivered"}
        await self.town.status(await self.town.only(PROVINCE), "03")
        await self.carry()
        states = {code: delivery.state for code, delivery in (await self.town.deliveries(sent)).items()}
        assert states == {PROVINCE: "accepted", COMMUNE: "delivered"}

    async def sent_past_a_kill(self, at: str, number: str) -> OutgoingDocument:
        """Send a document to the province from a node that dies at the first call of `at` on its ledger."""
        ledger, killed = self.client._ledger, list[int]()
        real: Callable[..., Any] = getattr(ledger, at)

        def kills(*arguments: Any, **more: Any) -> Any:
            if not killed:
                killed.append(1)
                raise RuntimeError("killed here")
            return real(*arguments, **more)

        setattr(ledger, at, kills)
        sent = await self.town.send(number, PROVINCE)
        for _ in range(6):
            try:
                await self.carry(1)
            except RuntimeError:
                self.town.clock.advance(3600)
            self.town.clock.advance(120)
        self.town.clock.advance(7200)
        await self.carry()
        assert killed
        return sent


@dataclass(frozen=True, kw_only=True)
class OnVxp(OnHub):
    axis: vxp.Axis


def client_of(town: Town) -> RestAxis:
    (client,) = [axis for axis in each_axis(town.node.axis).values() if isinstance(axis, RestAxis)]
    return client


Change = Callable[[Settings], Settings]


@asynccontextmanager
async def opened(
    folder: Path, settings_of: Callable[[vxp.Axis], Change] = lambda axis: axis.connect(SYSTEM)
) -> AsyncIterator[OnVxp]:
    """Open a node on a hub of its own, with the settings that `settings_of` makes."""
    clock = ManualClock()
    async with (
        vxp.simulator(folder / "hub", {SYSTEM: CODES}, now=clock.now) as axis,
        node.opened(folder / "node", clock, change=settings_of(axis)) as town,
    ):
        yield OnVxp(town=town, axis=axis)


@pytest.fixture
async def on_vxp(tmp_path: Path) -> AsyncIterator[OnVxp]:
    async with opened(tmp_path) as on_hub:
        yield on_hub


async def test_a_document_goes_over_the_hub_and_its_statuses_come_back(on_vxp: OnVxp) -> None:
    await on_vxp.arrives_and_is_answered(dict.fromkeys((PROVINCE, COMMUNE), f"vxp:{SYSTEM}"))

    assert not on_vxp.axis.hub.waiting(SYSTEM, "edoc")
    assert not on_vxp.axis.hub.waiting(SYSTEM, "status")


async def test_a_send_that_was_lost_after_its_effect_is_found_in_the_sent_list(on_vxp: OnVxp) -> None:
    """Its outcome is unknown: the hub is asked before anything is sent again."""
    town = on_vxp.town
    on_vxp.axis.faults.change({"rate": 1.0, "kinds": ["lost"], "operations": ["sendEdoc"]})
    sent = await town.act_and_carry(town.send("16", PROVINCE))
    assert (await town.delivery(sent)).state == "sending"
    assert dict(await on_vxp.client.counts())["unknown"] == 1

    on_vxp.axis.faults.change({"kinds": []})
    town.clock.advance(3600)
    await on_vxp.carry()

    assert (await town.delivery(sent)).state == "delivered"
    assert dict(await on_vxp.client.counts())["unknown"] == 0
    assert on_vxp.documents == [(PROVINCE, 1)]  # the hub had it once


async def test_the_same_bytes_published_twice_are_sent_once(on_vxp: OnVxp) -> None:
    """A kill between the hub's answer and the record of it costs no second document."""
    town = on_vxp.town
    sent = await town.send("17", PROVINCE)
    await on_vxp.carry()
    (packet,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)

    await town.deliver(packet, PROVINCE)

    assert on_vxp.documents == [(PROVINCE, 1)]
    assert (await town.delivery(sent)).state == "delivered"


async def test_wrong_credentials_stop_every_call_and_name_what_to_mend(tmp_path: Path) -> None:
    secrets = tmp_path / "vxp.toml"

    def write_secret(secret: str) -> None:
        secrets.write_text(f'[[system]]\nid = "{SYSTEM}"\nsecret = "{secret}"\n', encoding="utf-8")
        secrets.chmod(0o600)

    write_secret("of somebody else")
    async with opened(
        tmp_path, lambda axis: axis.connect(SYSTEM, credentials=secrets, secret=None)
    ) as on_hub:
        town, axis, clock = on_hub.town, on_hub.axis, on_hub.town.clock
        sent = await town.send("18", PROVINCE)
        await on_hub.carry()

        state = on_hub.client.state()
        assert state.down_since is not None
        assert str(secrets) in state.reason
        assert SYSTEM in state.reason
        assert (await town.delivery(sent)).state == "sending"
        calls = dict(axis.faults.calls)
        clock.advance(3600)
        await on_hub.carry()
        assert dict(axis.faults.calls) == calls  # repetition locks no account

        write_secret(f"secret of {SYSTEM}")
        clock.advance(3600)
        await on_hub.carry()
        assert (await town.delivery(sent)).state == "delivered"
        assert on_hub.client.state().down_since is None


async def test_a_sender_that_nobody_knows_waits_for_a_person(tmp_path: Path) -> None:
    """The session vouches for senders that the registry has, and a person for all others."""

    def for_nobody(axis: vxp.Axis) -> Change:
        def change(settings: Settings) -> Settings:
            changed = axis.connect(SYSTEM)(settings)
            return replace(changed, axis=replace(changed.axis, vouches="nobody"))

        return change

    async with opened(tmp_path, for_nobody) as on_hub:
        town = on_hub.town
        await town.send("19", PROVINCE)
        await on_hub.carry()

        (row,) = await town.inbox(PROVINCE)
        assert (row.state, row.code) == ("held", "AXIS-SENDER")
        assert not await town.incoming(PROVINCE)

        await process.release(town.node.inn, await town.scope(PROVINCE), row.id, "đã gọi điện hỏi")
        await on_hub.carry()
        assert (await town.only(PROVINCE)).vouched_by == "axis"


async def test_the_sender_is_told_before_sending_what_the_hub_has_no_place_for(on_vxp: OnVxp) -> None:
    wishes = draft("15", PROVINCE, reply_required=True, reply_due=None)

    verdict = await send_verdict(on_vxp.town, Order(draft=wishes))

    assert verdict.allowed
    warnings = [warning for warning in verdict.warnings if warning.code is ReasonCode.AXIS_LOSES]
    assert [warning.pointer for warning in warnings] == ["/reply_required"]


@pytest.mark.parametrize("at", ["note_fetched", "note_end", "note_reported", "mark"])
async def test_a_kill_at_the_ledger_loses_and_doubles_nothing(on_vxp: OnVxp, at: str) -> None:
    """All steps before the write are done, and none after it: the next look mends it."""
    sent = await on_vxp.sent_past_a_kill(at, "20")

    assert (await on_vxp.town.only(PROVINCE)).vouched_by == "axis"
    assert (await on_vxp.town.delivery(sent)).state == "delivered"
    assert not on_vxp.axis.hub.waiting(SYSTEM, "edoc")
    assert on_vxp.documents == [(PROVINCE, 1)]


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


@dataclass(frozen=True, kw_only=True)
class TwoNodes:
    """Four documents to both agencies of the south, and one back, over a hub that is killed between rounds."""

    north: Town
    south: Town
    clock: ManualClock

    async def round(self) -> None:
        for _ in range(4):
            for town in (self.north, self.south):
                await town.carry()
                with suppress(GatewayError):
                    await client_of(town).look()
            self.clock.advance(600)

    async def wait_for_all(self, at_work: Callable[[int], AbstractContextManager[object]]) -> None:
        """Run rounds, each inside `at_work` with its number, until every document was accepted by its receivers."""
        sent = [await self.north.send(str(40 + n), PROVINCE, COMMUNE) for n in range(4)]
        back = await self.south.send("60", DEPARTMENT, sender=PROVINCE)
        accepted: set[str] = set()
        for n in range(30):
            with at_work(n):
                await self.round()
            for code in (PROVINCE, COMMUNE):
                for document in await self.south.incoming(code):
                    if document.id not in accepted and document.state is InState.NEW:
                        accepted.add(document.id)
                        await self.south.status(document, "03")
            forth = [
                delivery.state
                for message in sent
                for delivery in (await self.north.deliveries(message)).values()
            ]
            states = [*forth, (await self.south.delivery(back)).state]
            if set(states) == {"accepted", "delivered"} and states.count("accepted") == 8:
                return
        pytest.fail(f"not all came through: {states}")


@pytest.mark.long
async def test_two_nodes_on_one_hub_with_faults_and_kills(tmp_path: Path) -> None:
    """The hub in a process of its own, which is killed between rounds; one call in five goes wrong."""
    clock = ManualClock()
    systems = {vxp.NORTH: [DEPARTMENT], vxp.SOUTH: [PROVINCE, COMMUNE]}
    async with AsyncExitStack() as stack:
        (port,) = stack.enter_context(kept_ports(1))

        async def at(name: str, system: str) -> Town:
            file = tmp_path / f"{name}.toml"
            file.write_text(
                f'[[system]]\nid = "{system}"\nsecret = "secret of {system}"\nagencies = {systems[system]!r}\n'
            )
            file.chmod(0o600)

            def change(settings: Settings) -> Settings:
                vxp_settings = replace(
                    settings.vxp,
                    endpoint=f"http://127.0.0.1:{port}",
                    credentials=file,
                    poll_s=0.05,
                    rate_per_s=1000.0,
                )
                return replace(
                    settings, axis=replace(settings.axis, kind="vxp", vouches="all"), vxp=vxp_settings
                )

            return await stack.enter_async_context(node.opened(tmp_path / name, clock, change=change))

        north, south = await at("north", vxp.NORTH), await at("south", vxp.SOUTH)
        two = TwoNodes(north=north, south=south, clock=clock)
        await two.wait_for_all(lambda n: vxp.start(tmp_path / "hub", systems, FAULTY % n, port))
        with vxp.start(tmp_path / "hub", systems, "[hub]\nfresh_h = 0\n", port):
            await two.round()
            rows = vxp.looked_into(tmp_path / "hub")

    documents = [row for row in rows if row[1] == "edoc"]
    assert len({row[0] for row in documents}) == 5  # one message at the hub for each document
    assert {row[4] for row in rows} == {"done"}


async def passes_in_little_memory(axis: RestAxis, folder: Path) -> None:
    """Check that neither a file in one base64 string nor a list of 111,000 lies in memory whole (G8)."""
    await axis.host(["Z92"])
    large = enveloped_file(folder / "large.edxml", 60 * 1024 * 1024)
    agencies: list[None] = []
    tracemalloc.start()
    try:
        outcomes = await axis.publish(large, ["Z92"])
        await axis.look()
        (arrival,) = await axis.take(1, 60.0)
        await axis.agencies(lambda _: agencies.append(None))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert arrival.size > 80 * 1024 * 1024
    assert len(agencies) == 111_002
    assert peak < 64 * 1024 * 1024


@pytest.mark.long
async def test_sixty_megabytes_and_a_country_of_agencies_pass_in_little_memory(tmp_path: Path) -> None:
    more = "[hub]\nfresh_h = 0\nmore_agencies = 111000\n"
    with vxp.start(tmp_path / "hub", {vxp.NORTH: ["Z91.07", "Z92"]}, more) as url:
        async with vxp.client(tmp_path / "node", url, vxp.NORTH, limits_envelope_mb="200") as axis:
            await passes_in_little_memory(axis, tmp_path)


def enveloped_file(path: Path, size: int) -> Parcel:
    """Write an unsigned envelope with one file of that size, and return its parcel."""
    attachment = Attachment(content_id="cid:1", attachment_name="lon.pdf", content_type="application/pdf")
    model = replace(
        node.document("900", (), sender="Z91.07", to=("Z92",)),
        manifest=(attachment,),
        attachments=(attachment,),
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
