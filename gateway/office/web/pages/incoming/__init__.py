"""One incoming document: its page at /van-ban-den/{id}, and every act on it, each at an address of its own. Each module
one kind of act."""

from __future__ import annotations

from functools import partial

from gateway.office.web import routes
from gateway.office.web.pages.incoming import acts, detail, sealing
from gateway.office.web.pages.incoming.seen import (
    ANSWERS,
    DECIDES,
    FREEZES,
    HANDS_BACK,
    HERE,
    INSTRUCTS,
    PROGRESSES,
    READS,
    REOPENS,
    SEES,
    TAKES,
)
from gateway.office.web.routes import PageRoute

get = partial(routes.get, key="incoming")
post = partial(routes.post, key="incoming")
both = partial(routes.both, key="incoming")
_AGREE, _DISAGREE = (partial(acts.request_answered, code=code) for code in ("15", "16"))
_FILE = "{n:[0-9]{1,9}}"
_PAGE = "{page:[0-9]{1,4}}"
_PACKET = "{digest:[0-9a-f]{64}}"

ROUTES: tuple[PageRoute, ...] = (
    get(HERE, "incoming_one", sealing.document_shown, needs=SEES),
    get(f"{HERE}/tiep-nhan", "incoming_take_form", acts.take_in_form, needs=TAKES),
    post(f"{HERE}/tiep-nhan", "incoming_take", acts.taken, needs=TAKES),
    *both(f"{HERE}/tam-giu", "incoming_hold_form", "incoming_hold", acts.held, needs=TAKES),
    *both(f"{HERE}/tu-choi", "incoming_refuse_form", "incoming_refuse", acts.refused, needs=TAKES),
    get(f"{HERE}/chuyen-xu-ly", "incoming_assign_form", acts.assign_form, needs=INSTRUCTS),
    post(f"{HERE}/chuyen-xu-ly", "incoming_assign", acts.assigned, needs=INSTRUCTS),
    post(f"{HERE}/tien-do", "incoming_progress", acts.progress_said, needs=PROGRESSES),
    *both(f"{HERE}/trinh", "incoming_submit_form", "incoming_submit", acts.submitted, needs=TAKES),
    *both(
        f"{HERE}/tra-lai", "incoming_hand_back_form", "incoming_hand_back", acts.handed_back, needs=HANDS_BACK
    ),
    post(f"{HERE}/xong-phan-viec", "incoming_part_done", acts.part_done, needs=PROGRESSES),
    *both(f"{HERE}/mo-lai", "incoming_reopen_form", "incoming_reopen", acts.reopened, needs=REOPENS),
    *both(f"{HERE}/dong-y", "incoming_agree_form", "incoming_agree", _AGREE, needs=ANSWERS),
    *both(f"{HERE}/khong-dong-y", "incoming_disagree_form", "incoming_disagree", _DISAGREE, needs=ANSWERS),
    *both(f"{HERE}/niem-phong", "incoming_freeze_form", "incoming_freeze", sealing.frozen, needs=FREEZES),
    *both(f"{HERE}/tieu-huy", "incoming_purge_form", "incoming_purge", sealing.purged, needs=DECIDES),
    get(f"{HERE}/tep/{_FILE}", "incoming_file", detail.file_given, needs=READS),
    get(f"{HERE}/trang/{_FILE}/{_PAGE}", "incoming_page", detail.page_given, needs=READS),
    get(f"{HERE}/xem/{_FILE}", "incoming_view", detail.file_viewed, needs=READS),
    get(f"{HERE}/goi-tin/{_PACKET}", "incoming_packet", detail.packet_shown, needs=READS),
    get(f"{HERE}/goi-tin/{_PACKET}/tai", "incoming_packet_file", detail.packet_given, needs=READS),
    get(f"{HERE}/chung-cu", "incoming_evidence", detail.evidence_given, needs=READS),
)
