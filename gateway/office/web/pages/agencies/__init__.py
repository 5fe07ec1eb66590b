"""The pages of agencies: the registry of codes as people read it, and how it is changed."""

from __future__ import annotations

from gateway.office.web.pages.agencies import changes, changing, ground, importing, looking, proposals
from gateway.office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *importing.FILE_ROUTES,
    *importing.IMPORT_ROUTES,
    *changing.ROUTES,
    *changes.ROUTES,
    *proposals.BINDING_ROUTES,
    *proposals.PROPOSAL_ROUTES,
    *ground.ROUTES,
    *looking.ROUTES,
)
