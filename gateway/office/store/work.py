"""What a unit of work has where the office opened it, each made when it is first asked for. In: the unit's transaction and
scope. Out: `ports.store.OfficeWork`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from gateway.domain.account import AgencyScope
from gateway.office.store.book import SqlBooks
from gateway.office.store.lists import SqlLists
from gateway.office.store.lists_counts import KnownCounts
from gateway.office.store.recall_asks import SqlRecallAsks
from gateway.office.store.tags import SqlTags
from gateway.office.store.todo import SqlTasks
from gateway.office.store.views import SqlSavedViews
from gateway.ports.services import Clock
from gateway.store.changes import NOBODY, Follower
from gateway.store.transaction import Slowly, Transaction
from gateway.store.work import SqlWork


class SqlOfficeRows:
    """Keeps the promise of `ports.store.OfficeRows`."""

    def __init__(
        self,
        tx: Transaction,
        scope: AgencyScope,
        clock: Clock,
        known: KnownCounts | None,
        changed: Callable[[str], None],
    ) -> None:
        self._tx, self._scope, self._clock, self._known, self._changed = tx, scope, clock, known, changed

    @cached_property
    def lists(self) -> SqlLists:
        return SqlLists(Slowly(self._tx), self._scope, self._clock, known=self._known, changed=self._changed)

    @cached_property
    def tags(self) -> SqlTags:
        return SqlTags(self._tx, self._scope, changed=self._changed)

    @cached_property
    def views(self) -> SqlSavedViews:
        return SqlSavedViews(self._tx, self._scope)

    @cached_property
    def tasks(self) -> SqlTasks:
        return SqlTasks(Slowly(self._tx), self._scope)

    @cached_property
    def books(self) -> SqlBooks:
        return SqlBooks(Slowly(self._tx), self._scope, self._clock)

    @cached_property
    def recalls(self) -> SqlRecallAsks:
        return SqlRecallAsks(self._tx, self._scope)


class SqlOfficeWork(SqlWork):
    """Keeps the promise of `ports.store.OfficeWork`."""

    def __init__(
        self,
        tx: Transaction,
        scope: AgencyScope,
        clock: Clock,
        follower: Follower = NOBODY,
        *,
        known: KnownCounts | None = None,
        changed: Callable[[str], None] = lambda agency_id: None,
    ) -> None:
        """`changed` hears which agency's lists are other ones now; `known` is for who only reads."""
        super().__init__(tx, scope, clock, follower)
        self.office = SqlOfficeRows(tx, scope, clock, known, changed)
