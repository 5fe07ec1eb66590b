"""Outgoing documents: the page of one document, its files and packets, and every act on it with a page of its own."""

from __future__ import annotations

from gateway.office.domain.roles import Manner, Right
from gateway.office.web.pages.outgoing import asking, detail, moving
from gateway.office.web.pages.outgoing.seen import HERE, PRINTS, READS, SEES
from gateway.office.web.routes import Needs, PageRoute, get, post

ISSUES = (Needs(right=Right.ISSUE, manners=(Manner.YES,)),)
RECALLS = (Needs(right=Right.RECALL, manners=(Manner.RECORDED,)),)
URGES = (Needs(right=Right.URGE, manners=(Manner.YES,)),)
_KEY = "outgoing"
_PACKET = HERE + "/goi-tin/{digest:[0-9a-f]+}"
_FILE = HERE + "/tep/{n:[0-9][0-9]?[0-9]?}"

ROUTES: tuple[PageRoute, ...] = (
    get(HERE, "out_document", detail.document_shown, needs=SEES, key=_KEY),
    get("/m/{id:[a-z]+_[0-9A-Za-z]+}", "by_id", detail.document_by_id, needs=SEES),
    get(_FILE, "out_file", detail.file_kept, needs=READS, key=_KEY),
    get(_FILE + "/xem", "out_file_viewed", detail.file_viewed, needs=READS, key=_KEY),
    get(_PACKET, "out_packet", detail.packet_shown, needs=READS, key=_KEY),
    get(_PACKET + "/tai", "out_packet_kept", detail.packet_kept, needs=READS, key=_KEY),
    post(HERE + "/chung-cu", "out_evidence", detail.evidence_given, needs=READS, key=_KEY),
    get(HERE + "/phieu-gui", "out_slip", detail.slip_printed, needs=PRINTS, key=_KEY),
    get(HERE + "/gui-lai", "out_resend", moving.resending, needs=ISSUES, key=_KEY),
    post(HERE + "/gui-lai", "out_resent", moving.resent, needs=ISSUES, key=_KEY),
    get(HERE + "/sua-lai", "out_anew", moving.correcting, needs=ISSUES, key=_KEY),
    post(HERE + "/sua-lai", "out_anew_begun", moving.corrected, needs=ISSUES, key=_KEY),
    get(HERE + "/gui-them", "out_further", moving.adding, needs=ISSUES, key=_KEY),
    post(HERE + "/gui-them", "out_further_sent", moving.added, needs=ISSUES, key=_KEY),
    get(HERE + "/huy-gui", "out_cancel", moving.cancelling, needs=ISSUES, key=_KEY),
    post(HERE + "/huy-gui", "out_cancelled", moving.cancelled, needs=ISSUES, key=_KEY),
    post(HERE + "/hoan-tac", "out_undone", moving.undone, needs=ISSUES, key=_KEY),
    get(HERE + "/thu-hoi", "out_recall", asking.recalling, needs=RECALLS, key=_KEY),
    post(HERE + "/thu-hoi", "out_recalled", asking.recalled, needs=RECALLS, key=_KEY),
    get(HERE + "/don-doc", "out_urge", asking.urging, needs=URGES, key=_KEY),
    post(HERE + "/don-doc", "out_urged", asking.urged, needs=URGES, key=_KEY),
    *asking.STEP_ROUTES,
)
