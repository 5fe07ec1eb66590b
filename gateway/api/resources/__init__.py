"""One module per resource: a call in, a use case asked, a view out. `ROUTES` is everything that the API offers."""

from gateway.api.resources import (
    acts,
    agencies,
    creating,
    events,
    evidence,
    inbox,
    messages,
    meta,
    pages,
    paper,
    reading,
)
from gateway.api.routes import Route

ROUTES: tuple[Route, ...] = (
    *creating.ROUTES,
    *reading.ROUTES,
    *messages.ROUTES,
    *acts.ROUTES,
    *paper.ROUTES,
    *inbox.ROUTES,
    *evidence.ROUTES,
    *agencies.ROUTES,
    *events.ROUTES,
    *meta.ROUTES,
    *pages.ROUTES,
)

__all__ = ["ROUTES"]
