"""A cause that is known and lasts for an hour has a line a minute in the log, and no trace. The long lane does so with
every known cause, and breaks all calls (`tests/long/faults/test_log_volume.py`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from gateway.settings import Settings
from tests.faults.killer import Counter, Killer
from tests.support.faulty import lose_database
from tests.support.log_hour import HourLog, log_of
from tests.support.node import Town, opened
from tests.support.town.builder import Change, unchanged
from tests.support.unforeseen import Breaker

MOST_BYTES = 1_000_000
MOST_TRACES = 2  # of one cause: at its beginning, and after an hour
BROKEN = ("store.share.outbox.mark_sent", "before")


def full_disk(settings: Settings) -> Settings:
    return replace(settings, limits=replace(settings.limits, disk_free_mb=1 << 40))


def no_scanner(settings: Settings) -> Settings:
    return replace(settings, scanner=replace(settings.scanner, address="unix:/nowhere/clamd.ctl"))


async def axis_away(town: Town) -> None:
    for file in town.node.settings.axis.folder.glob("axis.sqlite*"):
        file.write_bytes(b"this is no axis " * 1000)


async def seal_key_damaged(town: Town) -> None:
    """Seal nothing, as for a process that has another secret than the one that made the key."""
    file = town.node.settings.keys.folder / "_log" / "seal.key.pem"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text("this is no key")


async def as_it_is(town: Town) -> None:
    """Change nothing: the settings alone make the fault."""


# By name: what breaks, other settings, and the code of the cause.
CASES: dict[str, tuple[Callable[[Town], Awaitable[None]], Change, str]] = {
    "database away": (lose_database, unchanged, "GW-S-000"),
    "axis away": (axis_away, unchanged, "GW-T-001"),
    "seal key damaged": (seal_key_damaged, unchanged, "GW-C-000"),
    "disk full": (as_it_is, full_disk, "GW-S-507"),
    "scanner away": (as_it_is, no_scanner, "GW-V-001"),
}


@asynccontextmanager
async def a_broken_call(folder: Path, broken: tuple[str, str]) -> AsyncIterator[Town]:
    breaker = Breaker(broken)
    async with opened(folder, wrap=Killer(Counter(breaker.stop))) as town:
        await town._host()
        breaker.armed = True
        yield town


async def test_a_database_that_is_away_has_a_line_a_minute_in_the_whole_process_and_no_trace(
    tmp_path: Path,
) -> None:
    await has_a_line_a_minute(tmp_path, *CASES["database away"])


async def has_a_line_a_minute(
    folder: Path, breaks: Callable[[Town], Awaitable[None]], change: Change, code: str
) -> None:
    async with opened(folder, change=change) as town:
        await town._host()
        await breaks(town)
        hour = await log_of(town)
    lines = hour.of_code(code)
    assert 55 <= len(lines) <= 61, summary(hour)
    assert any("suppressed" in line for line in lines)
    assert not any("trace" in line for line in hour.lines)
    assert hour.size < MOST_BYTES


def summary(hour: HourLog) -> str:
    """Return the actions with how often each stands there."""
    names = [f"{line.get('action')} {line.get('code', '')}" for line in hour.lines]
    return f"{hour.size} bytes: " + ", ".join(f"{name}: {names.count(name)}" for name in sorted(set(names)))
