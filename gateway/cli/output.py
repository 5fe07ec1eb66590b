"""What a command prints: its data, and what went wrong. In: rows as plain mappings with their columns; an error of
the one tree, or a wrong use of the command line. Out: data to stdout, as a table for people, JSON or one JSON object
per line for programs, or ids alone with -q; to stderr the sentence of an error, every broken rule, the hint, and with
them the exit code. Nobody sees a stack trace. Other talk goes through `Invocation.say` to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway import errors
from gateway.cli.command import Invocation, OutputFormat
from gateway.domain.text import plain as plain
from gateway.domain.wall_clock import VIETNAM, day_text
from gateway.words import labels

if TYPE_CHECKING:
    from rich.console import Console

_BETWEEN = 2  # spaces between two columns of a table without lines
_LONG_WORD = 20
# What people read of a record: every cell, or by the heads of columns those that are not its fields as they are.
Cells = Sequence[str] | Mapping[str, str]
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


class Column(NamedTuple):
    """One column of a list: the label of its head, its style, the field of a record that it shows, and below which labels
    the words of that field stand."""

    label: str
    style: str = ""
    field: str = ""
    words: str = ""


def columns(names: str, *, dim: str = "", bold: str = "") -> tuple[Column, ...]:
    """The columns of a list, each by the last word of its label. `name=field` shows a field of another name; `:words`
    behind it says below which labels the words of the field stand. Some are written less bright, or bold."""
    made = []
    for name in names.split():
        shown, _, words = name.partition(":")
        head, _, field = shown.partition("=")
        style = "dim" if head in dim.split() else "bold" if head in bold.split() else ""
        made.append(Column(f"cli.column.{head}", style, field or head, words))
    return tuple(made)


def fields(thing: object, names: str, **more: Any) -> dict[str, Any]:
    """What programs are told of a thing: its attributes by these names, in their order; `more` says what of them is another
    value, and what else is told. Times are written when the record is."""
    told = {name: more.pop(name) if name in more else getattr(thing, name) for name in names.split()}
    return told | more


def page(
    call: Invocation,
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    cursor: str | None,
    cells: Iterable[Cells] | None = None,
) -> None:
    """One page of a list, and how to go on from it."""
    extra = {"next_cursor": cursor, "has_more": cursor is not None}
    rows(call, records, columns, cells, extra=extra)
    if cursor and call.output is OutputFormat.TABLE:
        call.say("cli.more", command=f"--cursor {cursor}")


def rows(
    call: Invocation,
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    cells: Iterable[Cells] | None = None,
    *,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """A list. `records` are for programs, each with an `id`; people read of each the fields of the `columns`, or in their
    place `cells`: all of them, or by head those that are said in another way. `extra` stands beside `data` in JSON."""
    if call.quiet:
        lines(str(each["id"]) for each in records)
    elif call.output is OutputFormat.JSON:
        document({"data": list(records), **(extra or {})})
    elif call.output is OutputFormat.NDJSON:
        lines(compact(each) for each in records)
    else:
        _table(call, columns, [_line(call, *each, columns) for each in _paired(records, cells)])


def _paired(
    records: Sequence[Mapping[str, Any]], cells: Iterable[Cells] | None
) -> Iterable[tuple[Mapping[str, Any], Cells]]:
    return ((each, {}) for each in records) if cells is None else zip(records, cells, strict=True)


def _line(
    call: Invocation, record: Mapping[str, Any], cells: Cells, columns: Sequence[Column]
) -> Sequence[str]:
    if not isinstance(cells, Mapping):
        return cells
    heads = [column.label.rpartition(".")[2] for column in columns]
    return [
        cells[head] if head in cells else _shown(call, record[column.field], column.words)
        for head, column in zip(heads, columns, strict=True)
    ]


def _shown(call: Invocation, value: Any, words: str) -> str:
    """A field as people read it. Any: whatever a record holds."""
    if value is None:
        return ""
    if words:
        return call.word(f"{words}.{value}")
    if isinstance(value, datetime):
        return clock(value)
    if isinstance(value, date):
        return day_text(value)
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def record(call: Invocation, values: Mapping[str, Any], *, id_key: str = "id") -> None:
    """One thing: its fields below each other, or one JSON object."""
    if call.quiet and id_key in values:
        lines([str(values[id_key])])
    elif call.output is OutputFormat.TABLE:
        width = max(map(len, values), default=0)
        lines(plain(f"{key:<{width}}  {_cell(value)}").rstrip() for key, value in values.items())
    else:
        (document if call.output is OutputFormat.JSON else stream)(values)


def _cell(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        return compact(value)
    return "" if value is None else _worded(value)


def _worded(value: object) -> str:
    """What JSON has no form for."""
    return str(stamp(value) if isinstance(value, datetime) else value)


def document(value: object) -> None:
    """One JSON document, readable."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_worded))


def stream(value: object) -> None:
    """One JSON object on a line of its own, out at once."""
    print(compact(value), flush=True)


def lines(texts: Iterable[str]) -> None:
    for each in texts:
        print(each)


def aloud(call: Invocation, texts: Iterable[str]) -> None:
    """What is read by a person where there is no list and no id: nothing with -q, for then the exit code is the answer."""
    if not call.quiet:
        lines(texts)


def answer(call: Invocation, value: object, texts: Iterable[str]) -> None:
    """One answer: in lines for a person, as data for programs, readable or on one line."""
    if call.output is OutputFormat.TABLE:
        aloud(call, texts)
    else:
        (document if call.output is OutputFormat.JSON else stream)(value)


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


def _table(call: Invocation, columns: Sequence[Column], cells: Iterable[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    heads = [call.word(column.label) for column in columns]
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
            heads[n], style=columns[n].style, overflow="fold", min_width=narrowest[n], no_wrap=n == 0
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
    return json.dumps(value, ensure_ascii=False, default=_worded, separators=(",", ":"))


def age(call: Invocation, span: timedelta) -> str:
    """In the largest unit that leaves a number of one at least."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return call.word(f"cli.age.{unit}", n=seconds // size)
    return call.word("cli.age.seconds", n=seconds)


FINE, FAILED, USAGE, NOT_FOUND, REFUSED, AUTHENTICATION, NETWORK, VERIFICATION = range(8)
LATER = 75

# The nearest class up the tree decides; a new class without its own row has its parent's code.
EXIT_CODES: Mapping[type[errors.GatewayError], int] = {
    errors.GatewayError: FAILED,
    errors.Misconfigured: FAILED,
    errors.NotFound: NOT_FOUND,
    errors.Refused: REFUSED,
    errors.Clash: REFUSED,
    errors.BadForm: REFUSED,
    errors.Unactionable: REFUSED,
    errors.BreaksRule: REFUSED,
    errors.DeclaredSecret: REFUSED,
    errors.Duplicate: REFUSED,
    errors.Conflict: REFUSED,
    errors.OtherContent: REFUSED,
    errors.Denied: AUTHENTICATION,
    errors.TransportFailure: NETWORK,
    errors.InvalidEnvelope: VERIFICATION,
    errors.InvalidProof: VERIFICATION,
    errors.CannotTell: LATER,
    errors.Waiting: LATER,
    errors.SignerDown: LATER,
    errors.StoreFailure: LATER,
    errors.ScannerDown: LATER,
    errors.StaleVersion: REFUSED,
    errors.AlteredContent: FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputManner:
    """How to tell: read from the words themselves, because a wrong use is told before they are understood."""

    json: bool = False
    one_line: bool = False
    lang: str = "vi"

    @classmethod
    def of(cls, args: Sequence[str], environ: Mapping[str, str]) -> OutputManner:
        lang = _option(args, "--lang") or environ.get("GATEWAY_LANG", "vi")
        output = _option(args, "--output", "-o")
        return cls(
            json=output in ("json", "ndjson"),
            one_line=output == "ndjson",
            lang=lang if lang in labels.LANGUAGES else "vi",
        )


def exit_code(error: errors.GatewayError) -> int:
    """The code of an error's class, or of the nearest class above it."""
    return next(EXIT_CODES[each] for each in type(error).__mro__ if each in EXIT_CODES)


def tell_error(error: errors.GatewayError, manner: OutputManner) -> int:
    """Says it and gives the exit code."""
    reasons = _reasons(error, manner.lang)
    title = _error_title(error, manner.lang)
    if manner.json:
        hint, where = error.hint or None, getattr(error, "where", None) or None
        _error_as_data(manner, error.code, title, str(error), hint=hint, where=where, reasons=reasons)
        return exit_code(error)
    _talk(f"✗ {title}")
    # Of a refusal the reasons are the detail; its own text is for logs.
    for line in [] if reasons else str(error).splitlines():
        _talk(f"  {line.strip()}")
    for reason in reasons:
        _talk(f"  · {reason['detail']}" + (f"  [{reason['pointer']}]" if reason["pointer"] else ""))
    if error.hint:
        _talk(f"→ {error.hint}")
    return exit_code(error)


def tell_usage(message: str, help_hint: str, manner: OutputManner, code: int = USAGE) -> int:
    """A word of the command line that cannot be understood."""
    if manner.json:
        title = labels.say("cli.usage", manner.lang)
        _error_as_data(manner, "GW-USAGE", title, message, hint=help_hint or None)
    else:
        _talk(f"✗ {message}")
        if help_hint:
            _talk(f"→ {help_hint}")
    return code


def tell_internal(error: BaseException, manner: OutputManner) -> int:
    """Something nobody thought of: its name only; the trace is in the log, with -v."""
    text = labels.say("cli.internal", manner.lang, name=type(error).__name__)
    if manner.json:
        _error_as_data(manner, "GW-000", labels.say("error.internal", manner.lang), text)
    else:
        _talk(f"✗ {text}")
    return FAILED


def _error_title(error: errors.GatewayError, lang: str) -> str:
    """What the error's code means, of verification or of a clash, where it has such a one; else what its class means."""
    keys = (f"code.{error.code}", f"clash.{error.code}", error.label_key)
    told = error.told if isinstance(error, errors.Clash) else {}
    return labels.say(next(key for key in keys if labels.has(key)), lang, **told)


def _error_as_data(
    manner: OutputManner,
    code: str,
    title: str,
    detail: str,
    *,
    hint: str | None = None,
    where: str | None = None,
    reasons: Sequence[Mapping[str, Any]] = (),
) -> None:
    """The one shape of every error for programs; each key is always there."""
    told = {
        "code": code,
        "title": title,
        "detail": detail,
        "hint": hint,
        "where": where,
        "reasons": list(reasons),
    }
    (stream if manner.one_line else document)({"error": told})


def _reasons(error: errors.GatewayError, lang: str) -> list[dict[str, Any]]:
    """Every broken rule of a refusal, each with its sentence."""
    if not isinstance(error, errors.Refused):
        return []
    return [
        {
            "code": str(each.code),
            "pointer": each.pointer,
            "detail": labels.reason_text(each.code, each.params, lang, suggest=each.suggest),
            "suggest": each.suggest,
        }
        for each in getattr(error.verdict, "reasons", ())
    ]


def _option(args: Sequence[str], *names: str) -> str | None:
    """The value of an option by plain reading: `--lang en`, `--lang=en`, `-o json`, `-ojson`."""
    for place, word in enumerate(args):
        for name in names:
            if word == name:
                return args[place + 1] if place + 1 < len(args) else None
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
            if not name.startswith("--") and word.startswith(name) and not word.startswith("--"):
                return word[len(name) :]
    return None


def _talk(text: str) -> None:
    for each in text.splitlines():
        print(plain(each), file=sys.stderr)
