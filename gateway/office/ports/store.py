"""The store as the office sees it: each of its units of work has `office`, with what only persons at pages need."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.domain.account import AgencyScope
from gateway.office.ports.book import Books
from gateway.office.ports.deadlines import Tasks
from gateway.office.ports.lists import Lists
from gateway.office.ports.recalls import RecallAsks
from gateway.office.ports.tags import Tags
from gateway.office.ports.views import SavedViews
from gateway.ports import Store, Work


class OfficeRows(Protocol):
    """Of one agency, within one unit of work."""

    @property
    def lists(self) -> Lists: ...

    @property
    def tags(self) -> Tags: ...

    @property
    def views(self) -> SavedViews: ...

    @property
    def tasks(self) -> Tasks: ...

    @property
    def books(self) -> Books: ...

    @property
    def recalls(self) -> RecallAsks: ...


class OfficeWork(Work, Protocol):
    @property
    def office(self) -> OfficeRows: ...


class OfficeStore(Store, Protocol):
    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]: ...

    def read(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]: ...

    async def fill_lists(self, limit: int) -> bool:
        """Writes that many rows of lists for documents older than lists; True when there may be more. Harmless again."""

    async def write_due_again(self, limit: int) -> bool:
        """Writes that many rows of lists anew where the calendar is another one since; True when there may be more."""

    async def fill_lists_again(self) -> None:
        """The last two days are filled once more: an older version of the program may have worked beside this one."""

    async def work_out_day(self) -> bool:
        """The figures of one day of one agency that are missing or old; False when none are."""
