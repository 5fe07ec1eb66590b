"""Fetches the signed list of agencies that this node follows from its address, in its hours. In: the address, the node's
core, the row that claimed the hour. Out: the list accepted, as the operator's command would do it; a failure or a refusal
is told in that row. The list proves itself by its signature, so nothing is believed of the server that gives it."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.deciding import delegation
from gateway.errors import Clash
from gateway.http_calls import Bounds, read_pieces
from gateway.registry.feed_file import MOST_BYTES

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore

BY = "feed"
_SECONDS = 1800.0


async def fetch_feed(core: NodeCore, id: str) -> None:
    """Fetch the list and take it. Raises Unreachable without a whole answer, Clash where the list was refused."""
    rules, pool, lists = core.settings.registry, core.pool, core.axis_lists
    descriptor, name = tempfile.mkstemp(prefix="fetched-", suffix=".feed", dir=core.settings.node.data_dir)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            bounds = Bounds(answer_bytes=MOST_BYTES, seconds=_SECONDS)
            async for piece in read_pieces(rules.feed_url, bounds, rules.feed_ca):
                await pool.run(partial(file.write, piece))
            await pool.run(file.flush)
        outcome = await core.feed.accept(path, BY)
    finally:
        path.unlink(missing_ok=True)
    if outcome.verdict == "refused":
        raise Clash(f"the list was refused: {outcome.code}, {outcome.reason}")
    await delegation.judge_undecided(core.deciding)
    await lists.finish_fetched(id, outcome.added + outcome.changed + outcome.closed)
