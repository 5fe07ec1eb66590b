"""Every page and act there is: the one table that the door reads, in the order of the menu."""

from __future__ import annotations

from gateway.web.pages import (
    account,
    account_secrets,
    administration,
    agencies,
    book_entries,
    books,
    compose,
    dashboard,
    delegations,
    entry,
    help,
    home,
    incoming,
    list_bulk,
    list_export,
    list_keep,
    lists,
    news,
    office_days,
    outgoing,
    tasks,
)
from gateway.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *home.ROUTES,
    *entry.ROUTES,
    *account.ROUTES,
    *account_secrets.ROUTES,
    *delegations.ROUTES,
    *administration.ROUTES,
    *dashboard.ROUTES,
    *tasks.ROUTES,
    *compose.ROUTES,
    *lists.ROUTES,
    *list_bulk.ROUTES,
    *list_export.ROUTES,
    *list_keep.ROUTES,
    *news.ROUTES,
    *outgoing.ROUTES,
    *incoming.ROUTES,
    *book_entries.ROUTES,
    *books.ROUTES,
    *office_days.ROUTES,
    *agencies.ROUTES,
    *help.ROUTES,
)
