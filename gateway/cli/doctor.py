"""`gateway doctor`: examines the node and says what is wrong, why, and what to type. In: settings. Out: a line per check
with its cause and cure, or a report to attach; exit 1 when any is red. Works on a node that does not start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, verb
from gateway.cli.failures import FAILED
from gateway.cli.node import must_exist, run
from gateway.ops import plain_lines
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.ops.doctor import Finding
    from gateway.settings import Settings

_MARKS = {"green": "✓", "yellow": "!", "red": "✗"}
_STYLES = {"green": "green", "yellow": "yellow", "red": "bold red"}


def register(app: typer.Typer) -> None:
    verb(
        app,
        "doctor",
        examples=("gateway doctor", "gateway doctor -o json", "gateway doctor --report > node.txt"),
    )(doctor)


def doctor(
    call: Call,
    report: Annotated[
        bool, typer.Option("--report", help="Print what to attach when asking for help, without any secret.")
    ] = False,
) -> None:
    """Examine the node: settings, folders, disk, database, clock, keys, trust, axis, work left lying."""
    from gateway.ops import doctor as examining

    settings = call.settings()
    found = run(_examine(settings))
    level = examining.worst(found)
    if report:
        _attach(call, run(_report(settings, found)))
    elif call.output is Format.TABLE:
        _read_aloud(call, found)
    else:
        records = [_shown(call, each) for each in found]
        if call.output is Format.JSON:
            output.document({"level": level, "checks": records})
        else:
            output.lines(output.compact(each) for each in records)
    if level == examining.RED:
        raise typer.Exit(FAILED)


async def _examine(settings: Settings) -> list[Finding]:
    from gateway.ops import doctor as examining
    from gateway.ops import doctor_patient
    from gateway.pool import ThreadPool

    pool = ThreadPool(1)
    try:
        return await examining.examine(doctor_patient.of(settings, pool))
    finally:
        pool.close()


async def _report(settings: Settings, found: list[Finding]) -> dict[str, Any]:
    """Of a node that does not open, what can be said without it, and why it does not."""
    from gateway.bootstrap.node import open_node
    from gateway.clock import SystemClock
    from gateway.errors import GatewayError
    from gateway.ops import report

    told: dict[str, Any] = report.of_settings(settings, found, SystemClock().now())
    try:
        must_exist(settings)
        async with open_node(settings) as node:
            return told | await report.of_node(node)
    except GatewayError as error:
        return told | {"does_not_open": error.code}


def _attach(call: Call, told: dict[str, Any]) -> None:
    if call.output is Format.TABLE:
        print("".join(plain_lines.lines(told)), end="")
    elif call.output is Format.JSON:
        output.document(told)
    else:
        output.lines([output.compact(told)])


def _shown(call: Call, found: Finding) -> dict[str, Any]:
    return {"check": found.check, "level": found.level, "says": _says(call, found), "cure": found.cure}


def _says(call: Call, found: Finding) -> str:
    return output.plain(labels.finding_text(f"doctor.{found.cause}", found.params, call.lang.value))


def _read_aloud(call: Call, findings: list[Finding]) -> None:
    from rich.text import Text

    console = output.console()
    for each in findings:
        if call.quiet and each.level == "green":
            continue
        line = Text(f"{_MARKS[each.level]} {each.check:<14} ", style=_STYLES[each.level])
        console.print(line.append(Text(_says(call, each), style="")), soft_wrap=True)
        if each.cure:
            console.print(Text(f"  → {each.cure}"), soft_wrap=True)
