"""Issuing a document: one page in four parts where a document is written, its files and recipients are brought together,
checked and sent. The routes; each module beside this one does one part of it."""

from __future__ import annotations

from gateway.office.domain.roles import Manner, Right
from gateway.office.web.pages.compose import acts, pages
from gateway.office.web.routes import FormBody, Needs, PageRoute, get, post

DRAFTS = (Needs(right=Right.DRAFT, manners=(Manner.YES, Manner.OWN)),)
ISSUES = (Needs(right=Right.ISSUE, manners=(Manner.YES,)),)
SIGNS = (Needs(right=Right.SIGN_AGENCY, manners=(Manner.YES,)),)
_AS = {"key": "outgoing", "needs": DRAFTS}

ROUTES: tuple[PageRoute, ...] = (
    get("/phat-hanh", "compose", pages.new_document, **_AS),
    get("/van-ban-di/moi", "compose_old", pages.new_document_moved, **_AS),
    post("/phat-hanh", "compose_begun", acts.begun, body=FormBody.PARTS, **_AS),
    get("/phat-hanh/goi-y", "compose_suggest", pages.agencies_suggested, **_AS),
    get("/phat-hanh/nhom", "compose_groups", pages.groups_page, **_AS),
    post("/phat-hanh/nhom/xoa", "compose_group_removed", pages.group_removed, **_AS),
    get("/phat-hanh/{id}", "compose_draft", pages.draft_shown, **_AS),
    post("/phat-hanh/{id}", "compose_changed", acts.changed, body=FormBody.PARTS, **_AS),
    get("/phat-hanh/{id}/cay-co-quan", "compose_tree", pages.agencies_tree, **_AS),
    post("/phat-hanh/{id}/cay-co-quan", "compose_ticked", pages.agencies_ticked, **_AS),
    get("/phat-hanh/{id}/bo", "compose_discard", pages.discarding, **_AS),
    post("/phat-hanh/{id}/bo", "compose_discarded", pages.discarded, **_AS),
    get("/phat-hanh/{id}/da-gui", "compose_sent", pages.sent, **_AS),
    post("/phat-hanh/{id}/hoan-tac", "compose_undone", pages.undone, key="outgoing", needs=ISSUES),
    get("/phat-hanh/{id}/ky-so", "compose_sign", pages.signing_asked, key="outgoing", needs=SIGNS),
    post("/phat-hanh/{id}/ky-so", "compose_signed", pages.signed, key="outgoing", needs=SIGNS),
    get(
        "/phat-hanh/{id}/ky-so/xem-truoc",
        "compose_sign_view",
        pages.signing_view,
        key="outgoing",
        needs=SIGNS,
    ),
)
