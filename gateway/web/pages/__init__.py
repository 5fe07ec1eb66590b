"""Every page and act there is: the one table that the door reads, in the order of the menu."""

from __future__ import annotations

from gateway.web.pages import (
    account,
    account_secrets,
    book_entries,
    books,
    dashboard,
    entry,
    help,
    home,
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
    *dashboard.ROUTES,
    *tasks.ROUTES,
    *outgoing.ROUTES,
    *book_entries.ROUTES,
    *books.ROUTES,
    *office_days.ROUTES,
    *help.ROUTES,
)
