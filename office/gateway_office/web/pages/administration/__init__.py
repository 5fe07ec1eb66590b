"""Administration: accounts and rights, units, mailboxes, requests about accounts, the half-yearly
review, printed forms, rules for incoming letters, API keys of programs and what they called, webhooks."""

from __future__ import annotations

from gateway_office.web.pages.administration import (
    account_review,
    accounts,
    acts,
    api_keys,
    first_steps,
    key_calls,
    paper_forms,
    requests,
    rights,
    rules,
    settings,
    timers,
    units,
    webhooks,
)
from gateway_office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *accounts.ROUTES,
    *units.ROUTES,
    *acts.ROUTES,
    *account_review.ROUTES,
    *rights.ROUTES,
    *requests.ROUTES,
    *paper_forms.ROUTES,
    *api_keys.ROUTES,
    *key_calls.ROUTES,
    *first_steps.ROUTES,
    *webhooks.ROUTES,
    *settings.ROUTES,
    *rules.ROUTES,
    *timers.ROUTES,
)
