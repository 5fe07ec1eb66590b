"""The demonstration of three axes that stays: the story once, then all four nodes and what lies between them at work until
they are told to stop. In: a folder and a port. Out: what to open and what to type; the pages and the API are those of the
node in the middle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.office.bootstrap.office import Office
from gateway_labs.demo import axes, live
from gateway_labs.demo.axes import Province, Say
from gateway_labs.demo.axes_between import Admin
from gateway_labs.demo.axes_stage import MIDDLE, cast


async def serve(
    folder: Path,
    port: int,
    say: Say,
    answer: Callable[[Office, Callable[[str], None]], Awaitable[None]],
    broker: Admin | None,
) -> None:
    """`answer(node, ready)` serves the API and calls `ready` with its address; all ends when it returns."""
    async with axes.opened(folder, say, broker, port) as province:
        await province.tell()
        node = province.middle
        key = await live.new_key(node, MIDDLE)
        live.write_sample(node, province.desks[MIDDLE].cast, folder)
        await answer(node, lambda url: _explain(say, url, folder, province, key))


def _explain(say: Say, url: str, folder: Path, province: Province, key: str) -> None:
    say("demo.open", url=url)
    live.say_people(say, url, province.invited)
    say("demo.key", code=cast().code(MIDDLE), name=cast().data[MIDDLE]["name"], secret=key)
    say("demo.axes.hubs", lgsp=province.between.lgsp.url, vxp=province.between.vxp.url)
    say("demo.try")
    say("demo.command", command=live.send_command(url, folder, key))
    say("demo.ready")
