"""Administration: accounts and rights, mailboxes, the yearly review, API keys of programs and what they called."""

from __future__ import annotations

from gateway.office.web.pages.administration import accounts, acts, calls, keys, mailboxes, review, starting
from gateway.office.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *accounts.ROUTES,
    *acts.ROUTES,
    *mailboxes.ROUTES,
    *review.ROUTES,
    *starting.ROUTES,
    *keys.ROUTES,
    *calls.ROUTES,
)
