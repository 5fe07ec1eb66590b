"""The pages of proposals that a second person decides."""

from __future__ import annotations

from gateway.web.routes import Route

ROUTES: tuple[Route, ...] = ()
