"""`gateway sandbox`: a node to try programs against, with robots behind its axis. Thin: what it is stands in
`sandbox.opened`; here it is started and its address told, and one that is at work is asked by its own calls."""

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
HERE = Path("sandbox")
_sandbox = noun("sandbox")
verb = _sandbox.verb


@_sandbox.alone("", "--folder try --port 8088")
async def sandbox(
    call: Invocation,
    folder: Folder = HERE,
    port: Annotated[
        int, typer.Option(help="Where it listens; 0 takes any free port.", min=0, max=65535)
    ] = 8088,
) -> None:
    """Until stopped; started again in the same folder it goes on where it was."""
    from gateway import log
    from gateway.cli.serve import stop_on_signal
    from gateway_labs.sandbox.opened import Sandbox

    log.configure("debug" if call.verbose else "warning")
    call.say("sandbox.staging", folder=folder)
    stop = stop_on_signal()
    await Sandbox(folder=folder, port=port).serve(stop, lambda found: _explain(call, folder, found))
    call.say("cli.served")


@verb()
async def robots(call: Invocation) -> None:
    """List the robots: their codes, and what each does with a document and when."""
    from gateway_labs.sandbox.cast import cast

    found = list(cast().robots.values())
    records: list[dict[str, Any]] = [
        {
            "id": each.code,
            "code": each.code,
            "alias": each.alias,
            "name": each.agency.name,
            "does": each.script.shown(),
            "words": list(each.script.words),
        }
        for each in found
    ]
    cells = [[row["code"], row["alias"], row["name"], row["does"] or "–"] for row in records]
    output.rows(call, records, _COLUMNS, cells)


@verb("+3d", "+90s --folder try")
async def clock(
    call: Invocation,
    move: Annotated[str, typer.Argument(help="How far ahead: +90s, +30m, +4h, +3d.")],
    folder: Folder = HERE,
) -> None:
    """Move the clock of a sandbox that is at work ahead; it never goes back."""
    output.record(call, await _asked(call, folder, "POST", "/clock", {"move": move}))


@verb("packets", "packets -q")
async def fixtures(
    call: Invocation,
    into: Annotated[Path, typer.Argument(help="An empty folder, or one to be made.", file_okay=False)],
) -> None:
    """Write packets of every kind, good and bad, with an index that says what each must be answered."""
    import asyncio

    from gateway_labs.sandbox import fixtures as made

    if into.is_dir() and any(into.iterdir()):
        raise typer.BadParameter(call.word("demo.used", folder=into))
    count = await asyncio.to_thread(made.write, into)
    call.say("sandbox.fixtures", count=count, folder=into)
    output.record(call, {"id": str(into), "packets": count, "index": str(into / made.INDEX)})


@verb("", "--folder try --yes", writes=True)
async def reset(call: Invocation, folder: Folder = HERE) -> None:
    """Have a sandbox that is at work forget everything and begin anew; its key stays."""
    if call.agrees("sandbox.ask.reset", folder=folder):
        output.record(call, await _asked(call, folder, "DELETE", ""))


async def _asked(
    call: Invocation, folder: Path, method: str, path: str, said: dict[str, str] | None = None
) -> dict[str, Any]:
    """The answer of the sandbox that is at work in this folder."""
    import asyncio

    from gateway.errors import Clash, Unreachable
    from gateway_client import Client, GatewayClientError, Patience, Problem
    from gateway_labs.sandbox.opened import running

    found = running(folder)

    def ask() -> dict[str, Any]:
        with Client(found.url, found.key, language=call.lang.value, patience=Patience(tries=1)) as node:
            told: dict[str, Any] = node.call(method, f"/sandbox{path}", said)
            return told

    try:
        return await asyncio.to_thread(ask)
    except Problem as no:
        said_once = dict.fromkeys([no.detail or no.title, *(each.detail for each in no.faults)])
        raise Clash("; ".join(said_once)) from no
    except GatewayClientError as why:
        raise Unreachable(f"the sandbox at {found.url} does not answer", code="GW-SANDBOX-SILENT") from why


def _explain(call: Invocation, folder: Path, found: Running) -> None:
    from gateway.clock import SystemClock
    from gateway_labs.sandbox import stage
    from gateway_labs.sandbox.cast import cast

    told = cast()
    (folder / "van-ban.json").write_bytes(stage.sample_meta(told, SystemClock()))
    (folder / stage.PDF).write_bytes(stage.lead(folder))
    call.say("sandbox.open", url=found.url)
    call.say("sandbox.key", secret=found.key)
    call.say("sandbox.system", url=found.url, system=found.system, secret=found.secret)
    call.say("sandbox.agency", code=told.code, alias=told.alias)
    call.say("sandbox.robots", codes=", ".join(each.alias for each in told.robots.values()))
    call.say("sandbox.try")
    for line in _lines(folder, found):
        call.say("demo.command", command=line)
    call.say("sandbox.ready", folder=folder)


def _lines(folder: Path, found: Running) -> list[str]:
    """A document out, a document in, three days later."""
    from gateway_labs.sandbox import stage

    base, key = f"{found.url}/api/v1", f'-H "Authorization: Bearer {found.key}"'
    json = '-H "Content-Type: application/json"'
    return [
        f'curl -sS {base}/messages {key} -H "Idempotency-Key: $(date +%s)" '
        f"-F meta=@{folder / 'van-ban.json'} -F lead=@{folder / stage.PDF}",
        f'curl -sS {base}/sandbox/scenarios {key} {json} -d \'{{"robot": "TEST.OK", "act": "document"}}\'; '
        f'curl -sS "{base}/inbox?wait=5" {key}',
        f'curl -sS {base}/sandbox/clock {key} {json} -d \'{{"move": "+3d"}}\'; curl -sS "{base}/events?wait=5" {key}',
    ]
