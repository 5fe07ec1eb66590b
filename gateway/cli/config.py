"""`gateway config`: which settings are in force, and where each came from. In: the settings file and environment.
Out: a table with secrets masked, or every fault at once."""

from __future__ import annotations

import os

import typer

from gateway.cli import output
from gateway.cli.command import Call, noun, verb
from gateway.cli.nouns import NOUNS


def register(app: typer.Typer) -> None:
    group = noun("config", NOUNS["config"])
    verb(
        group, "show", examples=("gateway config show", "gateway config show --config province.toml -o json")
    )(show)
    verb(group, "check", examples=("gateway config check", "gateway --config agency.toml config check"))(
        check
    )
    app.add_typer(group)


def show(call: Call) -> None:
    """Print every setting with its value and its source; secrets are masked."""
    from gateway.settings import shown, sources

    settings = call.settings()
    values, where = shown(settings), sources(settings)
    records = [{"id": key, "value": values[key], "source": where[key]} for key in values]
    cells = [(key, "" if values[key] is None else str(values[key]), where[key]) for key in values]
    output.rows(call, records, (("cli.setting", ""), ("cli.value", ""), ("cli.source", "dim")), cells)


def check(call: Call) -> None:
    """Read the settings and say whether they can be used; exit 1 and every fault when not."""
    from gateway.errors import Misconfigured
    from gateway.ops import settings_check
    from gateway.settings import locate

    if found := settings_check.faults(call.settings()):
        raise Misconfigured(
            "the settings cannot be used:" + "".join(f"\n  {each}" for each in found),
            code="GW-C-001",
            hint="docs/settings.md describes every setting; see those in force with: gateway config show",
        )
    path = locate(call.config, os.environ)
    call.say("cli.settings_fine", file=path or "-")
