"""Watches the databases while the run goes on. In: sites and a ledger. Out: the progress of the documents, how long each
took from 202 to its 01 by the clock of the machine (the nodes' own clocks are off), and whether anything still moves."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.soak.ledger import Ledger
from bench.soak.stage import Site

_LOOK_S = 0.5
_STATUSES = (
    "SELECT node_seq, subject_id, data FROM event WHERE node_seq > :after AND kind = 'message.status'"
    " ORDER BY node_seq"
)
_OPEN = {
    "outbox": "SELECT count(*) FROM outbox WHERE state = 'waiting'",
    "inbox": "SELECT count(*) FROM inbox WHERE state = 'landed'",
    "job": "SELECT count(*) FROM job",
    "event": "SELECT count(*) FROM event WHERE node_seq IS NULL",
    "handover": "SELECT count(*) FROM handover WHERE state <> 'acked'",
}


@dataclass(slots=True)
class Watch:
    """The watch, open for the whole run; `run` polls until it is cancelled."""

    sites: dict[str, Site]
    ledger: Ledger
    seen_by_status: dict[str, set[tuple[str, str]]] = field(
        default_factory=lambda: {"01": set(), "03": set()}
    )
    seconds: list[float] = field(default_factory=list)
    longest_silence: float = 0.0
    _engines: dict[str, AsyncEngine] = field(default_factory=dict)
    _last_numbers: dict[str, int] = field(default_factory=dict)
    _heard_at: float = field(default_factory=time.monotonic)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        for node, site in self.sites.items():
            self._engines[node] = engine = create_async_engine(site.database_url, pool_pre_ping=True)
            if engine.dialect.name == "sqlite":
                event.listen(engine.sync_engine, "connect", _only_read)
            self._stack.push_async_callback(engine.dispose)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def open_deliveries(self) -> int:
        """Count deliveries accepted and not yet known to have arrived."""
        return self.ledger.deliveries - len(self.seen_by_status["01"])

    async def run(self) -> None:
        while True:
            for node in self.sites:
                try:
                    await self._look(node)
                except (
                    OSError,
                    DBAPIError,
                ):  # the database is being hurt; the nodes have to bear it, and so have we
                    continue
            await asyncio.sleep(_LOOK_S)

    async def _look(self, node: str) -> None:
        async with self._engines[node].connect() as connection:
            cursor = await connection.execute(text(_STATUSES), {"after": self._last_numbers.get(node, 0)})
            rows = cursor.all()
        for number, subject, data in rows:
            event = json.loads(data)
            self._last_numbers[node] = number
            self._note_status(subject, event["from"], event["code"])

    def _note_status(self, subject: str, receiver: str, code: str) -> None:
        which = self.seen_by_status.setdefault(code, set())
        if (subject, receiver) in which:
            return
        which.add((subject, receiver))
        now = time.monotonic()
        if code == "01":
            self.longest_silence = max(self.longest_silence, now - self._heard_at)
            self._heard_at = now
            if subject in self.ledger.at:
                self.seconds.append(now - self.ledger.at[subject])

    async def still_open(self) -> dict[str, int]:
        """Count the rows that are not at their end, by table; empty when everything rests."""
        counts: dict[str, int] = {}
        for node, engine in self._engines.items():
            async with engine.connect() as connection:
                for table, query in _OPEN.items():
                    number = (await connection.execute(text(query))).scalar_one()
                    if number:
                        counts[f"{node} {table}"] = number
        expected = self.ledger.deliveries
        for code, which in self.seen_by_status.items():
            if code in ("01", "03") and len(which) < expected:
                counts[f"{code} not heard"] = expected - len(which)
        return counts


def _only_read(connection: object, record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]  # the driver's own connection has no public type
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()
