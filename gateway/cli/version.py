"""`gateway version`: which program this is. Imports nothing heavy, so that it answers at once."""

from __future__ import annotations

import platform

import typer

from gateway import __version__
from gateway.cli import output
from gateway.cli.command import Call, verb


def register(app: typer.Typer) -> None:
    verb(app, "version", examples=("gateway version", "gateway version -o json"))(version)


def version(call: Call) -> None:
    """Print the version of the gateway and of Python."""
    output.record(
        call, {"gateway": __version__, "python": platform.python_version(), "system": platform.system()}
    )
