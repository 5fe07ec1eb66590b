"""One incoming document: its page at /van-ban-den/{id}, and every act on it, each at an address of its own. Each module
one kind of act."""

from __future__ import annotations

from functools import partial

from gateway_office.web import routes
from gateway_office.web.pages.incoming import acts, detail, sealing
from gateway_office.web.pages.incoming.access import (
    ANSWERS,
    COMMENTS,
    DECIDES,
    FREEZES,
    HANDS_BACK,
    INSTRUCTS,
    PATH,
    PROGRESSES,
    READS,
    REOPENS,
    SEES,
    SEES_OWN,
    TAKES,
    alone,
)
from gateway_office.web.routes import PageRoute

get, post, both = routes.sharing(key="incoming")
_EITHER = (*TAKES, *INSTRUCTS)
_AGREE, _DISAGREE = (alone(partial(acts.answer_request, code=code)) for code in ("15", "16"))
_FILE = "{n:[0-9]{1,9}}"
_PAGE = "{page:[0-9]{1,4}}"
_PACKET = "{digest:[0-9a-f]{64}}"

ROUTES: tuple[PageRoute, ...] = (
    get(PATH, "incoming_one", sealing.show_document, needs=SEES),
    get(f"{PATH}/tiep-nhan", "incoming_take_form", acts.take_in_form, needs=TAKES),
    post(f"{PATH}/tiep-nhan", "incoming_take", alone(acts.take_in), needs=TAKES),
    *both(f"{PATH}/tam-giu", "incoming_hold_form", "incoming_hold", alone(acts.put_on_hold), needs=TAKES),
    *both(f"{PATH}/tu-choi", "incoming_refuse_form", "incoming_refuse", alone(acts.refuse), needs=TAKES),
    get(f"{PATH}/chuyen-xu-ly", "incoming_assign_form", acts.assign_form, needs=INSTRUCTS),
    post(f"{PATH}/chuyen-xu-ly", "incoming_assign", alone(acts.assign), needs=INSTRUCTS),
    post(f"{PATH}/tien-do", "incoming_progress", alone(acts.report_progress), needs=PROGRESSES),
    *both(f"{PATH}/trinh", "incoming_submit_form", "incoming_submit", alone(acts.submit), needs=TAKES),
    *both(
        f"{PATH}/tra-lai",
        "incoming_hand_back_form",
        "incoming_hand_back",
        alone(acts.hand_back),
        needs=HANDS_BACK,
    ),
    post(f"{PATH}/xong-phan-viec", "incoming_part_done", alone(acts.finish_part), needs=PROGRESSES),
    post(f"{PATH}/giao-nguoi", "incoming_part_given", alone(acts.give_part_on), needs=HANDS_BACK),
    post(f"{PATH}/trao-doi", "incoming_comment", acts.comment, needs=COMMENTS),
    post(f"{PATH}/gan-nhan", "incoming_label", acts.put_label, needs=TAKES),
    post(f"{PATH}/da-biet", "incoming_seen", acts.confirm_reading, needs=SEES_OWN),
    *both(f"{PATH}/mo-lai", "incoming_reopen_form", "incoming_reopen", alone(acts.reopen), needs=REOPENS),
    *both(f"{PATH}/dong-y", "incoming_agree_form", "incoming_agree", _AGREE, needs=ANSWERS),
    *both(f"{PATH}/khong-dong-y", "incoming_disagree_form", "incoming_disagree", _DISAGREE, needs=ANSWERS),
    *both(f"{PATH}/niem-phong", "incoming_freeze_form", "incoming_freeze", sealing.freeze, needs=FREEZES),
    *both(f"{PATH}/tieu-huy", "incoming_purge_form", "incoming_purge", sealing.purge, needs=DECIDES),
    post(f"{PATH}/hoan-tac", "incoming_undo", acts.undo, needs=_EITHER),
    get(f"{PATH}/tep/{_FILE}", "incoming_file", detail.send_file, needs=READS),
    get(f"{PATH}/trang/{_FILE}/{_PAGE}", "incoming_page", detail.send_page, needs=READS),
    get(f"{PATH}/xem/{_FILE}", "incoming_view", detail.view_file, needs=READS),
    get(f"{PATH}/goi-tin/{_PACKET}", "incoming_packet", detail.show_packet, needs=READS),
    get(f"{PATH}/goi-tin/{_PACKET}/tai", "incoming_packet_file", detail.send_packet, needs=READS),
    get(f"{PATH}/chung-cu", "incoming_evidence", detail.send_evidence, needs=READS),
    get(f"{PATH}/phieu-giai-quyet", "incoming_slip", detail.send_routing_slip, needs=READS),
    get(f"{PATH}/bang-chung", "incoming_proof", detail.send_proof, needs=READS),
)
