"""The pages that bring a file of codes into the registry."""

from __future__ import annotations

from gateway.web.routes import Route

ROUTES: tuple[Route, ...] = ()
