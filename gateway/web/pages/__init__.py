"""Every page and act there is: the one table that the door reads, in the order of the menu."""

from __future__ import annotations

from gateway.web.pages import book_entries, books, dashboard, entry, help, home, office_days, tasks
from gateway.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *home.ROUTES,
    *entry.ROUTES,
    *dashboard.ROUTES,
    *tasks.ROUTES,
    *book_entries.ROUTES,
    *books.ROUTES,
    *office_days.ROUTES,
    *help.ROUTES,
)
