"""`gateway explain`: reads an envelope aloud without trusting it. In: a file. Out: what it says, exactly as
`ops.explain` gives it; exit 1 with the place named when it cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, verb
from gateway.cli.failures import FAILED, Manner, tell


def register(app: typer.Typer) -> None:
    verb(app, "explain", examples=("gateway explain packet.edxml", "gateway explain packet.edxml -o json"))(
        explain
    )


def explain(call: Call, file: Annotated[Path, typer.Argument(help="The envelope.")]) -> None:
    """Say what an envelope says: who, to whom, what, which files. Nothing is checked; see: gateway verify."""
    from gateway.errors import GatewayError
    from gateway.ops import explain as reading

    try:
        found = reading.explain(file)
    except GatewayError as error:
        if call.output is Format.TABLE:
            tell(error, Manner(lang=call.lang.value))
        else:
            output.document(reading.failure(error))
        # Whatever the reason, nothing was read: 1, and not the code of the reason's class.
        raise typer.Exit(FAILED) from error
    if call.output is Format.TABLE:
        output.lines(output.plain(line) for line in reading.to_text(found, call.lang.value).splitlines())
    else:
        (output.document if call.output is Format.JSON else output.stream)(found)
