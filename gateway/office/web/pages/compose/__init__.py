"""Issuing a document: one page in four parts where a document is written, its files and recipients are brought together,
checked and sent. The routes; each module beside this one does one part of it."""

from __future__ import annotations

from gateway.office.domain.right import Manner, Right
from gateway.office.web.pages.compose import acts, choosing, pages, signing
from gateway.office.web.routes import Body, Needs, Route, get, post

DRAFTS = (Needs(right=Right.DRAFT, manners=(Manner.YES, Manner.OWN)),)
ISSUES = (Needs(right=Right.ISSUE, manners=(Manner.YES,)),)
SIGNS = (Needs(right=Right.SIGN_AGENCY, manners=(Manner.YES,)),)
_AS = {"key": "outgoing", "needs": DRAFTS}

ROUTES: tuple[Route, ...] = (
    get("/phat-hanh", "compose", pages.new, **_AS),
    get("/van-ban-di/moi", "compose_old", pages.moved, **_AS),
    post("/phat-hanh", "compose_begun", acts.begun, body=Body.PARTS, **_AS),
    get("/phat-hanh/goi-y", "compose_suggest", choosing.suggested, **_AS),
    get("/phat-hanh/nhom", "compose_groups", choosing.groups_page, **_AS),
    post("/phat-hanh/nhom/xoa", "compose_group_removed", choosing.group_removed, **_AS),
    get("/phat-hanh/{id}", "compose_draft", pages.draft, **_AS),
    post("/phat-hanh/{id}", "compose_changed", acts.changed, body=Body.PARTS, **_AS),
    get("/phat-hanh/{id}/cay-co-quan", "compose_tree", choosing.tree, **_AS),
    post("/phat-hanh/{id}/cay-co-quan", "compose_ticked", choosing.ticked, **_AS),
    get("/phat-hanh/{id}/bo", "compose_discard", pages.discarding, **_AS),
    post("/phat-hanh/{id}/bo", "compose_discarded", pages.discarded, **_AS),
    get("/phat-hanh/{id}/da-gui", "compose_sent", pages.sent, **_AS),
    post("/phat-hanh/{id}/hoan-tac", "compose_undone", pages.undone, key="outgoing", needs=ISSUES),
    get("/phat-hanh/{id}/ky-so", "compose_sign", signing.page, key="outgoing", needs=SIGNS),
    post("/phat-hanh/{id}/ky-so", "compose_signed", signing.signed, key="outgoing", needs=SIGNS),
    get("/phat-hanh/{id}/ky-so/xem-truoc", "compose_sign_view", signing.view, key="outgoing", needs=SIGNS),
)
