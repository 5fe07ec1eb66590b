"""Tells the axis which codes this node hosts, at start and whenever that changed. In: the agencies hosted here. Out:
queues of theirs at the axis, and the node's own, to which the registry feed comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.wall_clock import local
from gateway.incoming.feed import TO_NODE
from gateway.ports import Axis, Clock, Directory, Store


@dataclass(slots=True)
class Hosting:
    """Remembers what it told last, so that an idle loop tells nothing."""

    store: Store
    axis: Axis
    node_name: str
    directory: Directory
    clock: Clock
    _told: Sequence[str] | None = None

    async def step(self) -> bool:
        """Tells what changed."""
        codes = [code for agency in await self.store.hosted() for code in (agency.code, *agency.aliases)]
        today = local(self.clock.now()).date()
        # Mail under an ended code comes to whoever took over (R83).
        codes += sorted(set(await self.directory.former(codes, today)) - set(codes))
        codes.append(f"{TO_NODE}{self.node_name}")
        if codes == self._told:
            return False
        await self.axis.host(codes)
        self._told = codes
        return True
