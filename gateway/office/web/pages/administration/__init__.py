"""Administration: accounts and rights, mailboxes, the yearly review, API keys of programs and what they called,
webhooks."""

from __future__ import annotations

from gateway.office.web.pages.administration import accounts, acts, keys, webhooks
from gateway.office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *accounts.ACCOUNT_ROUTES,
    *acts.ACT_ROUTES,
    *accounts.MAILBOX_ROUTES,
    *acts.REVIEW_ROUTES,
    *keys.START_ROUTES,
    *keys.KEY_ROUTES,
    *keys.CALL_ROUTES,
    *webhooks.ROUTES,
)
