"""Every page and act there is: the one table that the door reads, in the order of the menu."""

from __future__ import annotations

from gateway.office.web.pages import (
    account,
    administration,
    agencies,
    books,
    compose,
    dashboard,
    entry,
    incoming,
    journal,
    list_bulk,
    list_export,
    lists,
    news,
    office_days,
    operations,
    outgoing,
    tasks,
)
from gateway.office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *entry.HOME_ROUTES,
    *entry.ENTRY_ROUTES,
    *account.ACCOUNT_ROUTES,
    *account.SECRET_ROUTES,
    *account.DELEGATION_ROUTES,
    *administration.ROUTES,
    *dashboard.ROUTES,
    *tasks.ROUTES,
    *news.BELL_ROUTES,
    *compose.ROUTES,
    *lists.LIST_ROUTES,
    *list_bulk.ROUTES,
    *list_export.ROUTES,
    *lists.VIEW_ROUTES,
    *lists.TAG_ROUTES,
    *news.ROUTES,
    *outgoing.ROUTES,
    *incoming.ROUTES,
    *books.ENTRY_ROUTES,
    *books.PAPER_ROUTES,
    *books.ROUTES,
    *office_days.ROUTES,
    *agencies.ROUTES,
    *operations.ROUTES,
    *journal.ROUTES,
    *entry.HELP_ROUTES,
)
