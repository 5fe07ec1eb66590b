"""The pages for whoever looks after the node: its standing, queues, what was put aside, the line to the axis, notices and
copies. Metadata alone: nothing of a document stands on them."""

from __future__ import annotations

from gateway.office.web.pages.operations import aside, notices, state
from gateway.office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *state.STATE_ROUTES,
    *state.QUEUE_ROUTES,
    *state.TRAFFIC_ROUTES,
    *aside.ROUTES,
    *state.LINE_ROUTES,
    *notices.ROUTES,
    *state.COPY_ROUTES,
)
