"""Timestamps whose certificates end while the log goes on: newer ones over the same lines take over."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ops import checks_of_trust
from gateway.ops.evidence.judge import PackReport
from gateway.ops.subject import Subject
from tests.support.clock import START
from tests.support.evidence import TimeAuthority, check, exchanged, pack_of, sealed
from tests.support.node import DEPARTMENT, Town

DAYS = timedelta(days=1)
FIRST_END, SECOND_END = START + 200 * DAYS, START + 500 * DAYS


def trust(town: Town, *authorities: TimeAuthority) -> Path:
    """Add the roots of these authorities to the node's trust folder, and return it."""
    folder = town.node.settings.trust.folder
    (folder / "tsa").mkdir(exist_ok=True)
    pem = b"".join(authority.root.public_bytes(Encoding.PEM) for authority in authorities)
    (folder / "tsa" / "ca.pem").write_bytes(pem)
    return folder


def stamp_notes(report: PackReport) -> list[tuple[str, bool | None]]:
    return [(line.note, line.ok) for line in report.lines if line.step == "stamps"]


async def doctor(town: Town) -> list[str]:
    return [finding.cause async for finding in checks_of_trust.stamps(Subject.within(town.node))]


async def test_a_newer_timestamp_takes_over_before_the_certificate_of_the_first_ends(
    town: Town, tmp_path: Path
) -> None:
    first, second = TimeAuthority(ends=FIRST_END), TimeAuthority("Second", ends=SECOND_END)
    folder = trust(town, first, second)
    assert await doctor(town) == []
    sent, _ = await exchanged(town)
    await sealed(town, first)
    early_pack = await pack_of(town, DEPARTMENT, sent.id)
    assert await doctor(town) == []

    town.clock.advance(FIRST_END - 89 * DAYS - town.clock.now())
    assert await doctor(town) == ["log.stamp_ends"]
    await exchanged(town, "16")
    await sealed(town, second)
    assert await doctor(town) == []

    town.clock.advance(100 * DAYS)
    assert town.clock.now() > FIRST_END
    await exchanged(town, "17")
    await sealed(town, None)  # the newest seal has no timestamp
    late_pack = await pack_of(town, DEPARTMENT, sent.id)

    def checked(pack: bytes, at: datetime) -> PackReport:
        return check(pack, tmp_path, folder, at=at)

    assert stamp_notes(checked(late_pack, START + 150 * DAYS)) == [("stamped", True), ("stamped", True)]
    report = checked(late_pack, town.clock.now())
    assert stamp_notes(report) == [("stamped", True), ("stamped", True), ("stamp_over", True)]
    (renewal,) = [line for line in report.lines if line.note == "stamp_over"]
    assert renewal.proved_at == second.at
    packet = next(line for line in report.lines if line.step == "packet")
    assert (packet.ok, packet.proved_at) == (True, first.at)
    assert report.verdict == "valid"
    assert stamp_notes(checked(early_pack, town.clock.now())) == [("stamped", True), ("stamp_ended", None)]
    ended = stamp_notes(checked(late_pack, SECOND_END + DAYS))
    assert ended[2:] == [("stamp_ended", None), ("stamp_ended", None)]


async def test_a_timestamp_made_after_the_first_ended_is_no_renewal(town: Town, tmp_path: Path) -> None:
    first, second = TimeAuthority(ends=FIRST_END), TimeAuthority("Second", ends=SECOND_END)
    folder = trust(town, first, second)
    sent, _ = await exchanged(town)
    await sealed(town, first)
    town.clock.advance(201 * DAYS)
    await exchanged(town, "16")
    await sealed(town, second)

    report = check(await pack_of(town, DEPARTMENT, sent.id), tmp_path, folder, at=town.clock.now())

    assert stamp_notes(report) == [("stamped", True), ("stamped", True), ("stamp_ended", None)]
