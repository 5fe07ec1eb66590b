"""`gateway demo`: agencies on this machine exchange documents before your eyes: three on one node, or by three axes. Thin:
the stories are in `demo.story` and `demo.axes`; here their options are read and their results printed."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, existing, verb
from gateway.cli.output import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.bootstrap.node import OpenNode
    from gateway_labs.demo.axes import AxesResult
    from gateway_labs.demo.axes_between import Admin
    from gateway_labs.demo.story import StoryResult


@verb("", "--once -o json --keep demo-data", "--axes")
async def demo(
    call: Invocation,
    once: Annotated[bool, typer.Option("--once", help="Tell the story once and end.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep everything in this folder; else it is deleted.", file_okay=False)
    ] = None,
    port: Annotated[
        int, typer.Option(help="Where the API listens; 0 takes any free port.", min=0, max=65535)
    ] = 8080,
    axes: Annotated[
        bool, typer.Option("--axes", help="The story of a province: one node in the middle of three axes.")
    ] = False,
    broker: Annotated[
        str | None,
        typer.Option(help="With --axes: a RabbitMQ for the first of them, like amqp://127.0.0.1:5672."),
    ] = None,
    broker_api: Annotated[
        str, typer.Option(help="Address of that broker's management API.")
    ] = "http://127.0.0.1:15672",
    broker_user: Annotated[
        str | None, typer.Option(help="A user of that broker with the tag administrator.")
    ] = None,
    broker_password_file: Annotated[
        Path | None, existing("A file whose first line is that user's password.")
    ] = None,
) -> None:
    """Start trial agencies and their axes in one folder, with sample documents, and keep them running for you
    to try."""
    admin = _admin(call, axes, broker, broker_api, broker_user, broker_password_file)
    if keep is not None and keep.is_dir() and any(keep.iterdir()):
        raise typer.BadParameter(call.word("demo.used", folder=keep))
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as temporary:
        folder = keep or Path(temporary)
        if axes and once:
            from gateway_labs.demo import axes as story_of_axes

            _tell(call, await story_of_axes.once(folder, call.say, admin))
        elif axes:
            await _live_axes(call, folder, port, admin)
        elif once:
            from gateway_labs.demo import story

            _tell(call, await story.once(keep, call.say, signs=True))
        else:
            await _live(call, folder, port)


def _admin(
    call: Invocation, axes: bool, broker: str | None, api: str, user: str | None, password_file: Path | None
) -> Admin | None:
    if broker is None:
        if user is not None or password_file is not None:
            raise typer.BadParameter(call.word("demo.axes.broker_alone"))
        return None
    if not axes:
        raise typer.BadParameter(call.word("demo.axes.broker_needs"))
    if user is None or password_file is None:
        raise typer.BadParameter(call.word("demo.axes.broker_who"))
    from gateway.transport.amqp.access import read_servers
    from gateway_labs.demo.axes_between import Admin

    read_servers(broker)
    if urlsplit(api).scheme == "http" and urlsplit(api).hostname not in ("127.0.0.1", "localhost", "::1"):
        call.say("broker.in_clear", api=api)
    password = password_file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    return Admin(servers=broker, api=api, user=user, password=password)


def _tell(call: Invocation, result: StoryResult | AxesResult) -> None:
    summary = result.as_json()
    output.answer(call, summary, (f"{key}: {value}" for key, value in summary.items()))
    if not result.ok:
        for line in result.wrong:
            call.tell(line)
        raise typer.Exit(FAILED)


async def _live(call: Invocation, folder: Path, port: int) -> None:
    """Tell the story once, then keep the node at work with its API until it is stopped."""
    from gateway_labs.demo import live

    await live.serve(folder, port, call.say, partial(_answer, call))


async def _live_axes(call: Invocation, folder: Path, port: int, admin: Admin | None) -> None:
    """Do the same for the node in the middle; the other three and their axes stay at work too."""
    from gateway_labs.demo import axes

    await axes.serve(folder, port, call.say, partial(_answer, call), admin)


async def _answer(call: Invocation, node: OpenNode, ready: Callable[[str], None]) -> None:
    from gateway.cli import serve
    from gateway.cli.serve import stop_on_signal
    from gateway.ops.checks import Watch

    health = Watch(node=node)
    await serve.serve_api(call, node, stop_on_signal(health.drain), health, ready)
