"""The node that is examined, and the form of a check. In: settings, or an open node. Out: the parts of the node that checks
need, which are opened if necessary; the findings of one check, also when it could not be made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from gateway import time_source
from gateway.bootstrap.axis import open_axis
from gateway.bootstrap.core import exchange_keys
from gateway.bootstrap.node import OpenNode
from gateway.domain.diagnosis import Diagnosis, Tag, red
from gateway.errors import GatewayError
from gateway.ports.axis import ManagedAxis
from gateway.ports.services import Clock, Pool
from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.store import SqlStore
from gateway.trust.keys import KeyDirectory
from gateway.workers.heartbeat import HEARTBEAT

# Longest time of a check for frequent callers; a part that takes longer does not answer other calls in time either.
PATIENCE_S = 5.0
# The same for what another program may be slow to answer: the other checks must have their time too.
SOON_S = 1.5
SCHEMA_EVERY = timedelta(minutes=1)


@dataclass(slots=True, kw_only=True)
class Subject:
    """The node to examine. If it is not open (`node` is None), parts that a check needs are opened until `close`."""

    settings: Settings
    clock: Clock
    pool: Pool
    node: OpenNode | None = None
    open_axis: Callable[[Settings], AbstractAsyncContextManager[ManagedAxis]] = open_axis
    _store: SqlStore | None = None
    _schema: tuple[datetime, migrate.SchemaStatus] | None = None
    _cached: dict[object, tuple[datetime, Sequence[Diagnosis]]] = field(default_factory=dict)

    @classmethod
    def within(cls, node: OpenNode) -> Subject:
        return cls(settings=node.settings, clock=node.clock, pool=node.pool, node=node)

    @property
    def store(self) -> SqlStore:
        if self.node is not None:
            return self.node.store
        if self._store is None:
            self._store = SqlStore(self.settings.database.address, self.clock)
        return self._store

    @property
    def keys(self) -> KeyDirectory:
        return self.node.keys if self.node is not None else exchange_keys(self.settings)

    @property
    def heartbeat(self) -> Path:
        return self.settings.node.data_dir / HEARTBEAT

    @property
    def lease_s(self) -> float:
        return self.settings.workers.lease_s

    async def schema(self) -> migrate.SchemaStatus:
        """Return the status of the database's schema. Misconfigured when the database does not answer. For an open node it
        is cached for a minute, because reading it is costly."""
        if self.node is None:
            return await migrate.status(self.settings.database.address)
        now = self.clock.now()
        if self._schema is None or not timedelta() <= now - self._schema[0] < SCHEMA_EVERY:
            self._schema = now, await migrate.status_of(self.node.store.reader)
        return self._schema[1]

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()
            self._store = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the list. `cure` is shown when the check cannot be made; a red `first` check skips those `of_store`.
    `every`: how long metrics and alarms use a result of it again, because it is costly; `hasty_s`: how long they wait."""

    name: str
    run: Callable[[Subject], AsyncGenerator[Diagnosis]]
    tags: Collection[Tag] = ()
    of_store: bool = False
    first: bool = False
    cure: str | None = None
    words: str = "doctor"
    every: timedelta | None = None
    hasty_s: float = PATIENCE_S


async def run_cached(check: Check, subject: Subject, tag: Tag) -> Sequence[Diagnosis]:
    """Return the findings of a check; for metrics those from before, where it is costly and was made lately."""
    if check.every is None or tag is not Tag.METRICS:
        return await run_check(check, subject, tag)
    now, cached = subject.clock.now(), subject._cached.get(check.run)
    if cached is None or not timedelta() <= now - cached[0] < check.every:
        cached = now, await run_check(check, subject, tag)
        if not any(finding.cause == "failed" for finding in cached[1]):
            subject._cached[check.run] = cached
    return cached[1]


async def run_check(check: Check, subject: Subject, tag: Tag) -> Sequence[Diagnosis]:
    """Run one check and return its findings with the time that it took. When it fails, or takes too long for frequent
    callers, that is a red finding."""
    started, is_hasty = time_source.monotonic(), tag in (Tag.READY, Tag.METRICS)
    try:
        async with asyncio.timeout(check.hasty_s if is_hasty else None):
            async with aclosing(check.run(subject)) as answers:
                findings = [finding async for finding in answers]
    except (GatewayError, TimeoutError) as error:
        cure = (error.hint if isinstance(error, GatewayError) else "") or check.cure
        finding = red(check.name, "failed", cure, detail=str(error) or "no answer in time").worded("down")
        findings = [replace(finding, stops=check.first, words=check.words)]
    took_ms = round((time_source.monotonic() - started) * 1000)
    return [replace(finding, ms=finding.ms or took_ms, source=check.name) for finding in findings]
