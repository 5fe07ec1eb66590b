"""Acts on many rows of a list at once. In: rows that were ticked, or all that the list finds. Out: a page that describes
the act, its rows, and why others are left out; then the outcome of each, kept for the page that follows, for its session
alone and for an hour: an act redirects to another address, so that a reload repeats nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from gateway import preservation
from gateway.domain.preservation import LONGEST_DECISION, LONGEST_REASON, Extent
from gateway.domain.states import AWAITED, State
from gateway.domain.text import fold
from gateway.errors import Clash, Denied, GatewayError, NotFound
from gateway.incoming import act
from gateway.outgoing import manage
from gateway.store.row import from_json, to_json
from gateway_office.accounts import tags_and_views
from gateway_office.domain.listing import Side, Tag
from gateway_office.domain.roles import Manner, Right
from gateway_office.letters import follow_up, received, work_files
from gateway_office.letters.follow_up import Urging
from gateway_office.web import answers
from gateway_office.web.forms import Problems
from gateway_office.web.listing import list_rows
from gateway_office.web.listing.asking import PATHS
from gateway_office.web.listing.list_rows import BulkAct, Choice, ChosenRows
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import list_export
from gateway_office.web.pages.incoming.access import leaders_of, staff_of
from gateway_office.web.pages.incoming.acts import REASONS
from gateway_office.web.pages.lists import MENU, SEE, acts_of, read_list_query
from gateway_office.web.routes import Needs, get, post

# Marking read is for every reader; the handler checks the right of each act.
_ACTS = {
    Side.OUT: (
        Needs(right=Right.ISSUE, manners=(Manner.YES,)),
        Needs(right=Right.URGE, manners=(Manner.YES,)),
        Needs(right=Right.RECORDS),
        Needs(right=Right.PRESERVE),
    ),
    Side.IN: (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOutcome:
    """One row: its document, and the outcome of the act or the objection to it."""

    number: str
    path: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult:
    act: BulkAct
    back: str
    outcomes: tuple[BulkOutcome, ...]

    @property
    def n_done(self) -> int:
        return sum(outcome.ok for outcome in self.outcomes)


_GRAVE = frozenset({BulkAct.CANCEL, BulkAct.REFUSE})
_EXPORTS = (BulkAct.EXPORT, BulkAct.PRINT, BulkAct.PACK)


async def preview(request: PageRequest, side: Side) -> web.StreamResponse:
    act_key = _read_act(request, side, request.ask("viec"))
    if act_key in _EXPORTS:
        return await list_export.ask_export(request, side, act_key)
    return await _page(
        request, await list_rows.load_chosen(request, read_list_query(request, side), act_key), []
    )


async def apply(request: PageRequest, side: Side) -> web.StreamResponse:
    act_key = _read_act(request, side, request.path("act"))
    run = _RUN.get(act_key)
    if run is None or not request.form.all("id"):
        raise NotFound("there is no such act, or nothing was chosen for it")
    chosen = await list_rows.load_chosen(request, read_list_query(request, side), act_key)
    if problems := await _missing_fields(request, act_key):
        return await _page(request, chosen, problems)
    outcomes = await run(request, chosen)
    outcomes += [_outcome(c, ok=False, text=c.why) for c in chosen.choices if c.why]
    result = BulkResult(act=act_key, back=chosen.query.address(), outcomes=tuple(outcomes))
    body, keepings = to_json(BulkResult, result).encode(), request.deps.store.keepings
    key = await keepings.keep(request.person.session.id, body, request.deps.clock.now())
    return request.go(f"/danh-sach/ket-qua/{key}")


async def show_result(request: PageRequest) -> web.StreamResponse:
    session, now = request.person.session.id, request.deps.clock.now()
    body = await request.deps.store.keepings.find(request.path("key"), session, now)
    if body is None:
        raise NotFound("what became of that act is not kept any more")
    result = from_json(BulkResult, body.decode())
    return await request.page("lists/result.html", title=request.say("listing.result"), result=result)


def _read_act(request: PageRequest, side: Side, word: str) -> BulkAct:
    """Read the act that an address or a form names. Raises Denied where this person may not do it."""
    if word not in {*BulkAct}:
        raise NotFound("there is no such act")
    act_key = BulkAct(word)
    if act_key not in acts_of(request, side):
        raise Denied("this person may not do that here", code="GW-RIGHT")
    return act_key


async def _page(request: PageRequest, chosen: ChosenRows, problems: Problems) -> web.StreamResponse:
    act_key, tags = chosen.act, await _offered_tags(request, chosen)
    return await request.form_page(
        "lists/bulk.html",
        problems,
        title=act_word(request, act_key),
        chosen=chosen,
        verb=act_word(request, act_key),
        most=list_rows.MOST,
        grave=act_key in _GRAVE,
        reasons=[(code, request.say(f"reason.{code}")) for code in REASONS],
        hows=[(how, request.say(f"listing.urge.{how}")) for how in follow_up.HOWS],
        leaders=await leaders_of(request) if act_key == BulkAct.SUBMIT else (),
        urgings=await _late_by_recipient(request, chosen) if act_key == BulkAct.URGE else (),
        urge_text=request.form.text("text")
        or request.say("listing.urge.text", agency=request.own_agency.name),
        mode=request.own_agency.numbering.value,
        suggested=(),
        at_work=await work_files.list_at_work(*request.filing) if act_key == BulkAct.FILE else (),
        longest={"reason": LONGEST_REASON, "decision": LONGEST_DECISION},
        tags=tags,
        tag_options=[("", request.say("tags.choose")), *((tag.id, tag.name) for tag in tags)],
    )


async def _offered_tags(request: PageRequest, chosen: ChosenRows) -> Sequence[Tag]:
    """List the labels that can be put on, or those of these documents that can be taken off."""
    if chosen.act == BulkAct.TAG:
        return await tags_and_views.tags_of(request.deps.store, request.scope())
    if chosen.act != BulkAct.UNTAG:
        return ()
    chosen_tags = (t for choice in chosen.accepted for t in choice.tags)
    return sorted({t.id: t for t in chosen_tags}.values(), key=lambda t: fold(t.name))


def act_word(request: PageRequest, act_key: BulkAct) -> str:
    """Return the act's word. Modes B and C enter it in the register as well."""
    key = f"listing.act.{act_key}"
    return request.say(
        f"{key}.so" if act_key == BulkAct.TAKE_IN and request.own_agency.numbering != "A" else key
    )


async def _missing_fields(request: PageRequest, act_key: BulkAct) -> list[tuple[str, str]]:
    form, problems = request.form, Problems()
    if act_key == BulkAct.SUBMIT and form.text("leader") not in dict(await leaders_of(request)):
        problems.append(request.missing("leader", "incoming.leader"))
    if act_key == BulkAct.REFUSE and form.text("reason") not in REASONS:
        problems.append(request.missing("reason", "listing.reason"))
    if act_key in (BulkAct.REFUSE, BulkAct.CANCEL):
        problems += request.short_reason("note")
    if act_key == BulkAct.TAG:
        try:
            tags_and_views.checked_tag(form.text("name"))
        except Clash as error:
            problems.append(("name", request.why(error)))
    if act_key == BulkAct.UNTAG and not form.text("tag"):
        problems.append(request.missing("tag", "tags.which"))
    if act_key == BulkAct.FILE and not form.text("code"):
        problems.append(request.missing("code", "timer.file.code"))
    if act_key == BulkAct.PRESERVE:
        problems += request.short_reason("note")
        if not form.text("decision"):
            problems.append(request.missing("decision", "books.preservation.decision"))
    if act_key == BulkAct.URGE and not form.text("text"):
        problems.append(request.missing("text", "listing.urge.words"))
    return problems


async def _run_all(
    request: PageRequest, chosen: ChosenRows, row_act: Callable[[PageRequest, Choice], Awaitable[str]]
) -> list[BulkOutcome]:
    """Act on one row after the other, in their order; an error stands in its row."""
    outcomes = []
    for choice in chosen.accepted:
        try:
            outcomes.append(_outcome(choice, ok=True, text=await row_act(request, choice)))
        except GatewayError as error:
            reasons = " ".join(text for _, text in answers.reasons_of(error, request.lang))
            outcomes.append(_outcome(choice, ok=False, text=reasons or request.why(error)))
    return outcomes


def _outcome(choice: Choice, *, ok: bool, text: str) -> BulkOutcome:
    return BulkOutcome(number=choice.row.number, path=choice.row.path, ok=ok, text=text)


async def _resend(request: PageRequest, choice: Choice) -> str:
    await manage.resend(*request.outgoing, choice.id)
    return request.say("listing.done.gui-lai", count=choice.row.line.card.states[State.FAILED])


async def _cancel(request: PageRequest, choice: Choice) -> str:
    await manage.cancel(*request.outgoing, choice.id, why=request.form.text("note"))
    return request.say("state.cancelled")


async def _take_in(request: PageRequest, choice: Choice) -> str:
    number = request.form.text(f"so-{choice.id}") or None
    call = act.StatusCall(code="03", register_no=number, staff=staff_of(request))
    outcome = await act.set_status(*request.incoming, choice.id, call, expect_version=choice.version)
    if outcome.register_no is None:
        return request.say("listing.done.tiep-nhan")
    return request.say("listing.done.tiep-nhan.so", number=outcome.register_no)


async def _refuse(request: PageRequest, choice: Choice) -> str:
    reason, note = request.form.text("reason"), request.form.text("note")
    call = act.StatusCall(code="02", reason=reason, note=note, staff=staff_of(request))
    await act.set_status(*request.incoming, choice.id, call)
    return request.say("state.in.rejected")


async def _submit(request: PageRequest, choice: Choice) -> str:
    leader, note = request.form.text("leader"), request.form.text("note")
    await received.submit(*request.incoming, choice.id, leader, note)
    return request.say("listing.done.trinh")


async def _tag(request: PageRequest, choice: Choice) -> str:
    name = tags_and_views.checked_tag(request.form.text("name"))
    new = await tags_and_views.put_tag(
        request.deps.store, request.deps.clock, request.scope(), name, choice.id
    )
    return request.say("listing.done.gan-nhan" if new else "listing.done.gan-nhan.had", name=name)


async def _file(request: PageRequest, choice: Choice) -> str:
    code = request.form.text("code")
    is_new = await work_files.put_in(request.deps.todo, request.scope(), choice.id, code)
    return request.say("listing.done.vao-ho-so" if is_new else "listing.done.vao-ho-so.had", code=code)


async def _offer(request: PageRequest, choice: Choice) -> str:
    had = await received.repeat_offer(*request.incoming, choice.id)
    return request.say("listing.done.giao-lai" if had else "listing.done.giao-lai.waits")


async def _preserve(request: PageRequest, chosen: ChosenRows) -> list[BulkOutcome]:
    """Make one order about all of them."""
    deps, text = request.deps, request.form.text
    extent = Extent(documents=tuple(choice.id for choice in chosen.accepted))
    order = await preservation.begin(
        deps.store, deps.clock, request.scope(), extent, text("note"), text("decision")
    )
    say = request.say("listing.done.giu-nguyen", decision=order.decision)
    return [_outcome(choice, ok=True, text=say) for choice in chosen.accepted]


async def _read(request: PageRequest, chosen: ChosenRows) -> list[BulkOutcome]:
    await received.mark_read(*request.incoming, [c.id for c in chosen.accepted])
    return [_outcome(c, ok=True, text=request.say("listing.done.da-doc")) for c in chosen.accepted]


async def _untag(request: PageRequest, chosen: ChosenRows) -> list[BulkOutcome]:
    id = request.form.text("tag")
    names = {tag.id: tag.name for tag in await tags_and_views.tags_of(request.deps.store, request.scope())}
    if id not in names:
        raise NotFound("this agency has no such label")

    async def take_off(request: PageRequest, choice: Choice) -> str:
        had = await tags_and_views.take_off_tag(request.deps.store, request.scope(), id, choice.id)
        return request.say("listing.done.bo-nhan" if had else "listing.done.bo-nhan.had", name=names[id])

    return await _run_all(request, chosen, take_off)


async def _urge(request: PageRequest, chosen: ChosenRows) -> list[BulkOutcome]:
    """Urge each recipient once, by letter or call, about all its late documents among the chosen."""
    form, outcomes = request.form, []
    codes = set(form.all("to"))
    for urging, ids in await _late_by_recipient(request, chosen):
        if urging.code not in codes:
            continue
        try:
            urging_done = await follow_up.urge(
                *request.outgoing,
                urging.code,
                by=request.person.person.name,
                how=form.text("how"),
                text=form.text("text"),
                every=request.deps.urge_every,
                only=ids,
            )
            count = sum(late.id in ids for late in urging_done.late)
            text, ok = request.say("listing.done.don-doc", count=count), True
        except GatewayError as error:
            text, ok = request.why(error), False
        outcomes.append(
            BulkOutcome(number=urging.name or urging.code, path=PATHS[Side.OUT], ok=ok, text=text)
        )
    return outcomes


async def _late_by_recipient(
    request: PageRequest, chosen: ChosenRows
) -> list[tuple[Urging, tuple[str, ...]]]:
    """Return, per recipient, its late documents and whom to phone, and the chosen ones among them."""
    ids = {c.id for c in chosen.accepted}
    async with request.deps.store.read(request.scope()) as work:
        deliveries_by_id = await work.deliveries.of_documents(sorted(ids))
    late_codes = {
        delivery.recipient.code
        for deliveries in deliveries_by_id.values()
        for delivery in deliveries
        if delivery.state in AWAITED
    }
    urgings = [
        await follow_up.urging_of(*request.outgoing, code, request.deps.urge_every)
        for code in sorted(late_codes)
    ]
    with_ids = [(c, tuple(d.id for d in c.late if d.id in ids)) for c in urgings]
    return [(c, late_ids) for c, late_ids in with_ids if late_ids]


_RUN: dict[BulkAct, Callable[[PageRequest, ChosenRows], Awaitable[list[BulkOutcome]]]] = {
    BulkAct.RESEND: partial(_run_all, row_act=_resend),
    BulkAct.CANCEL: partial(_run_all, row_act=_cancel),
    BulkAct.URGE: _urge,
    BulkAct.TAKE_IN: partial(_run_all, row_act=_take_in),
    BulkAct.REFUSE: partial(_run_all, row_act=_refuse),
    BulkAct.SUBMIT: partial(_run_all, row_act=_submit),
    BulkAct.MARK_READ: _read,
    BulkAct.OFFER: partial(_run_all, row_act=_offer),
    BulkAct.TAG: partial(_run_all, row_act=_tag),
    BulkAct.UNTAG: _untag,
    BulkAct.FILE: partial(_run_all, row_act=_file),
    BulkAct.PRESERVE: _preserve,
}

ROUTES = (
    *(
        route
        for side, key in MENU.items()
        for at in (f"/danh-sach{PATHS[side]}",)
        for route in (
            get(at, f"{key}_many", partial(preview, side=side), needs=SEE, key=key),
            post(
                f"{at}/lam/{{act}}", f"{key}_many_done", partial(apply, side=side), needs=_ACTS[side], key=key
            ),
        )
    ),
    get("/danh-sach/ket-qua/{key}", "many_result", show_result, needs=SEE),
)
