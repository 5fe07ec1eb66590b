"""Administration: accounts and rights, units, mailboxes, requests about accounts, the half-yearly
review, printed forms, API keys of programs and what they called, webhooks."""

from __future__ import annotations

from gateway_office.web.pages.administration import (
    accounts,
    acts,
    paper_forms,
    programs,
    requests,
    rights,
    settings,
    timers,
    units,
)
from gateway_office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *accounts.ROUTES,
    *units.ROUTES,
    *acts.ROUTES,
    *rights.ROUTES,
    *requests.ROUTES,
    *paper_forms.ROUTES,
    *programs.ROUTES,
    *settings.ROUTES,
    *timers.ROUTES,
)
