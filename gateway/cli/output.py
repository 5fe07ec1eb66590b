"""Writes data to stdout: a table for people, JSON or one JSON object per line for programs, or ids alone with -q.
In: rows as plain mappings, with their columns. Nothing is said here; talk goes through `Call.say` to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from gateway.cli.command import Call, Format
from gateway.domain.wall_clock import VIETNAM

if TYPE_CHECKING:
    from rich.console import Console

# Viet Nam has had one offset and no summer time since 1975, so no time-zone table is needed to print a time.

_BETWEEN = 2  # spaces between two columns of a table without lines
_LONG_WORD = 20
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


def aloud(call: Call, texts: Iterable[str]) -> None:
    """What is read by a person where there is no list and no id: nothing with -q, for then the exit code is the answer."""
    if not call.quiet:
        lines(texts)


def data(call: Call, value: object) -> None:
    """One answer for programs, readable or on one line."""
    (document if call.output is Format.JSON else stream)(value)


def console() -> Console:
    """Where tables go: colour and bold on a terminal only, none of them where NO_COLOR is set."""
    from rich.console import Console

    return Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else _PIPE_WIDTH,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        highlight=False,
        emoji=False,
        markup=False,
        soft_wrap=False,
    )


def plain(text: str) -> str:
    """What somebody else wrote, without control characters that could steer the terminal or fake a line."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _table(call: Call, columns: Sequence[tuple[str, str]], cells: Iterable[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    heads = [call.word(key) for key, _ in columns]
    body = [[plain(each) for each in row] for row in cells]
    if not body:
        call.say("cli.nothing")
        return
    page = console()
    narrowest = [_narrowest(n, head, body) for n, head in enumerate(heads)]
    shown = fitting(narrowest, page.width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for n in range(shown):
        table.add_column(
            heads[n], style=columns[n][1], overflow="fold", min_width=narrowest[n], no_wrap=n == 0
        )
    for row in body:
        table.add_row(*(Text(each) for each in row[:shown]))
    page.print(
        table, width=max(page.width, narrowest[0]), crop=False
    )  # a window narrower than an id breaks it by itself
    if shown < len(heads):
        call.say("cli.columns_left_out", names=", ".join(heads[shown:]))


def fitting(narrowest: Sequence[int], width: int) -> int:
    """How many of the columns, from the first, stand beside each other without a broken word; always the id at least."""
    taken = 0
    for n, least in enumerate(narrowest):
        taken += least + (_BETWEEN if n else 0)
        if n and taken > width:
            return n
    return len(narrowest)


def _narrowest(n: int, head: str, body: Sequence[Sequence[str]]) -> int:
    """An id is never broken, for it is to be copied; elsewhere a long word may be."""
    from rich.cells import cell_len

    if n == 0:
        return max(cell_len(head), *(cell_len(row[n]) for row in body))
    words = (word for text in (head, *(row[n] for row in body)) for word in text.split())
    return min(_LONG_WORD, max(map(cell_len, words), default=0))


def compact(value: object) -> str:
    """One JSON object on one line."""
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))
