"""`gateway witness`: nodes that cosign each other's logs. In: the node's rows, the keys of a log, a decision between two
histories, or an address to listen at. Out: the witnesses of this log and the logs that this node cosigns; a witness that
answers over HTTP until stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, argument, noun, option

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.bootstrap.stored import OpenStore

verb = noun("witness").verb
_OWN = output.columns("witness size cosigned_at asked_at fault", dim="asked_at")
_LOGS = output.columns("node size cosigned_at fault log", dim="log")
_FINISH_S = 10.0


@verb("", "-o json", name="list")
async def list_own(call: Invocation, node: OpenStore) -> None:
    """List the witnesses of this node's log, and up to which leaf each of them cosigned it."""
    from gateway.bootstrap.witnesses import addresses
    from gateway.store.witnesses import Witness, list_witnesses

    by_name = {witness.name: witness for witness in await list_witnesses(node.store)}
    rows = [by_name.get(a.name, Witness(name=a.name)) for a in addresses(call.settings())]
    records = [
        {
            "witness": row.name,
            "size": row.held_size,
            "cosigned_at": output.stamp(row.cosigned_at),
            "asked_at": output.stamp(row.asked_at),
            "fault": row.fault,
        }
        for row in rows
    ]
    output.rows(call, records, _OWN)


@verb("", "-o json")
async def logs(call: Invocation, node: OpenStore) -> None:
    """List the logs of other nodes that this node cosigns, with what is wrong."""
    from gateway.store.witnesses import list_witnessed

    records: list[dict[str, Any]] = [
        {
            "node": row.node,
            "size": row.size,
            "cosigned_at": output.stamp(row.cosigned_at),
            "fault": "history" if row.other_history else row.fault,
            "log": row.origin,
            "held": row.note,
            "other": row.other_history,
        }
        for row in await list_witnessed(node.store)
    ]
    output.rows(call, records, _LOGS)


@verb("logs.policy", "logs.policy -o json", writes=True, local=True)
async def add(
    call: Invocation,
    core: NodeCore,
    file: Annotated[
        Path, argument("File with a line `log KEY` for each key, as of logs.policy.", exists=True)
    ],
) -> None:
    """Cosign a log that asks over HTTP; logs of nodes need no such step."""
    from gateway.bootstrap.witnesses import make_cosigner
    from gateway.domain.notes import MOST_POLICY, read_policy

    keys = read_policy(file.read_text("utf-8")[:MOST_POLICY]).logs
    names = sorted({key.name for key in keys})
    for name in names:
        await make_cosigner(core).add([key for key in keys if key.name == name])
    output.record(call, {"logs": names})


@verb(
    "lienthong/log/5b0c1d0a9f5e4c1c8f0a3b2e1d4c6a7f --take other --reason 'restored, see report 12'",
    "lienthong/log/5b0c1d0a9f5e4c1c8f0a3b2e1d4c6a7f --take held --reason 'the copy was a test' --yes",
    ask="cli.ask.settle",
    writes=True,
    local=True,
)
async def settle(
    call: Invocation,
    core: NodeCore,
    log: Annotated[str, argument("The log, from: gateway witness logs")],
    take: Annotated[str, option("held: what was cosigned first; other: what contradicts it.")],
    reason: Annotated[str, option("Ground of the decision; it is recorded.")],
) -> None:
    """Decide which of a log's two histories counts from now on. Both stay in the journal."""
    from gateway.bootstrap.witnesses import make_cosigner

    if take not in ("held", "other"):
        raise typer.BadParameter(f"{take!r}: choose held or other")
    settled = await make_cosigner(core).settle_histories(log, reason, takes_other=take == "other")
    output.record(call, {"log": settled.origin, "node": settled.node, "size": settled.size})


@verb("--port 8480", "--host 10.0.0.5 --port 8480", local=True)
async def serve(
    call: Invocation,
    core: NodeCore,
    port: Annotated[int, option("Port to listen at.", min=1, max=65535)],
    host: Annotated[str, option("Address to listen at.")] = "127.0.0.1",
) -> None:
    """Answer logs that ask for cosignatures over HTTP (C2SP: tlog-witness), until stopped. Put a TLS proxy in front."""
    from gateway.api.witness_calls import witness_app
    from gateway.bootstrap.witnesses import make_cosigner
    from gateway.cli.serve import listening, stop_on_signal

    stop = stop_on_signal(lambda: None)
    async with listening(witness_app(make_cosigner(core)), "witness", host, port, _FINISH_S) as url:
        call.say("cli.witness.serving", url=url)
        await stop.wait()
