"""`gateway simulate`: a foreign axis on this machine, for tests and for authors of clients. In: an address and a file of
systems. Out: a server at work until it is stopped; its packets are in a folder and survive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.command import Invocation, existing, noun

if TYPE_CHECKING:
    from gateway_labs.simulators.lgsp import Lgsp
    from gateway_labs.simulators.vxp import Vxp

Listen = Annotated[str, typer.Option(help="HOST:PORT; port 0 takes any free one.")]
SystemsFile = Annotated[Path, existing("TOML: [[system]] with credentials and agencies, [hub], [faults].")]
Data = Annotated[
    Path | None, typer.Option(help="Folder for what it keeps; default: beside the file.", file_okay=False)
]
verb = noun("simulate").verb


@verb(
    "--listen 127.0.0.1:9100 --systems systems.toml",
    "--listen 127.0.0.1:0 --systems systems.toml --data hub",
)
async def vxp(call: Invocation, listen: Listen, systems: SystemsFile, data: Data = None) -> None:
    """Simulate the national axis (VXP). Its page at / shows where each packet is; POST /_faults changes its
    faults."""
    from gateway_labs.simulators.vxp import Vxp

    await _at_work(call, listen, systems, data, Vxp)


@verb(
    "--listen 127.0.0.1:9200 --systems lgsp.toml",
    "--listen 127.0.0.1:0 --systems lgsp.toml --data province",
)
async def lgsp(call: Invocation, listen: Listen, systems: SystemsFile, data: Data = None) -> None:
    """Simulate a provincial service (LGSP). Its page at / shows where each packet is; POST /_faults changes
    its faults."""
    from gateway_labs.simulators.lgsp import Lgsp

    await _at_work(call, listen, systems, data, Lgsp)


async def _at_work(
    call: Invocation, listen: str, systems: Path, data: Path | None, kind: type[Vxp | Lgsp]
) -> None:
    from gateway_labs.simulators import server, settings
    from gateway_labs.simulators.hub import Hub
    from gateway_labs.simulators.settings import Faults

    host, port = _address(listen)
    options = settings.read(systems)
    hub = Hub(data or systems.with_suffix(".data"), options)
    try:
        app = kind(hub, options, Faults(options.faults)).application()
        await server.serve(app, host, port, lambda url: call.tell(call.word("simulate.ready", url=url)))
    finally:
        hub.close()


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise typer.BadParameter(f"{listen!r} is no HOST:PORT")
    return host.strip("[]"), int(port)
