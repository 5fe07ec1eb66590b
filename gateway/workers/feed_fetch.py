"""Fetches the signed list of agencies that this node follows from its address, in its hours. In: the address, the registry,
the row that claimed the hour. Out: the list accepted, as the operator's command would do it; a failure or a refusal is told
in that row. The list proves itself by its signature, so nothing is believed of the server that gives it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.deciding import DecisionServices, delegation
from gateway.errors import Clash
from gateway.http_calls import Bounds, read_pieces
from gateway.registry.axis_lists import SqlAxisLists
from gateway.registry.feed import SqlFeed
from gateway.registry.feed_file import MOST_BYTES

BY = "feed"
_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFetcher:
    """Fetches one list at a time. `ca` is trusted besides the machine's authorities; `folder` has room for a list."""

    url: str
    ca: Path | None
    folder: Path
    feed: SqlFeed
    lists: SqlAxisLists
    deciding: DecisionServices

    async def fetch(self, id: str) -> None:
        """Fetch the list and take it. Raises Unreachable without a whole answer, Clash where the list was refused."""
        pool = self.deciding.pool
        descriptor, name = tempfile.mkstemp(prefix="fetched-", suffix=".feed", dir=self.folder)
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                bounds = Bounds(answer_bytes=MOST_BYTES, seconds=_SECONDS)
                async for piece in read_pieces(self.url, bounds, self.ca):
                    await pool.run(partial(file.write, piece))
            outcome = await self.feed.accept(path, BY)
        finally:
            path.unlink(missing_ok=True)
        if outcome.verdict == "refused":
            raise Clash(f"the list was refused: {outcome.code}, {outcome.reason}")
        await delegation.judge_undecided(self.deciding)
        await self.lists.finish_fetched(id, outcome.added + outcome.changed + outcome.closed)
