"""Issuing a document: one page in four parts where a document is written, its files and recipients are brought together,
checked and sent. The routes; each module beside this one does one part of it."""

from __future__ import annotations

from gateway_office.domain.roles import Manner, Right
from gateway_office.web import routes
from gateway_office.web.pages.compose import acts, pages
from gateway_office.web.routes import FormBody, Needs, PageRoute

DRAFTS = (Needs(right=Right.DRAFT, manners=(Manner.YES, Manner.OWN)),)
ISSUES = (Needs(right=Right.ISSUE, manners=(Manner.YES,)),)
SIGNS = (Needs(right=Right.SIGN_AGENCY, manners=(Manner.YES,)),)
get, post, both = routes.sharing(key="outgoing")

ROUTES: tuple[PageRoute, ...] = (
    get("/phat-hanh", "compose", pages.new_document, needs=DRAFTS),
    get("/van-ban-di/moi", "compose_old", pages.move_new_document, needs=DRAFTS),
    post("/phat-hanh", "compose_begun", acts.begin, body=FormBody.PARTS, needs=DRAFTS),
    get("/phat-hanh/goi-y", "compose_suggest", pages.suggest_agencies, needs=DRAFTS),
    get("/phat-hanh/nhom", "compose_groups", pages.groups_page, needs=DRAFTS),
    post("/phat-hanh/nhom/xoa", "compose_group_removed", pages.delete_group, needs=DRAFTS),
    get("/phat-hanh/{id}", "compose_draft", pages.show_draft, needs=DRAFTS),
    post("/phat-hanh/{id}", "compose_changed", acts.change, body=FormBody.PARTS, needs=DRAFTS),
    get("/phat-hanh/{id}/cay-co-quan", "compose_tree", pages.agencies_tree, needs=DRAFTS),
    post("/phat-hanh/{id}/cay-co-quan", "compose_ticked", pages.tick_agencies, needs=DRAFTS),
    *both("/phat-hanh/{id}/bo", "compose_discard", "compose_discarded", pages.discard, needs=DRAFTS),
    get("/phat-hanh/{id}/da-gui", "compose_sent", pages.show_sent, needs=DRAFTS),
    post("/phat-hanh/{id}/hoan-tac", "compose_undone", pages.undo, needs=ISSUES),
    get("/phat-hanh/{id}/ky-so", "compose_sign", pages.ask_signing, needs=SIGNS),
    post("/phat-hanh/{id}/ky-so", "compose_signed", pages.sign, needs=SIGNS),
    get("/phat-hanh/{id}/ky-so/xem-truoc", "compose_sign_view", pages.signing_view, needs=SIGNS),
)
