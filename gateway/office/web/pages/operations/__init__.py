"""The pages for whoever looks after the node: its standing, queues, what was put aside, the line to the axis, notices and
copies. Metadata alone: nothing of a document stands on them."""

from __future__ import annotations

from gateway.office.web.pages.operations import (
    copies,
    dead,
    line,
    notices,
    quarantine,
    queues,
    state,
    traffic,
)
from gateway.office.web.routes import Route

ROUTES: tuple[Route, ...] = (
    *state.ROUTES,
    *queues.ROUTES,
    *traffic.ROUTES,
    *dead.ROUTES,
    *quarantine.ROUTES,
    *line.ROUTES,
    *notices.ROUTES,
    *copies.ROUTES,
)
