"""Malware on its way in and out, and a scanner that is down, against a real ClamAV daemon (threat 65)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.diagnosis import check_words, condition
from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.errors import Refused, ScannerDown
from gateway.ops.checks import Watch
from gateway.outgoing.intake import Order
from gateway.settings import Settings
from tests.services.clamav import Clamd
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town, document, draft, opened
from tests.support.scanner import INFECTED
from tests.support.scanner import clamd as clamd
from tests.support.scanner import daemon as daemon

GOOD = (("van-ban.pdf", PDF),)


def scanned_by(clamd: Clamd, required: str = "yes") -> Callable[[Settings], Settings]:
    def change(settings: Settings) -> Settings:
        scanner = replace(settings.scanner, address=clamd.unix, required=required, timeout_s=20)
        return replace(settings, scanner=scanner)

    return change


@pytest.fixture
async def town(clamd: Clamd, tmp_path: Path) -> AsyncIterator[Town]:
    async with opened(tmp_path / "node", change=scanned_by(clamd)) as new_town:
        yield new_town


async def alerts(town: Town, agency: str) -> list[dict[str, object]]:
    await town.number()
    events = await town.node.store.events_after((await town.agency(agency)).id, 0, 1000)
    return [event.data for event in events if event.kind is EventKind.ALERT_MALWARE]


def file_named(kind: str) -> str:
    return {"plain": "thu.txt", "docx": "to trinh.docx"}.get(kind, "kem.zip")


async def test_threat_065_malware_that_came_in_is_returned_with_02_and_alerts(town: Town) -> None:
    for n, (kind, raw) in enumerate(sorted(INFECTED.items())):
        files = (*GOOD, (file_named(kind), raw))

        row = await town.brought(town.forge(document(str(300 + n), files=files), files))

        assert (row.state, row.code) == ("returned", "MALWARE"), kind
    assert await town.incoming() == ()
    answers = [town.model(x).status for x in await town.crossed(PROVINCE, Kind.STATUS)]
    assert [answer.code for answer in answers if answer] == ["02"] * len(INFECTED)
    malware_alerts = await alerts(town, PROVINCE)
    assert [(x["from"], x["file"]) for x in malware_alerts] == [
        (DEPARTMENT, file_named(k)) for k in sorted(INFECTED)
    ]
    assert all("Eicar.Test" in str(x["malware"]) for x in malware_alerts)
    assert (await town.brought(town.forge(document("201"), GOOD))).state == "done"


@pytest.mark.parametrize("send", [True, False])
async def test_threat_065_malware_is_not_accepted_and_not_even_kept_as_a_draft(
    town: Town, send: bool
) -> None:
    """R107 (malware)."""
    with pytest.raises(Refused, match="malware"):
        await town.send("15", files=(*GOOD, ("kem.zip", INFECTED["zip"])), send=send)

    assert await town.count("outgoing_document") == 0
    assert await town.ownerless() == 0
    (alert,) = await alerts(town, DEPARTMENT)
    assert (alert["file"], alert["outgoing"]) == ("kem.zip", True)
    assert (await town.send("15")).id


async def test_threat_065_while_the_scanner_is_down_packets_stay_landed_and_none_is_lost(
    town: Town, clamd: Clamd
) -> None:
    packet = town.forge(document(), GOOD)
    clamd.stop()

    row = await town.brought(packet)
    for _ in range(20):  # more often than a packet is tried that breaks every try
        town.clock.advance(timedelta(seconds=31))
        await town.carry()
        row = await town.row(PROVINCE, packet)
        assert row.state == "landed"
    assert await town.incoming() == ()
    assert await town.statuses(PROVINCE) == 0
    clamd.start()
    town.clock.advance(timedelta(seconds=31))
    await town.node.scanner.state()  # as the health check does: ends the pause after a failure
    await town.carry()

    assert (await town.row(PROVINCE, packet)).state == "done"
    assert await town.read(await town.only()) == PDF


async def test_threat_065_while_the_scanner_is_down_nothing_is_accepted_and_the_caller_hears_later(
    town: Town, clamd: Clamd
) -> None:
    clamd.stop()

    with pytest.raises(ScannerDown):
        await town.order(Order(draft=draft("15", PROVINCE)))

    assert await town.count("outgoing_document") == 0
    ready = await Watch(node=town.node).ready()
    assert (condition(ready), check_words(ready)["scanner"]) == ("degraded", "down")
    clamd.start()
    await town.node.scanner.state()
    assert (await town.send("15")).id


async def test_threat_065_a_file_that_the_scanner_does_not_take_is_held_for_the_clerk(
    town: Town, clamd: Clamd
) -> None:
    large = PDF + b"\n" * (clamd.most_bytes + 1_000_000)
    files = (("van-ban.pdf", large),)

    row = await town.brought(town.forge(document(files=files), files))

    arrived = await town.only()
    assert (row.state, arrived.state) == ("done", "held")
    assert "unscanned" in arrived.checks["reasons"]
