"""Quản trị: accounts and rights, mailboxes, the yearly review."""

from __future__ import annotations

from gateway.web.pages.administration import accounts, acts, mailboxes, review
from gateway.web.routes import Route

ROUTES: tuple[Route, ...] = (*accounts.ROUTES, *acts.ROUTES, *mailboxes.ROUTES, *review.ROUTES)
