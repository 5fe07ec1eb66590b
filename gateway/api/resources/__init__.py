"""One module per resource: a call in, a use case, a view out. `ROUTES` lists all routes of the API."""

from gateway.api import health
from gateway.api.resources import (
    agencies,
    events,
    inbox,
    messages,
    meta,
    numbers,
    pages,
    profile,
    uploads,
    webhooks,
    writing,
)
from gateway.api.routes import Route

ROUTES: tuple[Route, ...] = (
    *writing.CREATE_ROUTES,
    *uploads.ROUTES,
    *writing.READ_ROUTES,
    *messages.ROUTES,
    *writing.ACT_ROUTES,
    *messages.PAPER_ROUTES,
    *numbers.ROUTES,
    *inbox.ROUTES,
    *messages.EVIDENCE_ROUTES,
    *agencies.ROUTES,
    *profile.ROUTES,
    *events.ROUTES,
    *webhooks.ROUTES,
    *meta.ROUTES,
    *health.ROUTES,
    *pages.ROUTES,
)

__all__ = ["ROUTES"]
