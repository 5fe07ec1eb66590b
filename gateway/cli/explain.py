"""`gateway explain`: reads an envelope aloud without trusting it, and says of a PDF what is read from it. In: a file. Out:
what it says, exactly as `ops.explain` or `ops.read_pdf` gives it. Exit codes are those of `gateway verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import output, read
from gateway.cli.command import Call, Format, verb


def register(app: typer.Typer) -> None:
    verb(
        app,
        "explain",
        examples=("gateway explain packet.edxml", "gateway explain - -o json < packet.edxml"),
    )(explain)


def explain(
    call: Call, file: Annotated[Path, typer.Argument(help="The envelope, or a PDF; - is standard input.")]
) -> None:
    """Say what an envelope says: who, to whom, what, which files. Nothing is checked; see: gateway verify."""
    from gateway.ops import explain as reading
    from gateway.ops import verify_pdf

    if verify_pdf.is_pdf(file):
        call.say("explain.pdf")
        read.read(call, file, None)
        return
    found = reading.explain(file)
    if call.output is Format.TABLE:
        output.aloud(
            call, (output.plain(line) for line in reading.to_text(found, call.lang.value).splitlines())
        )
    else:
        output.data(call, found)
