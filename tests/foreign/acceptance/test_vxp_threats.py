"""A node on a hub that gives it what it should not: a packet that names another sender, contradicts an earlier one, or
harms its reader becomes no document, is not answered, and stops nothing that is good. Beside another axis, a hub that
was away is used again once it answers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.domain.document import InState
from gateway.settings.options import AxisSettings, NamedAxis, RouteSettings, Secret, Settings, VxpSettings
from tests.foreign.acceptance.test_vxp import CODES, SYSTEM, opened
from tests.support import node
from tests.support.clock import ManualClock
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town
from tests.support.odd_hub import OddHub, odd_hub, row, unsigned
from tests.support.town import vxp

TRUSTED = "Về việc báo cáo dự toán"


@dataclass(frozen=True, kw_only=True)
class OnOddHub:
    town: Town
    hub: OddHub

    async def brings(self, *listed_files: tuple[str, bytes], **more: object) -> None:
        """Put these files on the hub, each under an id and listed as from the department, and carry them all the way in."""
        self.hub.gives(dict(listed_files))
        listed = {"from": DEPARTMENT, "to": PROVINCE} | more
        self.hub.lists("getReceivedEdocList", *(row(id, **listed) for id, _ in listed_files))
        await self.town.carry_around(1)

    async def rows(self) -> list[tuple[str, str | None]]:
        return [(row.state, row.code) for row in await self.town.inbox(PROVINCE)]


@pytest.fixture
async def odd(tmp_path: Path) -> AsyncIterator[OnOddHub]:
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(odd_hub())

        def change(settings: Settings) -> Settings:
            vxp_settings = VxpSettings(
                endpoint=hub.url,
                system=SYSTEM,
                secret=Secret(f"secret of {SYSTEM}"),
                poll_s=3600.0,
                rate_per_s=1000.0,
            )
            return replace(settings, axis=replace(settings.axis, kind="vxp"), vxp=vxp_settings)

        town = await stack.enter_async_context(node.opened(tmp_path / "node", change=change))
        yield OnOddHub(town=town, hub=hub)


def letter(number: str, **changes: object) -> bytes:
    fields: dict[str, object] = {"to": (PROVINCE,), "sender": DEPARTMENT} | changes
    return unsigned(number, **fields)  # type: ignore[arg-type]  # as `unsigned` has them


async def test_a_letter_of_an_agency_that_the_registry_knows_is_taken_in(odd: OnOddHub) -> None:
    await odd.brings(("a", letter("1")))

    assert (await odd.town.only(PROVINCE)).vouched_by == "axis"
    assert "updateStatus" in odd.hub.calls


@pytest.mark.parametrize(
    ("sender", "named_sender"), [(DEPARTMENT, COMMUNE), ("X99.99", "X99.99")], ids=["another", "nobody known"]
)
async def test_threat_134_a_sender_that_the_hub_cannot_vouch_for_waits_for_a_person(
    odd: OnOddHub, sender: str, named_sender: str
) -> None:
    await odd.brings(("a", letter("1", sender=sender)), **{"from": named_sender})

    assert await odd.rows() == [("held", "AXIS-SENDER")]
    assert not await odd.town.incoming(PROVINCE)
    assert "sendEdoc" not in odd.hub.calls


async def test_threat_134_other_content_under_a_known_id_is_held_and_the_first_stays(odd: OnOddHub) -> None:
    await odd.brings(("a", letter("1", subject=TRUSTED)))
    document_before = await odd.town.only(PROVINCE)

    await odd.brings(("b", letter("1", subject="Nội dung khác hẳn")))

    assert (await odd.town.reload(document_before)).subject == TRUSTED
    states = sorted(x.state for x in await odd.town.incoming(PROVINCE))
    rows_held = [x for x in await odd.rows() if x[1] == "OTHER-CONTENT"]
    assert states == [InState.HELD, InState.NEW] or rows_held == [("held", "OTHER-CONTENT")]


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1 if n > 1 else str()};" * 10}">' for n in range(1, 10)
)


@pytest.mark.parametrize(
    "raw",
    [
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        f"{LAUGHS}]><a>&a9;</a>".encode(),
        b"<a>" * 100_000,
        b"<edXML",
        b"\x00" * 4096,
        b"%PDF-1.4",
        b'"' + b"\\u0000" * 1000 + b'"',
    ],
)
async def test_threat_136_a_file_that_harms_is_put_aside_and_the_next_one_comes_in(
    odd: OnOddHub, raw: bytes
) -> None:
    await odd.brings(("bad", raw), ("good", letter("1")))

    await odd.town.only(PROVINCE)
    states = sorted(state for state, _ in await odd.rows())
    assert states in (["done", "malformed"], ["done", "quarantined"])
    ids_done = {x["xroadvnpt-docid"] for x in odd.hub.request_headers if x.get("xroadvnpt-status") == "done"}
    assert ids_done == {"bad", "good"}


async def test_threat_136_a_file_for_others_is_shown_to_nobody_as_a_document(odd: OnOddHub) -> None:
    await odd.brings(("a", letter("1", to=("X99.99",))), to="X99.99")

    assert not await odd.town.incoming(PROVINCE)
    assert not await odd.town.incoming(COMMUNE)


# --- beside another axis ---------------------------------------------------------------------------------------------


def on_both(folder: Path, axis: vxp.Axis, **rule: str) -> Callable[[Settings], Settings]:
    """Return a change of settings that puts the hub first and a folder second."""

    def change(settings: Settings) -> Settings:
        single = axis.connect(SYSTEM)(settings)
        axes = (
            NamedAxis(name="national", away_s=0, parts={"axis": single.axis, "vxp": single.vxp}),
            NamedAxis(name="province", away_s=0, parts={"axis": AxisSettings(folder=folder, vouches="all")}),
        )
        routes = (RouteSettings(to="*", axes=("national", "province"), **rule),)
        return replace(settings, axes=axes, routes=routes)

    return change


async def left_by(town: Town, number: str, to: str = PROVINCE) -> Callable[[], Awaitable[list[str | None]]]:
    sent = await town.send(number, to)

    async def by() -> list[str | None]:
        return [fact.axis for fact in await town.facts(sent) if fact.code == "sent"]

    return by


@pytest.mark.parametrize("away", ["next", "wait"])
async def test_a_hub_that_was_away_is_used_again_once_it_answers(tmp_path: Path, away: str) -> None:
    async with opened(tmp_path, lambda axis: on_both(tmp_path / "province", axis, away=away)) as on_hub:
        town, axis, clock = on_hub.town, on_hub.axis, on_hub.town.clock
        axis.faults.change({"rate": 1.0, "kinds": ["fail:20"]})  # it says no, before any effect
        first = await town.act_and_carry(left_by(town, "15"))
        if away == "next":
            assert await first() == ["province"]
        else:
            assert await first() == []

        axis.faults.change({"kinds": []})
        clock.advance(7200)
        second = await left_by(town, "16")
        for _ in range(3):
            await town.carry()
            clock.advance(7200)

        assert await second() == ["national"]
        if away == "wait":
            assert await first() == ["national"]


async def test_what_a_hub_may_have_goes_by_no_other_axis(tmp_path: Path) -> None:
    async with opened(tmp_path, lambda axis: on_both(tmp_path / "province", axis, away="next")) as on_hub:
        town, axis, clock = on_hub.town, on_hub.axis, on_hub.town.clock
        axis.faults.change({"rate": 1.0, "kinds": ["lost"], "operations": ["sendEdoc"]})
        sent = await town.act_and_carry(left_by(town, "15"))
        assert await sent() == []

        axis.faults.change({"kinds": ["error500"], "operations": []})
        clock.advance(7200)
        await town.carry()
        assert await sent() == []

        axis.faults.change({"kinds": []})
        for _ in range(3):
            clock.advance(7200)
            await town.carry()

        assert await sent() == ["national"]
        assert [call[5] for call in axis.hub.summary() if call[1] == "edoc"] == [1]


async def test_what_another_machine_may_have_sent_is_asked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger of the machine that died is not here: the outbox alone knows that a try left no word."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        axis = await stack.enter_async_context(
            vxp.simulator(tmp_path / "hub", {SYSTEM: CODES}, now=clock.now)
        )
        machine = "one"
        monkeypatch.setattr(socket, "gethostname", lambda: machine)

        def change(settings: Settings) -> Settings:
            return axis.connect(SYSTEM, folder=tmp_path / machine)(settings)

        async with node.opened(tmp_path / "node", clock, change=change) as town:
            axis.faults.change({"rate": 1.0, "kinds": ["lost"], "operations": ["sendEdoc"]})
            sent = await town.act_and_carry(town.send("15", PROVINCE))
        axis.faults.change({"kinds": []})
        machine = "two"
        clock.advance(7200)
        async with node.opened(tmp_path / "node", clock, change=change) as town:
            await town.carry()
            assert (await town.delivery(sent)).state == "sent"

        assert [call[5] for call in axis.hub.summary() if call[1] == "edoc"] == [1]
