"""`gateway read`: the fields of a signed PDF as a form would be filled with them. In: a file. Out: each field with how
sure it is, exactly as `ops.read_pdf` gives it; exit 0 also where something is doubtful."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, verb

_MARKS = {"sure": "✓", "doubtful": "?", "none": "·"}


def register(app: typer.Typer) -> None:
    verb(
        app,
        "read",
        examples=("gateway read van-ban.pdf", "gateway read van-ban.pdf --trust trust/ -o json"),
    )(read)


def read(
    call: Call,
    file: Annotated[Path, typer.Argument(help="One PDF; - is standard input.")],
    trust: Annotated[
        Path | None,
        typer.Option(
            envvar="GATEWAY_TRUST", help="Folder with ca.pem for signatures on PDFs, or with pdf/ in it."
        ),
    ] = None,
) -> None:
    """Read number, date, type, abstract and signer from a PDF, each marked: sure (✓), doubtful (?), not found (·)."""
    from gateway.clock import SystemClock
    from gateway.ops.read_pdf import read_pdf

    found = read_pdf(file, trust, SystemClock().now())
    if call.output is Format.TABLE:
        output.aloud(call, (_line(call, name, one) for name, one in found["fields"].items()))
    else:
        output.data(call, found)


def _line(call: Call, name: str, one: dict[str, Any]) -> str:
    value = "" if one["value"] is None else str(one["value"])
    if name == "type" and value:
        value = call.word(f"type.{value}")
    why = f"  ({call.word('doubt.' + one['why'])})" if one["why"] else ""
    return f"{_MARKS[one['sure']]} {call.word('read.' + name)}: {output.plain(value)}{why}".rstrip()
