"""`gateway migrate`: where the database's schema stands, and bringing it to this version. In: settings. Out: steps,
forward only; steps that an older node could not bear run only with --contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.node import must_exist, run
from gateway.cli.nouns import NOUNS

if TYPE_CHECKING:
    from gateway.store.migrate import Status


def register(app: typer.Typer) -> None:
    group = noun("migrate", NOUNS["migrate"])
    verb(group, "status", examples=("gateway migrate status", "gateway migrate status -o json"))(status)
    verb(group, "up", examples=("gateway migrate up", "gateway migrate up --contract --yes"), writes=True)(up)
    app.add_typer(group)


def status(call: Call) -> None:
    """Show the schema's version and the steps still to come."""
    from gateway.store import migrate

    settings = call.settings()
    must_exist(settings)
    _print(call, run(migrate.status(settings.database.address)))


def up(
    call: Call,
    contract: Annotated[
        bool, typer.Option("--contract", help="Also remove what only older versions needed.")
    ] = False,
) -> None:
    """Apply the steps still to come, all of them or none."""
    from gateway.store import migrate

    settings = call.settings()
    must_exist(settings)
    url = settings.database.address
    pending = len(run(migrate.status(url)).pending)
    if not contract or call.agrees("cli.ask.contract", count=pending):
        if call.dry_run:
            call.say("cli.would", what=f"migrate up ({pending})")
            return
        _print(call, run(migrate.up(url, contract)))


def _print(call: Call, found: Status) -> None:
    pending: list[dict[str, Any]] = [
        {"revision": each.revision, "phase": each.phase, "says": each.says} for each in found.pending
    ]
    if call.output is not Format.TABLE:
        output.record(call, {"current": found.current, "head": found.head, "pending": pending})
        return
    output.record(call, {"current": found.current or "–", "head": found.head, "pending": len(pending)})
    output.aloud(call, (f"  {each['revision']} {each['phase']}: {each['says']}" for each in pending))
