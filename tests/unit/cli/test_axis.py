"""What the axis put aside is listed, handed out again or dropped by commands, on a real axis folder."""

from __future__ import annotations

import asyncio
import hashlib
import io
from pathlib import Path

import pytest

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.ports import Parcel
from gateway.transport.embedded import EmbeddedAxis
from tests.support.clock import START, ManualClock
from tests.unit.cli.conftest import Terminal


async def poison(folder: Path, *packets: str) -> None:
    """Parcels that nobody could land."""
    pool = ThreadPool(1)
    try:
        async with EmbeddedAxis(folder, "one", ManualClock(START), pool, poison_limit=1) as axis:
            await axis.host(["Z92"])
            for packet in packets:
                content = packet.encode()
                sent = Parcel(
                    packet_id=packet,
                    kind="edoc",
                    sender="Z91",
                    lane=Lane.NORMAL,
                    digest=Digest(hashlib.sha256(content).hexdigest()),
                    size=len(content),
                    open=lambda content=content: io.BytesIO(content),  # type: ignore[misc]  # bound early
                )
                await axis.publish(sent, ["Z92"])
            for arrival in await axis.take(len(packets), 60):
                await axis.settle(arrival, done=False)
            assert await axis.take(len(packets), 60) == []
    finally:
        pool.close()


@pytest.fixture
def dead(terminal: Terminal, tmp_path: Path) -> list[str]:
    """Ids of two parcels on the dead list of the axis that the settings name."""
    (tmp_path / "gateway.toml").write_text('[axis]\nfolder = "axis"\n', encoding="utf-8")
    asyncio.run(poison(tmp_path / "axis", "p1", "p2"))
    return [each["id"] for each in terminal.type("axis", "dead", "list", "-o", "json").json["data"]]


def test_the_dead_list_says_what_lies_there_and_why(terminal: Terminal, dead: list[str]) -> None:
    said = terminal.type("axis", "dead", "list")
    counts = terminal.type("axis", "status", "-o", "json").json

    assert len(dead) == 2
    assert "p1" in said.out
    assert "Văn bản mới" in said.out
    assert "never settled" in said.out
    assert (counts["dead"], counts["waiting"]) == (2, 0)


def test_one_dead_parcel_or_all_are_handed_out_again(terminal: Terminal, dead: list[str]) -> None:
    one = terminal.type("axis", "dead", "retry", dead[0], "--yes", "-q")
    rest = terminal.type("axis", "dead", "retry", "--all", "--yes", "-q")

    assert one.out.split() == dead[:1]
    assert rest.out.split() == dead[1:]
    assert terminal.type("axis", "status", "-o", "json").json["waiting"] == 2


def test_a_dropped_parcel_is_gone_and_a_dry_run_drops_nothing(terminal: Terminal, dead: list[str]) -> None:
    why = ("--reason", "A trial")

    assert terminal.type("axis", "dead", "drop", dead[0], *why, "--dry-run").code == 0
    assert terminal.type("axis", "status", "-o", "json").json["dead"] == 2
    assert terminal.type("axis", "dead", "drop", dead[0], *why, "--yes").code == 0
    assert terminal.type("axis", "dead", "drop", dead[0], *why, "--yes").code == 3
    assert terminal.type("axis", "status", "-o", "json").json["dead"] == 1


@pytest.mark.parametrize("words", [("retry",), ("retry", "1", "--all")])
def test_a_retry_names_one_parcel_or_all(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.type("axis", "dead", *words).code == 2


def test_no_axis_is_made_by_looking_for_one(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal.type("axis", "status", "--lang", "en")

    assert said.code == 1
    assert "there is no axis in" in said.err
    assert list(tmp_path.iterdir()) == []
