"""`gateway trust`: whom this node trusts to vouch for certificates, and what they last said about revocation. In: nothing,
or the wish to ask at once. Out: anchors, intermediates, authorities with the age of their answers; exit 6 when a refresh
left somebody without an answer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.failures import NETWORK
from gateway.cli.issuers import issuer_line, list_line, shown_issuer, shown_list
from gateway.cli.node import at_node, run
from gateway.cli.nouns import NOUNS

if TYPE_CHECKING:
    from gateway.bootstrap.node import Node
    from gateway.ops.trust_state import TrustState

MARKS = {"good": "✓", "failing": "!", "late": "✗"}


def register(app: typer.Typer) -> None:
    group = noun("trust", NOUNS["trust"])
    verb(group, "show", examples=("gateway trust show", "gateway trust show -o json"))(show)
    verb(group, "refresh", examples=("gateway trust refresh", "gateway trust refresh -o json"))(refresh)
    app.add_typer(group)


def show(call: Call) -> None:
    """Show anchors and intermediates, and how old the answers of each authority are."""
    run(_show(call))


async def _show(call: Call) -> None:
    async with at_node(call) as node:
        found = await _look(node)
        _print(call, found, node.clock.now())


def refresh(call: Call) -> None:
    """Ask every configured authority now, without waiting for the next time that it is due."""
    if not run(_refresh(call)):
        raise typer.Exit(NETWORK)


async def _refresh(call: Call) -> bool:
    async with at_node(call) as node:
        await node.asking.plan()
        await node.store.revocation.hurry(node.clock.now())
        while await node.asking.ask():
            pass
        await node.asking.learn()
        found = await _look(node)
        _print(call, found, node.clock.now())
    return all(each.word == "good" for each in found.asked)


async def _look(node: Node) -> TrustState:
    from gateway.ops import trust_state

    return await trust_state.look(node.settings.trust.folder, node.store, node.clock.now())


def _print(call: Call, found: TrustState, now: datetime) -> None:
    if call.output is not Format.TABLE:
        output.data(call, _shown(found))
        return
    output.aloud(
        call,
        (
            call.word(
                f"trust.{each.role}", subject=output.plain(each.subject), until=output.clock(each.until)
            )
            + f"\n    {each.sha256}"
            for each in found.held
        ),
    )
    output.aloud(call, (f"{MARKS[each.word]} {issuer_line(call, each, now)}" for each in found.asked))
    lists = [*(each for one in found.asked for each in one.lists), *found.files]
    output.aloud(call, (list_line(call, each, now) for each in lists))
    if not found.asked and not found.files:
        output.aloud(call, [call.word("trust.nobody")])


def _shown(found: TrustState) -> dict[str, Any]:
    return {
        "certificates": [
            {
                "role": each.role,
                "subject": each.subject,
                "sha256": each.sha256,
                "until": output.stamp(each.until),
            }
            for each in found.held
        ],
        "asked": [shown_issuer(each) for each in found.asked],
        "files": [shown_list(each) for each in found.files],
    }
