"""Compares the state of each delivery with its facts while the world runs: a lost update is mended by the next status, and
cannot be seen at rest. In: running nodes, again and again. Out: deliveries whose facts say something else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from gateway.domain.status import Fact, fold_delivery
from gateway.store.row import from_json
from tests.simulation.world import Host, World

_STATES = "SELECT id, state, updated_at FROM delivery"
_FACTS = "SELECT body FROM fact WHERE subject_id = ?"


class States:
    """Deliveries of all nodes as they were last seen; only those that changed since are compared."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, str]] = {}

    def check(self, world: World) -> Iterator[str]:
        for host in world.hosts.values():
            if host.processes() and host.left is None:
                yield from self._check_node(host)

    def _check_node(self, host: Host) -> Iterator[str]:
        with closing(sqlite3.connect(f"file:{host.folder / 'gateway.db'}?mode=ro", uri=True)) as file:
            file.execute("BEGIN")
            for id, state, changed_at in file.execute(_STATES).fetchall():
                if self._seen.get(id) == (state, changed_at):
                    continue
                self._seen[id] = state, changed_at
                facts = [from_json(Fact, body) for (body,) in file.execute(_FACTS, (id,))]
                if (word := fold_delivery(facts).word) != state:
                    yield f"{host.name}: {id} is {state}, and its facts say {word}"
