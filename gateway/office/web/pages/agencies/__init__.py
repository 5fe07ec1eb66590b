"""The pages of agencies: the registry of codes as people read it, and how it is changed."""

from __future__ import annotations

from gateway.office.web.pages.agencies import changes, changing, ground, looking, proposals
from gateway.office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *changing.ROUTES,
    *changes.ROUTES,
    *proposals.ROUTES,
    *ground.ROUTES,
    *looking.ROUTES,
)
