"""Print the results of commands, and their errors. In: rows as plain mappings with their columns; an error of the error
tree, or wrong use of the command line. Out: data to stdout, as a table for people, JSON or one JSON object per line for
programs, or ids alone with -q; to stderr the sentence of an error, every broken rule, the hint, and the exit code. Users
never see a stack trace. Other messages go through `Invocation.say` to stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import typer

from gateway import errors
from gateway.cli.command import Invocation, OutputFormat
from gateway.cli.served import SERVED, emit
from gateway.domain.text import plain as plain
from gateway.domain.wall_clock import VIETNAM, day_text
from gateway.words import labels
from gateway.words.legal import basis_of_code

E = TypeVar("E", bound=StrEnum)
# A record as people read it: every cell, or by column head those cells that differ from the record's fields.
Cells = Sequence[str] | Mapping[str, str]
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
FINE, FAILED, USAGE, NOT_FOUND, REFUSED, AUTHENTICATION, NETWORK, VERIFICATION = range(8)
TRY_LATER = 75
# An error without a row of its own has the code of the nearest class above it.
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
    errors.CannotTell: TRY_LATER,
    errors.Waiting: TRY_LATER,
    errors.SignerDown: TRY_LATER,
    errors.StoreFailure: TRY_LATER,
    errors.ScannerDown: TRY_LATER,
    errors.StaleVersion: REFUSED,
    errors.AlteredContent: FAILED,
}


def stamp(at: datetime | None) -> str | None:
    """Format a time for programs: RFC 3339 with the offset of Viet Nam."""
    return None if at is None else at.astimezone(VIETNAM).isoformat(timespec="seconds")


def local_times(text: str) -> str:
    """Write every time in a programmers' sentence as `stamp` does."""
    return _INSTANT.sub(lambda match: str(stamp(datetime.fromisoformat(match[0]))), text)


def clock(at: datetime | None) -> str:
    """Format a time for people: 20/11/2026 14:02."""
    return "" if at is None else at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M")


def today(now: datetime) -> date:
    """Return the date on a clerk's calendar."""
    return now.astimezone(VIETNAM).date()


class Column(NamedTuple):
    """One column of a list: the label of its head, its style, the field of a record that it shows, and the prefix of the
    labels for that field's words."""

    label: str
    style: str = ""
    field: str = ""
    words: str = ""


def columns(names: str, *, dim: str = "", bold: str = "") -> tuple[Column, ...]:
    """Parse the columns of a list, each by the last word of its label. `name=field` shows a field of another name, and
    `name=first-last` the span of two fields; `:words` is the prefix of the labels for the field's words. Some are dim or
    bold."""
    parsed = []
    for name in names.split():
        spec, _, words = name.partition(":")
        head, _, field = spec.partition("=")
        style = "dim" if head in dim.split() else "bold" if head in bold.split() else ""
        parsed.append(Column(f"cli.column.{head}", style, field or head, words))
    return tuple(parsed)


def fields(source: object, names: str, /, **more: Any) -> dict[str, Any]:
    """Make a record of an object's attributes by these names, in order; `name=path` takes it from another attribute, or
    from one of a part, as in `sender=draft.code`; where the part is missing, it is None. `more` replaces some and adds
    others. Times are formatted with the record."""
    record = {}
    for word in names.split():
        name, _, path = word.partition("=")
        record[name] = more.pop(name) if name in more else _attribute_at(source, path or name)
    return record | more


def _attribute_at(source: Any, path: str) -> Any:
    """Return the attribute at the end of the path. Any: a record may hold any value."""
    for name in path.split("."):
        source = None if source is None else getattr(source, name)
    return source


def page(
    call: Invocation,
    records: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    cursor: str | None,
    cells: Iterable[Cells] | None = None,
) -> None:
    """Print one page of a list, and how to go on from it."""
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
    """Print a list. `records` are for programs, each with an `id`; people see the fields of the `columns`, or `cells`
    instead: all of them, or those given by head. `extra` stands beside `data` in JSON."""
    if call.quiet:
        lines(str(r["id"]) for r in records)
    elif call.output is OutputFormat.JSON:
        document({"data": list(records), **(extra or {})})
    elif call.output is OutputFormat.NDJSON:
        lines(compact(r) for r in records)
    else:
        _table(call, columns, [_line(call, *pair, columns) for pair in _pair_cells(records, cells)])


def _pair_cells(
    records: Sequence[Mapping[str, Any]], cells: Iterable[Cells] | None
) -> Iterable[tuple[Mapping[str, Any], Cells]]:
    return ((r, {}) for r in records) if cells is None else zip(records, cells, strict=True)


def _line(
    call: Invocation, record: Mapping[str, Any], cells: Cells, columns: Sequence[Column]
) -> Sequence[str]:
    if not isinstance(cells, Mapping):
        return cells
    heads = [column.label.rpartition(".")[2] for column in columns]
    return [
        cells[head] if head in cells else _column_text(call, record, column)
        for head, column in zip(heads, columns, strict=True)
    ]


def _column_text(call: Invocation, record: Mapping[str, Any], column: Column) -> str:
    texts = [_cell_text(call, record[field], column.words) for field in column.field.split("-")]
    return " – ".join(texts).strip(" –") if len(texts) > 1 else texts[0]


def _cell_text(call: Invocation, field: Any, words: str) -> str:
    """Format a field as people read it. Any: a record may hold any value."""
    if field is None:
        return ""
    if words:
        return call.word(f"{words}.{field}")
    if isinstance(field, datetime):
        return clock(field)
    if isinstance(field, date):
        return day_text(field)
    return " ".join(map(str, field)) if isinstance(field, list | tuple) else str(field)


def record(call: Invocation, values: Mapping[str, Any], *, id_key: str = "id") -> None:
    """Print one record: its fields below each other, or one JSON object."""
    if call.quiet and id_key in values:
        lines([str(values[id_key])])
    elif call.output is OutputFormat.TABLE:
        width = max(map(len, values), default=0)
        lines(plain(f"{key:<{width}}  {cell(field)}").rstrip() for key, field in values.items())
    else:
        (document if call.output is OutputFormat.JSON else stream)(values)


def cell(field: object) -> str:
    """Format a field of a record for a person; every time as `stamp` does."""
    if isinstance(field, dict | list | tuple):
        return compact(field)
    return "" if field is None else _json_text(field)


def _json_text(field: object) -> str:
    """Format a value that JSON has no form for."""
    return str(stamp(field) if isinstance(field, datetime) else field)


def document(content: object) -> None:
    """Print one readable JSON document."""
    emit(json.dumps(content, ensure_ascii=False, indent=2, default=_json_text))


def stream(content: object) -> None:
    """Print one JSON object on a line of its own, at once."""
    emit(compact(content))
    sys.stdout.flush()


def lines(texts: Iterable[str]) -> None:
    for text in texts:
        emit(text)


def print_lines(call: Invocation, texts: Iterable[str]) -> None:
    """Print lines for a person, where there is no list and no id; none with -q, as the exit code is the answer then."""
    if not call.quiet:
        lines(texts)


def members(kind: type[E], texts: Iterable[str], noun: str) -> frozenset[E]:
    """Return the members of an enumeration that were typed; a usage error lists them all for an unknown one."""
    names, inputs = {str(member) for member in kind}, set(texts)
    if unknown := sorted(inputs - names):
        expected = f"expected some of {', '.join(sorted(names))}"
        raise typer.BadParameter(f"no such {noun}: {', '.join(unknown)}; {expected}")
    return frozenset(map(kind, inputs))


def answer(call: Invocation, content: object, texts: Iterable[str]) -> None:
    """Print one answer: as lines for a person, as data for programs, readable or on one line."""
    if call.output is OutputFormat.TABLE:
        print_lines(call, texts)
    else:
        (document if call.output is OutputFormat.JSON else stream)(content)


def _table(call: Invocation, columns: Sequence[Column], cells: Iterable[Sequence[str]]) -> None:
    heads, styles = [call.word(column.label) for column in columns], [column.style for column in columns]
    body = [[plain(c) for c in row] for row in cells]
    if not body:
        call.say("cli.nothing")
        return
    if (served := SERVED.get()) is not None:
        words = "" if call.quiet else call.word("cli.columns_left_out", names="{names}")
        served.print({"table": {"heads": heads, "styles": styles, "body": body}, "left_out": words})
        return
    from gateway.cli import tables

    if left_out := tables.draw(tables.Table(heads=heads, styles=styles, body=body)):
        call.say("cli.columns_left_out", names=left_out)


def compact(content: object) -> str:
    """Return one JSON object on one line."""
    return json.dumps(content, ensure_ascii=False, default=_json_text, separators=(",", ":"))


def age(call: Invocation, span: timedelta) -> str:
    """Format a time span in the largest unit that gives at least one."""
    seconds = max(int(span.total_seconds()), 0)
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return call.word(f"cli.age.{unit}", n=seconds // size)
    return call.word("cli.age.seconds", n=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputManner:
    """Form of error output, read from the raw words, because wrong use is reported before they are parsed."""

    json: bool = False
    one_line: bool = False
    lang: str = "vi"

    @classmethod
    def from_args(cls, args: Sequence[str], environ: Mapping[str, str]) -> OutputManner:
        lang = _option(args, "--lang") or environ.get("GATEWAY_LANG", "vi")
        output = _option(args, "--output", "-o")
        return cls(
            json=output in ("json", "ndjson"),
            one_line=output == "ndjson",
            lang=lang if lang in labels.LANGUAGES else "vi",
        )


def exit_code(error: errors.GatewayError) -> int:
    """Return the exit code of an error's class, or of the nearest class above it."""
    return next(EXIT_CODES[c] for c in type(error).__mro__ if c in EXIT_CODES)


def print_error(error: errors.GatewayError, manner: OutputManner) -> int:
    """Print an error and return its exit code."""
    reasons = _reasons(error, manner.lang)
    title = _error_title(error, manner.lang)
    if manner.json:
        hint, place = error.hint or None, getattr(error, "location", None) or None
        _error_as_data(manner, error.code, title, str(error), hint=hint, place=place, reasons=reasons)
        return exit_code(error)
    _print_error(f"✗ {title}")
    # The detail of a refusal is its reasons; its own text is for logs.
    for line in [] if reasons else str(error).splitlines():
        _print_error(f"  {line.strip()}")
    for reason in reasons:
        _print_error(f"  · {reason['detail']}" + (f"  [{reason['pointer']}]" if reason["pointer"] else ""))
    if error.hint:
        _print_error(f"→ {error.hint}")
    return exit_code(error)


def tell_usage(message: str, help_hint: str, manner: OutputManner, code: int = USAGE) -> int:
    """Print an error about a word of the command line."""
    if manner.json:
        title = labels.say("cli.usage", manner.lang)
        _error_as_data(manner, "GW-USAGE", title, message, hint=help_hint or None)
    else:
        _print_error(f"✗ {message}")
        if help_hint:
            _print_error(f"→ {help_hint}")
    return code


def tell_internal(error: BaseException, manner: OutputManner) -> int:
    """Print an unforeseen error by name only; the trace is in the log, with -v."""
    text = labels.say("cli.internal", manner.lang, name=type(error).__name__)
    if manner.json:
        _error_as_data(manner, "GW-000", labels.say("error.internal", manner.lang), text)
    else:
        _print_error(f"✗ {text}")
    return FAILED


def _error_title(error: errors.GatewayError, lang: str) -> str:
    """Return the meaning of the error's code as a verification or clash, or else of its class."""
    keys = (f"code.{error.code}", f"clash.{error.code}", error.label_key)
    params = error.params if isinstance(error, errors.Clash | errors.InMaintenance) else {}
    return labels.say(next(key for key in keys if labels.has(key)), lang, **params)


def _error_as_data(
    manner: OutputManner,
    code: str,
    title: str,
    detail: str,
    *,
    hint: str | None = None,
    place: str | None = None,
    reasons: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Print the one form of all errors for programs; each key is always present."""
    error = {
        "code": code,
        "title": title,
        "detail": detail,
        "hint": hint,
        "where": place,
        "reasons": list(reasons),
    }
    (stream if manner.one_line else document)({"error": error})


def _reasons(error: errors.GatewayError, lang: str) -> list[dict[str, Any]]:
    """List every broken rule of a refusal, each with its sentence."""
    if not isinstance(error, errors.Refused):
        return []
    return [
        {
            "code": str(r.code),
            "pointer": r.pointer,
            "detail": labels.reason_text(r.code, r.params, lang, suggest=r.suggest),
            "suggest": r.suggest,
            "basis": basis_of_code(r.code, lang) or None,
        }
        for r in getattr(error.verdict, "reasons", ())
    ]


def _option(args: Sequence[str], *names: str) -> str | None:
    """Read an option's value without a parser: `--lang en`, `--lang=en`, `-o json`, `-ojson`."""
    for place, word in enumerate(args):
        for name in names:
            if word == name:
                return args[place + 1] if place + 1 < len(args) else None
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
            if not name.startswith("--") and word.startswith(name) and not word.startswith("--"):
                return word[len(name) :]
    return None


def _print_error(text: str) -> None:
    for line in text.splitlines():
        emit(plain(line), to_stderr=True)
