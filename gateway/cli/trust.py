"""`gateway trust`: whom this node trusts to vouch for certificates, and what they last said about revocation. In:
nothing, or the wish to ask at once. Out: anchors, intermediates, authorities with the age of their answers; exit 6
when a refresh left somebody without an answer. How one authority is told, in words and for programs, is used by
`gateway status` too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, noun
from gateway.cli.output import NETWORK, age

if TYPE_CHECKING:
    from gateway.bootstrap.node import OpenNode
    from gateway.ops.certificates import IssuerState, ListState, TrustState

MARKS = {"good": "✓", "failing": "!", "late": "✗"}


verb = noun("trust").verb


@verb()
async def show(call: Invocation, node: OpenNode) -> None:
    """Show anchors and intermediates, and how old the answers of each authority are."""
    found = await _look(node)
    _print(call, found, node.clock.now())


@verb()
async def refresh(call: Invocation, node: OpenNode) -> None:
    """Ask every configured authority now, without waiting for the next time that it is due."""
    await node.asking.plan()
    await node.store.revocation.hurry(node.clock.now())
    while await node.asking.ask():
        pass
    await node.asking.learn()
    found = await _look(node)
    _print(call, found, node.clock.now())
    if any(each.word != "good" for each in found.asked):
        raise typer.Exit(NETWORK)


async def _look(node: OpenNode) -> TrustState:
    from gateway.ops import certificates

    return await certificates.trust_now(node.settings.trust.folder, node.store, node.clock.now())


def _print(call: Invocation, found: TrustState, now: datetime) -> None:
    told = {
        "certificates": [output.fields(each, "role subject sha256 until") for each in found.held],
        "asked": [shown_issuer(each) for each in found.asked],
        "files": [asdict(each) for each in found.files],
    }
    output.answer(call, told, _aloud(call, found, now))


def _aloud(call: Invocation, found: TrustState, now: datetime) -> Iterator[str]:
    for held in found.held:
        until = output.clock(held.until)
        yield call.word(f"trust.{held.role}", subject=output.plain(held.subject), until=until)
        yield f"    {held.sha256}"
    yield from (f"{MARKS[each.word]} {issuer_line(call, each, now)}" for each in found.asked)
    lists = [*(each for one in found.asked for each in one.lists), *found.files]
    yield from (list_line(call, each, now) for each in lists)
    if not found.asked and not found.files:
        yield call.word("trust.nobody")


def issuer_line(call: Invocation, each: IssuerState, now: datetime) -> str:
    """One authority in one line."""
    old = age(call, now - each.oldest) if each.oldest else "–"
    told = {"certificates": each.certificates, "unanswered": each.unanswered, "age": old}
    why = output.plain(each.error) if each.error else "–"
    return call.word(f"trust.asked.{each.word}", issuer=output.plain(each.issuer), why=why, **told)


def list_line(call: Invocation, each: ListState, now: datetime) -> str:
    """One revocation list in one line."""
    told = {"issuer": output.plain(each.issuer), "origin": output.plain(each.origin)}
    if each.made_at is None:
        return call.word("trust.list.none", why=output.plain(each.error or "–"), **told)
    until = output.clock(each.ends_at) or "–"
    return call.word("trust.list", age=age(call, now - each.made_at), until=until, **told)


def shown_issuer(each: IssuerState) -> dict[str, Any]:
    """The same for programs."""
    lists = [asdict(one) for one in each.lists]
    names = "issuer state certificates unanswered oldest error lists"
    return output.fields(each, names, state=each.word, lists=lists)
