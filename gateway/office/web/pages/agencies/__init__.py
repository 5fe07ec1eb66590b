"""The pages of agencies: the registry of codes as people read it, and how it is changed."""

from __future__ import annotations

from gateway.office.web.pages.agencies import (
    binding,
    changes,
    changing,
    importing,
    imports,
    looking,
    proposals,
)
from gateway.office.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *importing.ROUTES,
    *imports.ROUTES,
    *changing.ROUTES,
    *changes.ROUTES,
    *binding.ROUTES,
    *proposals.ROUTES,
    *looking.ROUTES,
)
