"""How the hot folders of an open node stand, for the screen and the metrics. In: the node. Out: a state for each agency
that has one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.bootstrap.guards import folder_rules
from gateway.bootstrap.node import OpenNode
from gateway.folder import state
from gateway.folder.state import FolderState


async def hot_folders(node: OpenNode) -> Sequence[FolderState]:
    """None where none is set."""
    rules = folder_rules(node.settings)
    if rules is None:
        return ()
    codes = [each.code for each in await node.store.hosted() if rules.has_folder(each)]
    return await node.pool.run(partial(state.look, rules.root, rules.note, codes))
