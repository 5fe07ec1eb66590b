"""Outgoing documents: the page of one document, its files and packets, and every act on it with a page of its own."""

from __future__ import annotations

from functools import partial

from gateway.office.domain.roles import Manner, Right
from gateway.office.web import routes
from gateway.office.web.pages.outgoing import acts, detail
from gateway.office.web.pages.outgoing.seen import HERE, PRINTS, READS, SEES
from gateway.office.web.routes import Needs, PageRoute

ISSUES = (Needs(right=Right.ISSUE, manners=(Manner.YES,)),)
RECALLS = (Needs(right=Right.RECALL, manners=(Manner.RECORDED,)),)
URGES = (Needs(right=Right.URGE, manners=(Manner.YES,)),)
get, post = partial(routes.get, key="outgoing"), partial(routes.post, key="outgoing")
both = partial(routes.both, key="outgoing")
_PACKET = HERE + "/goi-tin/{digest:[0-9a-f]+}"
_N = "{n:[0-9][0-9]?[0-9]?}"
_FILE = f"{HERE}/tep/{_N}"
_PAGE = f"{HERE}/trang/{_N}" + "/{page:[0-9]{1,4}}"

ROUTES: tuple[PageRoute, ...] = (
    get(HERE, "out_document", detail.document_shown, needs=SEES),
    get("/m/{id:[a-z]+_[0-9A-Za-z]+}", "by_id", detail.document_by_id, needs=SEES, key=""),
    get(_FILE, "out_file", detail.file_given, needs=READS),
    get(_FILE + "/xem", "out_file_viewed", partial(detail.file_given, inline=True), needs=READS),
    get(_PAGE, "out_page", detail.page_given, needs=READS),
    get(_PACKET, "out_packet", detail.packet_shown, needs=READS),
    get(_PACKET + "/tai", "out_packet_kept", detail.packet_kept, needs=READS),
    post(HERE + "/chung-cu", "out_evidence", detail.evidence_given, needs=READS),
    get(HERE + "/phieu-gui", "out_slip", detail.slip_printed, needs=PRINTS),
    *both(HERE + "/gui-lai", "out_resend", "out_resent", acts.resent, needs=ISSUES),
    *both(HERE + "/sua-lai", "out_anew", "out_anew_begun", acts.corrected, needs=ISSUES),
    *both(HERE + "/gui-them", "out_further", "out_further_sent", acts.added, needs=ISSUES),
    *both(HERE + "/huy-gui", "out_cancel", "out_cancelled", acts.cancelled, needs=ISSUES),
    post(HERE + "/hoan-tac", "out_undone", acts.undone, needs=ISSUES),
    get(HERE + "/sai-gi", "out_fix", detail.choosing, needs=RECALLS),
    *both(HERE + "/thu-hoi", "out_recall", "out_recalled", acts.recalled, needs=RECALLS),
    *both(HERE + "/don-doc", "out_urge", "out_urged", acts.urged, needs=URGES),
    *acts.STEP_ROUTES,
)
