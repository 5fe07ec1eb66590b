"""Changes the directory of agency codes, and lists what changed. In: two engines, the clock, optionally the pool; a plan or
a certificate, with who vouches for it. Out: the stored change. Each call is one transaction; database errors are raised as
StoreFailure. Decisions of persons change more at once, in the unit of work of `decisions`. A module that
plans imports is loaded at the first one, because most nodes serve for years without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.domain.event import BindingDifference
from gateway.domain.proof import Binding
from gateway.domain.registry_change import Plan, RegistryChange
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway.ports.services import Clock, Pool
from gateway.registry import binding_events
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.tables import CHANGE, failures_named
from gateway.registry_authoring.binding_changes import SqlBindings, alert
from gateway.registry_authoring.rows import to_change


class SqlDirectoryChanges:
    """Changes of the directory that one principal makes; imports need a plan, and some need two people (K6, R81)."""

    def __init__(
        self,
        writer: AsyncEngine,
        reader: AsyncEngine,
        clock: Clock,
        pool: Pool | None = None,
        *,
        two_people: bool = False,
    ) -> None:
        """With `two_people`, an import that changes known agencies must be proposed and approved instead of applied."""
        self._writer, self._reader, self._clock, self._pool = writer, reader, clock, pool
        self._log, self._two_people = SqlBindingLog(clock), two_people

    async def list_applied(self, since: datetime | None = None, limit: int = 100) -> Sequence[RegistryChange]:
        """Return the records of changes since that moment, oldest first."""
        query = select(CHANGE).order_by(CHANGE.c.at, CHANGE.c.id).limit(limit)
        if since is not None:
            query = query.where(CHANGE.c.at >= since)
        with failures_named():
            async with self._reader.connect() as connection:
                return [to_change(row) for row in await connection.execute(query)]

    async def plan_import(self, csv_bytes: bytes) -> Plan:
        """Plan the import of a file; nothing is written, and every bad row is among the problems."""
        from gateway.registry_authoring import importing

        with failures_named():
            async with self._reader.connect() as connection:
                today = local(self._clock.now()).date()
                return await importing.make_plan(connection, self._pool, csv_bytes, today)

    async def apply(self, plan: Plan, principal: str) -> RegistryChange:
        """Put the plan in force. Clash when it has problems, the registry changed since, or a second person must
        approve."""
        from gateway.registry_authoring import importing

        if self.needs_two(plan):
            raise Clash(
                f"this import changes {len(plan.rewrites)} agencies that are known: a second person approves it",
                code="REG-TWO-PEOPLE",
                hint="propose it on the pages, or with: gateway registry import FILE --propose --number NO --as NAME",
            )
        async with self._writing() as connection:
            return await importing.apply(connection, self._clock, self._log, plan, principal)

    def needs_two(self, plan: Plan) -> bool:
        """Tell whether a second person must approve the plan, because it rewrites known agencies."""
        return self._two_people and bool(plan.rewrites)

    async def load_starter(self) -> int:
        """Add missing rows of the bundled level-1 list; return the number of rows written."""
        from gateway.registry_authoring import importing

        async with self._writing() as connection:
            return await importing.load_starter(connection, self._clock)

    async def bind(
        self,
        code: str,
        certificate_der: bytes,
        valid_from: datetime | None,
        valid_to: datetime | None,
        proposed_by: str,
        approved_by: str,
    ) -> Binding:
        """Bind the certificate to this code for that time, on the word of two people (K1, K6) who were authenticated
        before; people use it through `deciding.approvals`."""
        async with self._writing() as connection:
            bindings = SqlBindings(connection, self._clock, "node")
            await bindings.bind(code, certificate_der, valid_from, valid_to, (proposed_by, approved_by), {})
        return Binding(code=code, certificate_der=certificate_der, valid_from=valid_from, valid_to=valid_to)

    async def unbind(
        self,
        code: str,
        fingerprint: str,
        at: datetime | None = None,
        principal_id: str = "node",
        reason: str = "",
    ) -> None:
        """End the certificate's binding for good at that moment, by default now; one person may do it (K6)."""
        async with self._writing() as connection:
            bindings = SqlBindings(connection, self._clock, principal_id)
            await bindings.withdraw(code, fingerprint, self._clock.now() if at is None else at, reason)

    async def report_differences(self) -> Sequence[BindingDifference]:
        """Return the differences, and write an alert for each that has none yet. For the start of a node."""
        with failures_named():
            async with self._reader.connect() as connection:
                differences = await binding_events.differences(connection, self._log)
        if differences:
            async with self._writing() as connection:
                await alert(connection, self._log, differences)
        return differences

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        with failures_named():
            async with self._writer.begin() as connection:
                yield connection
