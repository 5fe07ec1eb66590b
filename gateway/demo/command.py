"""`gateway demo`: three agencies on this machine exchange documents before your eyes. Thin: the story is told by
`gateway.demo.story`; here its options are read and its result printed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Group, Invocation
from gateway.cli.output import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.bootstrap.node import OpenNode


def register(app: Group) -> None:
    app.verb(demo, "", "--once -o json --keep demo-data")


async def demo(
    call: Invocation,
    once: Annotated[bool, typer.Option("--once", help="Tell the story once and end.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder; else it is deleted.", file_okay=False)
    ] = None,
    port: Annotated[
        int, typer.Option(help="Where the API listens; 0 takes any free port.", min=0, max=65535)
    ] = 8080,
) -> None:
    """Start three trial agencies and an axis in one folder, tell their story, and stay at work for you to try."""
    if keep is not None and keep.is_dir() and any(keep.iterdir()):
        raise typer.BadParameter(call.word("cli.demo.used", folder=keep))
    if once:
        await _tell_once(call, keep)
    else:
        await _live(call, keep, port)


async def _tell_once(call: Invocation, keep: Path | None) -> None:
    from gateway.demo import story

    result = await story.once(keep, call.say, signs=True)
    told = result.as_json()
    output.answer(call, told, (f"{key}: {value}" for key, value in told.items()))
    if not result.ok:
        for each in result.wrong:
            call.tell(each)
        raise typer.Exit(FAILED)


async def _live(call: Invocation, keep: Path | None, port: int) -> None:
    """The story once, then the node stays at work with its API until it is told to stop."""
    from gateway.cli import serve
    from gateway.cli.serve import stop_on_signal
    from gateway.demo import live
    from gateway.ops.metrics import Watch

    async def answer(node: OpenNode, ready: Callable[[str], None]) -> None:
        health = Watch(node=node)
        await serve.answer(call, node, stop_on_signal(health.drain), health, ready)

    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as temporary:
        await live.serve(keep or Path(temporary), port, call.say, answer)
