"""`gateway folder`: the hot folders of this node's agencies. In: settings. Out: waiting entries and since when, refused
entries, unacknowledged documents; or, for each folder, whether the node can work in it, made where it is missing."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, noun
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.bootstrap.node import OpenNode
    from gateway.folder.layout import FolderRules
    from gateway.folder.state import FolderState

_COLUMNS = output.columns("agency=code waiting since refused=errors unacked path", bold="agency")


verb = noun("folder").verb


@verb()
async def status(call: Invocation, node: OpenNode) -> None:
    """Show for each hot folder the waiting documents and their age, the refused ones and those not acknowledged."""
    from gateway.folder import state

    rules = _rules(node)
    states = await node.pool.run(partial(state.look, rules.root, rules.note, await _codes(node, rules)))
    _show(call, states)


@verb(local=True)
async def check(call: Invocation, node: OpenNode) -> None:
    """Create the missing parts of each hot folder and try to write there; exit 1 if the node cannot."""
    from gateway.folder import state

    rules = _rules(node)
    states = await node.pool.run(
        partial(state.check, rules.root, rules.node, rules.note, await _codes(node, rules))
    )
    _show(call, states)
    if any(s.trouble for s in states):
        raise typer.Exit(1)


def _rules(node: OpenNode) -> FolderRules:
    from gateway.bootstrap.guards import folder_rules

    rules = folder_rules(node.settings)
    if rules is None:
        raise Misconfigured("no hot folder is set", hint="set folder.root (docs/settings.md)")
    return rules


async def _codes(node: OpenNode, rules: FolderRules) -> list[str]:
    return [a.code for a in await node.store.hosted() if rules.has_folder(a)]


def _show(call: Invocation, states: Sequence[FolderState]) -> None:
    since = [str(timedelta(seconds=round(s.oldest_s))) if s.waiting else "–" for s in states]
    records = [{"id": s.code, **asdict(s)} for s in states]
    output.rows(call, records, _COLUMNS, [{"since": age} for age in since])
    for folder in states:
        if folder.trouble:
            call.say("cli.folder.trouble", agency=folder.code, why=output.plain(folder.trouble))
