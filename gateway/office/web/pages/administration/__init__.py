"""Administration: accounts and rights, mailboxes, the yearly review, API keys of programs and what they called,
webhooks."""

from __future__ import annotations

from gateway.office.web.pages.administration import accounts, acts, programs, settings
from gateway.office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *accounts.ROUTES,
    *acts.ROUTES,
    *programs.ROUTES,
    *settings.ROUTES,
)
