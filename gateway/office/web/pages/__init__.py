"""All pages and acts: the one table that the door reads, in the order of the menu."""

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
    numbers,
    office_days,
    operations,
    outgoing,
    record_files,
    report_schedules,
    reports,
    searching,
    tasks,
)
from gateway.office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *entry.ROUTES,
    *account.ROUTES,
    *administration.ROUTES,
    *dashboard.ROUTES,
    *tasks.ROUTES,
    *compose.ROUTES,
    *lists.ROUTES,
    *searching.ROUTES,
    *list_bulk.ROUTES,
    *list_export.ROUTES,
    *news.ROUTES,
    *outgoing.ROUTES,
    *incoming.ROUTES,
    *record_files.ROUTES,
    *books.ROUTES,
    *reports.ROUTES,
    *report_schedules.ROUTES,
    *numbers.ROUTES,
    *office_days.ROUTES,
    *agencies.ROUTES,
    *operations.ROUTES,
    *journal.ROUTES,
)
