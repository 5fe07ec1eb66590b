"""`gateway demo`: two agencies on this machine exchange a document before your eyes. Thin: the story is told by
`gateway.demo.story`; here its options are read and its result printed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, verb
from gateway.cli.failures import FAILED
from gateway.cli.node import run


def register(app: typer.Typer) -> None:
    verb(app, "demo", examples=("gateway demo", "gateway demo --once -o json --keep demo-data"))(demo)


def demo(
    call: Call,
    once: Annotated[bool, typer.Option("--once", help="Tell the story once and end.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder; else it is deleted.", file_okay=False)
    ] = None,
) -> None:
    """Start two trial agencies and an axis in one folder, send a document, and show every step."""
    if once:
        _tell_once(call, keep)
    else:
        run(_live(call, keep))


def _tell_once(call: Call, keep: Path | None) -> None:
    from gateway.demo import story

    result = run(story.once(keep, call.tell))
    told = result.as_json()
    if call.output is Format.TABLE:
        output.lines(f"{key}: {value}" for key, value in told.items())
    else:
        (output.document if call.output is Format.JSON else output.stream)(told)
    if not result.ok:
        for each in result.wrong:
            call.tell(each)
        raise typer.Exit(FAILED)


async def _live(call: Call, keep: Path | None) -> None:
    """The story once, then the node stays at work with its API until it is told to stop."""
    from gateway.bootstrap import open_node
    from gateway.cli import serve
    from gateway.demo import stage, story

    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as temporary:
        settings = stage.settings_for(keep or Path(temporary))
        await stage.prepare(settings)
        async with open_node(settings) as node:
            await stage.register(node)
            async with story.at_work(node):
                await story.Story(node=node, cast=stage.cast(), say=call.tell).tell()
                call.say("cli.demo.ready")
                await serve.answer(call, node, serve.stop_on_signal())
