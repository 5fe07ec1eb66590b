"""The pages of agencies: the registry of codes as people read it, and how it is changed."""

from __future__ import annotations

from gateway_office.web.pages.agencies import (
    change_wizard,
    changes,
    common,
    proposals,
    registry_views,
    seals,
    sources,
)
from gateway_office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *change_wizard.ROUTES,
    *changes.ROUTES,
    *seals.ROUTES,
    *proposals.ROUTES,
    *sources.ROUTES,
    *common.ROUTES,
    *registry_views.ROUTES,
)
