"""The pages for operators of the node: its state, queues, packets set aside, the line to the axis, notices and copies. They
show metadata alone and no content of documents."""

from __future__ import annotations

from gateway_office.web.pages.operations import dead_letters, notices, quarantine, state
from gateway_office.web.routes import PageRoute

ROUTES: tuple[PageRoute, ...] = (
    *state.STATE_ROUTES,
    *state.QUEUE_ROUTES,
    *state.TRAFFIC_ROUTES,
    *dead_letters.ROUTES,
    *quarantine.ROUTES,
    *state.LINE_ROUTES,
    *notices.ROUTES,
    *state.COPY_ROUTES,
)
