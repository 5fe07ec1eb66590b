"""`gateway calendar`: holidays and swap days of this node. In: days, or a file of them. Out: the shipped calendar with the
node's own days over it; deadlines follow at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, noun, piped
from gateway.cli.node import at_store, operator_id
from gateway.domain.office_calendar import SHIPPED, CalendarDay, DayKind
from gateway.domain.wall_clock import day_text
from gateway.errors import NotFound
from gateway.policy import timers
from gateway_office.policy import calendar_file

if TYPE_CHECKING:
    from gateway.bootstrap.stored import OpenStore

Day = Annotated[str, typer.Argument(help="2026-11-24 or 24/11/2026.")]
_COLUMNS = output.columns("day kind:day_kind name source", dim="source")


verb = noun("calendar").verb


@verb("", "--year 2027 -o json")
async def list_(
    call: Invocation,
    core: OpenStore,
    year: Annotated[int | None, typer.Option(min=2000, max=2200, help="Only this year.")] = None,
) -> None:
    """List the days that differ from their weekday: those that ship with the program, overridden by the node's own."""
    own = await core.store.calendar.days()
    days = [d for d in timers.merged_days(SHIPPED, own) if year in (None, d.day.year)]
    _show(call, days)


def _show(call: Invocation, days: list[CalendarDay]) -> None:
    sources = ("own" if not day.shipped else "expected" if day.expected else "shipped" for day in days)
    cells = [{"source": call.word(f"cli.calendar.{source}")} for source in sources]
    output.rows(call, [_day_record(call, day) for day in days], _COLUMNS, cells)


def _day_record(call: Invocation, day: CalendarDay) -> dict[str, Any]:
    return output.fields(day, "id=day day kind name shipped expected", name=name_of(call, day))


def name_of(call: Invocation, day: CalendarDay) -> str:
    """Return a day's name; the names of shipped days stand in the labels."""
    return call.word(day.name) if day.shipped else day.name


@verb(
    "2026-11-25 --kind holiday --name 'Storm'",
    "21/11/2026 --kind workday --name 'Instead of 25/11' --yes",
    writes=True,
)
async def add(
    call: Invocation,
    day: Day,
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(DayKind)}.")],
    name: Annotated[str, typer.Option(help="Its name, or the decision.")] = "",
) -> None:
    """Set the kind of one day, over its weekday and the shipped calendar. `ordinary` undoes a shipped day."""
    try:
        calendar_day = calendar_file.day(day, kind, name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    await _save_days(call, [calendar_day])


@verb("2026-11-25", "25/11/2026 --yes", writes=True)
async def remove(call: Invocation, day: Day) -> None:
    """Remove the node's own entry for a day; the shipped calendar applies again."""
    try:
        on = calendar_file.read_day(day)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    call.ask("cli.ask.calendar_remove", day=day_text(on))
    async with at_store(call.settings()) as core:
        if not await core.store.calendar.remove(on, core.clock.now(), await operator_id(core.store)):
            raise NotFound(
                f"this node has said nothing of its own about {on}",
                hint=f"to undo a shipped day: gateway calendar add {on} --kind ordinary",
            )
    output.record(call, {"id": on.isoformat(), "removed": True})


@verb("days.csv", "days-2028.csv --yes", writes=True)
async def import_(
    call: Invocation,
    file: Annotated[Path, piped("CSV in UTF-8: day, kind, name; - is standard input.")],
) -> None:
    """Import days from a file, all or none. Existing days are replaced."""
    with file.open("rb") as source:
        days = calendar_file.read(source.read(calendar_file.MOST_BYTES + 1))
    await _save_days(call, days)


async def _save_days(call: Invocation, days: list[CalendarDay]) -> None:
    call.ask("cli.ask.calendar", count=len(days), first=day_text(days[0].day))
    async with at_store(call.settings()) as core:
        await core.store.calendar.save(days, core.clock.now(), await operator_id(core.store))
    _show(call, days)
