"""Outgoing documents: the page of one document, its files and packets, and every act on it with a page of its own."""

from __future__ import annotations

from functools import partial

from gateway_office.domain.roles import Manner, Right
from gateway_office.web import routes
from gateway_office.web.pages.outgoing import cancelling, detail, recall, recall_approval, resending, urging
from gateway_office.web.pages.outgoing.access import PATH, PRINTS, READS, SEES
from gateway_office.web.routes import Needs, PageRoute

ISSUES = (Needs(right=Right.ISSUE, manners=(Manner.YES,)),)
RECALLS = (Needs(right=Right.RECALL, manners=(Manner.RECORDED,)),)
URGES = (Needs(right=Right.URGE, manners=(Manner.YES,)),)
get, post, both = routes.sharing(key="outgoing")
_PACKET = PATH + "/goi-tin/{digest:[0-9a-f]+}"
_N = "{n:[0-9][0-9]?[0-9]?}"
_FILE = f"{PATH}/tep/{_N}"
_PAGE = f"{PATH}/trang/{_N}" + "/{page:[0-9]{1,4}}"

ROUTES: tuple[PageRoute, ...] = (
    get(PATH, "out_document", detail.show_document, needs=SEES),
    get("/m/{id:[a-z]+_[0-9A-Za-z]+}", "by_id", detail.document_by_id, needs=SEES, key=""),
    get(_FILE, "out_file", detail.send_file, needs=READS),
    get(_FILE + "/xem", "out_file_viewed", partial(detail.send_file, inline=True), needs=READS),
    get(_PAGE, "out_page", detail.send_page, needs=READS),
    get(_PACKET, "out_packet", detail.show_packet, needs=READS),
    get(_PACKET + "/tai", "out_packet_kept", detail.send_packet, needs=READS),
    post(PATH + "/chung-cu", "out_evidence", detail.send_evidence, needs=READS),
    get(PATH + "/bang-chung", "out_proof", detail.send_proof, needs=READS),
    get(PATH + "/phieu-gui", "out_slip", detail.print_slip, needs=PRINTS),
    *both(PATH + "/gui-lai", "out_resend", "out_resent", resending.resend, needs=ISSUES),
    *both(PATH + "/sua-lai", "out_anew", "out_anew_begun", resending.correct, needs=ISSUES),
    *both(PATH + "/gui-them", "out_further", "out_further_sent", resending.add_recipients, needs=ISSUES),
    *both(PATH + "/huy-gui", "out_cancel", "out_cancelled", cancelling.cancel, needs=ISSUES),
    post(PATH + "/hoan-tac", "out_undone", cancelling.undo, needs=ISSUES),
    get(PATH + "/sai-gi", "out_fix", detail.choose_fix, needs=RECALLS),
    *both(PATH + "/thu-hoi", "out_recall", "out_recalled", recall.send_recall, needs=RECALLS),
    *both(PATH + "/don-doc", "out_urge", "out_urged", urging.urge, needs=URGES),
    *recall_approval.STEP_ROUTES,
)
