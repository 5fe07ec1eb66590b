"""The recall of an outgoing document, in the agency's name. In: the form with recipients and reason. Out: the recall sent,
a request for the head's approval, the recall's notice drafted, or the problems."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aiohttp import web

from gateway.domain.document import Signer
from gateway.domain.person import Person
from gateway.errors import Denied, Refused
from gateway.outgoing import recall
from gateway_office.accounts import acting
from gateway_office.book import drafts
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters.habits import remembered
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.outgoing import access
from gateway_office.web.pages.outgoing.access import OutgoingView
from gateway_office.web.pages.outgoing.act_pages import Retry, ask, attempt, reasons, show_refusal
from gateway_office.web.pages.outgoing.recall_approval import STEP_PLACE, approvers, ask_head, latest_request

_NOTICE = "notice"
_TAKE_BACK = "take_back"
_LONGEST_REASON = 1000
_DRAFTED, _REASON = "thong-bao", "ly-do"


async def send_recall(request: PageRequest) -> web.StreamResponse:
    outgoing, form = await access.find(request), request.form
    codes, is_take_back = list(form.all("to")), form.text("form") == _TAKE_BACK
    if not request.is_act:
        if objection := access.no_recall(outgoing):
            return await show_refusal(request, outgoing, "recall", objection)
        if (open_request := await latest_request(request, outgoing)) is not None and open_request.is_open:
            return request.go(outgoing.path + STEP_PLACE)
        codes = [d.recipient.code for d in access.recallable(outgoing)]
    heads = await approvers(request)
    notice = await access.find_named(request, request.ask(_DRAFTED)) if request.ask(_DRAFTED) else None
    repeat = partial(
        ask,
        request,
        outgoing,
        "recall",
        title="outgoing.recall.do",
        do="recalls.ask.do" if heads else "outgoing.recall.do",
        grave=not heads,
        chosen=codes,
        can={d.id for d in access.recallable(outgoing)},
        heads=heads,
        drafted=notice,
        drafted_reason=request.ask(_REASON)[:_LONGEST_REASON],
        may_draft=outgoing.content and request.can("compose_draft"),
        leaders=await acting.heads_of(request.deps.accounts, request.own_agency.id),
        forms=[(form, request.say(f"outgoing.recall.{form}")) for form in (_NOTICE, _TAKE_BACK)],
        form_asked=_TAKE_BACK if request.ask("hinh-thuc") == access.TAKE_BACK_FORM else _NOTICE,
    )
    if request.is_act and form.text("act") == _NOTICE:
        return await _draft_notice(request, outgoing, heads, repeat)
    problems = _missing_in_recall(request, codes, is_take_back, by_name=not heads)
    if problems or not request.is_act:
        return await repeat(problems)
    if heads:
        return await ask_head(request, outgoing, repeat)
    act = partial(
        recall.recall,
        *request.outgoing,
        outgoing.document.id,
        reason=form.text("reason"),
        approved_by=form.text("approved_by") or None,
        notice_no=form.text("notice_no") or None,
        take_back=is_take_back,
        recipients=codes,
        expect_version=outgoing.document.version,
    )
    message = "outgoing.take_back" if is_take_back else "outgoing.recalled"
    return await attempt(request, outgoing, act, message, repeat)


async def _draft_notice(
    request: PageRequest, outgoing: OutgoingView, heads: Sequence[Person], repeat: Retry
) -> web.StreamResponse:
    """Draft the notice, and show the form again with its number."""
    form = request.form
    if not outgoing.content:
        raise Denied("a notice names the document, which this person may not read", code="GW-RIGHT")
    if problems := _missing_in_recall(request, form.all("to"), is_take_back=True, by_name=False):
        return await repeat(problems)
    approver = form.text("approved_by") or (heads[0].name if len(heads) == 1 else "")
    deps, scope, agency = request.deps, request.scope(), request.own_agency
    signer = Signer(name=approver) if approver else None
    wish = drafts.NoticeWish(
        reason=form.text("reason"),
        recipients=form.all("to"),
        signer=remembered(signer, await deps.habits.load(deps.out, scope)),
    )
    letterhead = await deps.store.accounts.letterhead(agency.id)
    gives = request.may(Right.ISSUE, Manner.YES)
    try:
        notice = await drafts.draft_notice(
            deps.out, deps.book, scope, agency, letterhead, outgoing.document, wish, may_give=gives
        )
    except Refused as error:
        return await repeat(reasons(request, error))
    query = {_DRAFTED: notice.id, _REASON: form.text("reason")}
    return request.confirm(f"{outgoing.path}/thu-hoi", "outgoing.notice_drafted", **query)


def _missing_in_recall(
    request: PageRequest, codes: Sequence[str], is_take_back: bool, *, by_name: bool
) -> Problems:
    form, problems = request.form, Problems()
    if not codes:
        problems.append(("to", request.say("outgoing.choose_one")))
    problems += request.short_reason()
    for name in (*(("approved_by",) if by_name else ()), *(() if is_take_back else ("notice_no",))):
        if not form.text(name):
            problems.append(request.missing(name, f"outgoing.recall.{name}"))
    return problems
