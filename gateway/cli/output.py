"""Writes data to stdout: a table for people, JSON or one JSON object per line for programs, or ids alone with -q.
In: rows as plain mappings, with their columns. Nothing is said here; talk goes through `Call.say` to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from gateway.cli.command import Call, Format
from gateway.domain.wall_clock import VIETNAM

if TYPE_CHECKING:
    from rich.console import Console

# Viet Nam has had one offset and no summer time since 1975, so no time-zone table is needed to print a time.

# Wide enough that nothing is cut or wrapped when the table goes into a file or a pipe.
_PIPE_WIDTH = 400


def stamp(at: datetime | None) -> str | None:
    """For programs: RFC 3339 with the offset of Viet Nam."""
    return None if at is None else at.astimezone(VIETNAM).isoformat(timespec="seconds")


def clock(at: datetime | None) -> str:
    """For people: 20/11/2026 14:02."""
    return "" if at is None else at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M")


def today(now: datetime) -> date:
    """The date on a clerk's calendar."""
    return now.astimezone(VIETNAM).date()


def day(on: date | None) -> str:
    """For people: 20/11/2026."""
    return "" if on is None else on.strftime("%d/%m/%Y")


def rows(
    call: Call,
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[tuple[str, str]],
    cells: Iterable[Sequence[str]],
    *,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """A list. `records` are for programs, each with an `id`; `columns` (label key, style) and `cells` for people.
    `extra` stands beside `data` in JSON."""
    if call.quiet:
        lines(str(each["id"]) for each in records)
    elif call.output is Format.JSON:
        document({"data": list(records), **(extra or {})})
    elif call.output is Format.NDJSON:
        lines(compact(each) for each in records)
    else:
        _table(call, columns, cells)


def record(call: Call, values: Mapping[str, Any], *, id_key: str = "id") -> None:
    """One thing: its fields below each other, or one JSON object."""
    if call.quiet and id_key in values:
        lines([str(values[id_key])])
    elif call.output is Format.TABLE:
        width = max(map(len, values), default=0)
        lines(plain(f"{key:<{width}}  {_cell(value)}").rstrip() for key, value in values.items())
    else:
        (document if call.output is Format.JSON else stream)(values)


def _cell(value: object) -> str:
    if isinstance(value, dict | list):
        return compact(value)
    return "" if value is None else str(value)


def document(value: object) -> None:
    """One JSON document, readable."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def stream(value: object) -> None:
    """One JSON object on a line of its own, out at once."""
    print(compact(value), flush=True)


def lines(texts: Iterable[str]) -> None:
    for each in texts:
        print(each)


def console() -> Console:
    """Where tables go: colour on a terminal only, none where NO_COLOR is set."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(file=sys.stdout, width=wide, highlight=False, emoji=False, markup=False, soft_wrap=False)


def plain(text: str) -> str:
    """What somebody else wrote, without control characters that could steer the terminal or fake a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _table(call: Call, columns: Sequence[tuple[str, str]], cells: Iterable[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, style in columns:
        table.add_column(call.word(key), style=style, overflow="fold")
    count = 0
    for row in cells:
        table.add_row(*(Text(plain(each)) for each in row))
        count += 1
    if count:
        console().print(table)
    else:
        call.say("cli.nothing")


def compact(value: object) -> str:
    """One JSON object on one line."""
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))
