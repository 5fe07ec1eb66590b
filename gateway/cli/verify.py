"""`gateway verify`: checks an envelope offline against a folder of trust material. In: a file. Out: each numbered step
and the verdict, exactly as `ops.verify_file` gives it; exit 0 when valid, 7 when invalid or not known."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import labels
from gateway.cli import output
from gateway.cli.command import Call, Format, verb
from gateway.cli.failures import VERIFICATION


def register(app: typer.Typer) -> None:
    verb(
        app,
        "verify",
        examples=(
            "gateway verify packet.edxml --trust trust/",
            "gateway verify packet.edxml --trust trust/ --at 2026-11-20T08:00:00+07:00 -o json",
        ),
    )(verify)


def verify(
    call: Call,
    file: Annotated[Path, typer.Argument(help="The envelope.")],
    trust: Annotated[
        Path,
        typer.Option(help="Folder with ca.pem, bindings.csv, chain/ and crl/."),
    ],
    at: Annotated[str | None, typer.Option(help="As of this time (RFC 3339); default: now.")] = None,
) -> None:
    """Check an envelope offline: who signed it, for whom, and whether that holds. Exit 7 when it does not."""
    from gateway.clock import SystemClock
    from gateway.ops import verify_file

    found = verify_file.verify_file(file, trust, moment(at) if at else SystemClock().now())
    if call.output is Format.TABLE:
        _read_aloud(call, found)
    else:
        (output.document if call.output is Format.JSON else output.stream)(found)
    if found["verdict"] != "valid":
        raise typer.Exit(VERIFICATION)


def moment(text: str) -> datetime:
    """An aware time; a usage error that says the form otherwise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as why:
        raise typer.BadParameter(f"{text!r} is no time; write it as 2026-11-20T08:00:00+07:00") from why
    if at.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no offset; write it as 2026-11-20T08:00:00+07:00")
    return at


def _read_aloud(call: Call, found: dict[str, Any]) -> None:
    marks = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("·", "not_reached")}
    for step in found["steps"]:
        mark, word = marks[step["ok"]]
        detail = f"  ({output.plain(step['detail'])})" if step["detail"] else ""
        name, outcome = call.word(f"step.{step['n']}"), call.word(f"cli.step.{word}")
        output.lines([f"{mark} {step['n']:>2}  {name}: {outcome}{detail}"])
    output.lines([_conclusion(call, found)])


def _conclusion(call: Call, found: dict[str, Any]) -> str:
    if found["verdict"] == "valid":
        return call.word("cli.verify.valid", sender=found["signer"]["code"])
    code = f"code.{found['code']}"
    reason = f"{call.word(code) if labels.has(code) else ''} [{found['code']}]".strip()
    if found["verdict"] == "unknown":
        return call.word("cli.verify.cannot_tell", reason=reason)
    failed = next((step["n"] for step in found["steps"] if step["ok"] is False), "?")
    return call.word("cli.verify.invalid", step=failed, reason=reason)
