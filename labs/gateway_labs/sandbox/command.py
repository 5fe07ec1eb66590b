"""`gateway sandbox`: a node to try programs against, with robots behind its axis. Thin: the sandbox itself is
`sandbox.opened`; it is started here and its address shown, and a running one is asked by its own calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, noun

if TYPE_CHECKING:
    from gateway_labs.sandbox.opened import Running

_COLUMNS = output.columns("code alias name robot_does")
Folder = Annotated[
    Path, typer.Option("--folder", help="Where the sandbox keeps everything.", file_okay=False)
]
DEFAULT_FOLDER = Path("sandbox")
_sandbox = noun("sandbox")
verb = _sandbox.verb


@_sandbox.alone("", "--folder try --port 8088")
async def sandbox(
    call: Invocation,
    folder: Folder = DEFAULT_FOLDER,
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes any free port.", min=0, max=65535)
    ] = 8088,
) -> None:
    """Until stopped; started again in the same folder it goes on where it was."""
    from gateway import log
    from gateway.cli.serve import stop_on_signal
    from gateway_labs.sandbox.opened import Sandbox

    log.configure("debug" if call.verbose else "warning")
    call.say("sandbox.staging", folder=folder)
    stop = stop_on_signal()
    await Sandbox(folder=folder, port=port).serve(stop, lambda started: _explain(call, folder, started))
    call.say("cli.served")


@verb()
async def robots(call: Invocation) -> None:
    """List the robots: the code of each, what it does with a document and when."""
    from gateway_labs.sandbox.cast import cast

    listed = list(cast().robots.values())
    records: list[dict[str, Any]] = [
        {
            "id": robot.code,
            "code": robot.code,
            "alias": robot.alias,
            "name": robot.agency.name,
            "does": robot.script.describe(),
            "words": list(robot.script.words),
        }
        for robot in listed
    ]
    cells = [[row["code"], row["alias"], row["name"], row["does"] or "–"] for row in records]
    output.rows(call, records, _COLUMNS, cells)


@verb("+3d", "+90s --folder try")
async def clock(
    call: Invocation,
    move: Annotated[str, typer.Argument(help="How far ahead: +90s, +30m, +4h, +3d.")],
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Move the clock of a running sandbox forward; it never goes back."""
    output.record(call, await _call_sandbox(call, folder, "POST", "/clock", {"move": move}))


@verb("packets", "packets -q")
async def fixtures(
    call: Invocation,
    into: Annotated[Path, typer.Argument(help="An empty or new folder.", file_okay=False)],
) -> None:
    """Write packets of every kind, good and bad, with an index of the expected answer to each."""
    import asyncio

    from gateway_labs.sandbox import fixtures as made

    if into.is_dir() and any(into.iterdir()):
        raise typer.BadParameter(call.word("demo.used", folder=into))
    count = await asyncio.to_thread(made.write, into)
    call.say("sandbox.fixtures", count=count, folder=into)
    output.record(call, {"id": str(into), "packets": count, "index": str(into / made.INDEX)})


@verb("", "--folder try --yes", writes=True)
async def reset(call: Invocation, folder: Folder = DEFAULT_FOLDER) -> None:
    """Delete everything in a running sandbox and begin again; its key stays."""
    if call.agrees("sandbox.ask.reset", folder=folder):
        output.record(call, await _call_sandbox(call, folder, "DELETE", ""))


async def _call_sandbox(
    call: Invocation, folder: Path, method: str, path: str, body: dict[str, str] | None = None
) -> dict[str, Any]:
    """Call the running sandbox of this folder and return its answer."""
    import asyncio

    from gateway.errors import Clash, Unreachable
    from gateway_client import Client, GatewayClientError, Patience, Problem
    from gateway_labs.sandbox.opened import running

    sandbox = running(folder)

    def ask() -> dict[str, Any]:
        with Client(sandbox.url, sandbox.key, language=call.lang.value, patience=Patience(tries=1)) as node:
            answer: dict[str, Any] = node.call(method, f"/sandbox{path}", body)
            return answer

    try:
        return await asyncio.to_thread(ask)
    except Problem as no:
        messages = dict.fromkeys([no.detail or no.title, *(fault.detail for fault in no.faults)])
        raise Clash("; ".join(messages)) from no
    except GatewayClientError as why:
        raise Unreachable(f"the sandbox at {sandbox.url} does not answer", code="GW-SANDBOX-SILENT") from why


def _explain(call: Invocation, folder: Path, sandbox: Running) -> None:
    from gateway.clock import SystemClock
    from gateway_labs.sandbox import stage
    from gateway_labs.sandbox.cast import cast

    players = cast()
    (folder / "van-ban.json").write_bytes(stage.sample_meta(players, SystemClock()))
    (folder / stage.PDF).write_bytes(stage.lead(folder))
    call.say("sandbox.open", url=sandbox.url)
    call.say("sandbox.key", secret=sandbox.key)
    call.say("sandbox.verdict", url=sandbox.url)
    call.say("sandbox.system", url=sandbox.url, system=sandbox.system, secret=sandbox.secret)
    call.say("sandbox.agency", code=players.code, alias=players.alias)
    call.say("sandbox.robots", codes=", ".join(robot.alias for robot in players.robots.values()))
    call.say("sandbox.try")
    for line in _lines(folder, sandbox):
        call.say("demo.command", command=line)
    call.say("sandbox.ready", folder=folder)


def _lines(folder: Path, sandbox: Running) -> list[str]:
    """Return commands for a document out, a document in, and three days later."""
    from gateway_labs.sandbox import stage

    base, key = f"{sandbox.url}/api/v1", f'-H "Authorization: Bearer {sandbox.key}"'
    json = '-H "Content-Type: application/json"'
    return [
        f'curl -sS {base}/messages {key} -H "Idempotency-Key: $(date +%s)" '
        f"-F meta=@{folder / 'van-ban.json'} -F lead=@{folder / stage.PDF}",
        f'curl -sS {base}/sandbox/scenarios {key} {json} -d \'{{"robot": "TEST.OK", "act": "document"}}\'; '
        f'curl -sS "{base}/inbox?wait=5" {key}',
        f'curl -sS {base}/sandbox/clock {key} {json} -d \'{{"move": "+3d"}}\'; curl -sS "{base}/events?wait=5" {key}',
    ]
