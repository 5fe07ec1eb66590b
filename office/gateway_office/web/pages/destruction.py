"""Acts of destruction of the agency (R102): the list, a proposal by rule, an act with its lines, its signed list, and its
steps: the council's record, the approval and the confirmation, which two persons prove with password and second factor, and
the stop. In: the forms, an act's id. Out: the pages, or the act as it now is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from gateway import destruction
from gateway.domain.destruction import (
    LONGEST_MEMBERS,
    LONGEST_NUMBER,
    LONGEST_REASON,
    STOPPABLE,
    ActState,
    Destruction,
    DestructionRule,
    Obstacle,
)
from gateway.errors import Clash, NotFound
from gateway.store.destruction import open_destructions
from gateway_office.domain.roles import Manner, Right
from gateway_office.web import dates, display_names, routes
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.agencies import common
from gateway_office.web.routes import Needs

PATH = "/so-van-ban/tieu-huy"
_ROWS = 50
_STEPS = {"bien-ban": "assess", "duyet": "approve", "xac-nhan": "confirm", "dung": "stop"}
_NEXT = {ActState.PROPOSED: "bien-ban", ActState.ASSESSED: "duyet", ActState.APPROVED: "xac-nhan"}
_NOTICES = {"assess": "assessed", "approve": "approved", "confirm": "confirmed", "stop": "stopped"}
_PREPARES = (Needs(right=Right.DESTROY, manners=(Manner.PROPOSE, Manner.YES)),)
_APPROVES = (Needs(right=Right.DESTROY, manners=(Manner.YES,)),)
_CONFIRMS = (Needs(right=Right.DESTROY, manners=(Manner.YES, Manner.EXECUTE_TWO)),)
_LONGEST = {"reason": LONGEST_REASON, "number": LONGEST_NUMBER, "members": LONGEST_MEMBERS}
get, post, both = routes.sharing(needs=(Needs(right=Right.DESTROY),), key="books")


async def show_acts(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    async with request.deps.store.read(request.scope()) as work:
        page = await open_destructions(work).page(limit=_ROWS, cursor=request.ask("sau")[:200] or None)
    return await request.form_page(
        "books/destructions.html",
        problems,
        title=request.say("books.destruction"),
        acts=page.items,
        following=page.next_cursor,
        longest=_LONGEST,
    )


@faults_on(show_acts, Clash, NotFound)
async def propose(request: PageRequest) -> web.StreamResponse:
    text, deps = request.form.text, request.deps
    last_day = dates.typed_day(text("until"), request.today)
    if last_day is None:
        return await show_acts(request, [("until", request.say("books.day.unreadable"))])
    classes = tuple(filter(None, map(str.strip, text("classes").splitlines())))
    documents, handed_over = tuple(text("documents").split()), "handed_over" in request.form
    rule = DestructionRule(until=last_day, classes=classes, documents=documents, handed_over=handed_over)
    act = await destruction.propose(deps.store, deps.clock, request.scope(), rule, text("reason"))
    return request.confirm(f"{PATH}/{act.id}", "books.destruction.proposed")


async def show_act(request: PageRequest) -> web.StreamResponse:
    last = request.ask("sau")
    async with request.deps.store.read(request.scope()) as work:
        act = await open_destructions(work).get(request.path("id"))
        items = await open_destructions(work).items(
            act.id, limit=_ROWS + 1, last_n=int(last) if last.isdecimal() else 0
        )
    step = _NEXT.get(act.state, "")
    acted = request.person.person.id in act.people
    people = set(act.people) | ({act.council.by} if act.council else set())
    return await request.page(
        "books/destruction.html",
        title=request.say("books.destruction"),
        act=act,
        items=items[:_ROWS],
        following=items[_ROWS - 1].n if len(items) > _ROWS else None,
        obstacles={name: act.counts[name] for name in Obstacle if act.counts.get(name)},
        names=await display_names.names_of(
            request, people | {act.stopped.by} if act.stopped else people, "incoming.by"
        ),
        step=(step, _STEPS[step]) if step and (step == "bien-ban" or not acted) else None,
        may_stop=act.state in STOPPABLE,
    )


async def send_list(request: PageRequest) -> web.StreamResponse:
    act_id = request.path("id")
    with request.deps.blobs.scratch() as scratch:
        await request.deps.evidence.write_destroyed(request.scope(), act_id, scratch.file)
        return await request.send_scratch_file(scratch.file, f"danh-muc-tieu-huy-{act_id}.jsonl", "jsonl")


async def take_step(request: PageRequest) -> web.StreamResponse:
    """Take the step that the address names, once its form is sent and complete."""
    key, id = _STEPS[request.http.path.rpartition("/")[2]], request.path("id")
    async with request.deps.store.read(request.scope()) as work:
        act = await open_destructions(work).get(id)
    problems = Problems()
    if request.is_act:
        problems = await _perform(request, key, id)
        if not problems:
            return request.confirm(f"{PATH}/{id}", f"books.destruction.{_NOTICES[key]}")
    text = f"books.destruction.{key}.text" if key != "assess" else "books.destruction.lead"
    return await request.question(
        problems,
        f"books.destruction.{key}",
        text,
        f"books.destruction.{key}",
        back=f"{PATH}/{id}",
        about=(act.reason, act.decision),
        part="books/_destruction_step.html",
        which=key,
        longest=_LONGEST,
        look="card",
        grave=key == "confirm",
    )


async def _perform(request: PageRequest, key: str, id: str) -> Problems:
    deps, text, number = request.deps, request.form.text, request.form.text("number")
    day = dates.typed_day(text("day"), request.today)
    if key in ("assess", "approve") and day is None:
        return [("day", request.say("books.day.unreadable"))]
    place, on = (deps.store, deps.clock, request.scope(), id), day or request.today
    acts: dict[str, Callable[[], Awaitable[Destruction]]] = {
        "assess": partial(destruction.assess, *place, number, on, text("members")),
        "approve": partial(destruction.approve, *place, number, on),
        "confirm": partial(destruction.confirm, *place),
        "stop": partial(destruction.stop, *place, text("reason")),
    }
    if key in ("approve", "confirm"):
        return (await common.perform_signed(request, Problems(), lambda person: acts[key]()))[1]
    try:
        await acts[key]()
    except Clash as error:
        return [("", request.why(error))]
    return Problems()


ROUTES = (
    get(PATH, "destructions", show_acts),
    post(PATH, "destruction_proposed", propose, needs=_PREPARES),
    get(f"{PATH}/{{id}}", "destruction", show_act),
    get(f"{PATH}/{{id}}/danh-muc", "destruction_list", send_list),
    *both(
        f"{PATH}/{{id}}/bien-ban", "destruction_assess", "destruction_assessed", take_step, needs=_PREPARES
    ),
    *both(f"{PATH}/{{id}}/duyet", "destruction_approve", "destruction_approved", take_step, needs=_APPROVES),
    *both(
        f"{PATH}/{{id}}/xac-nhan", "destruction_confirm", "destruction_confirmed", take_step, needs=_CONFIRMS
    ),
    *both(f"{PATH}/{{id}}/dung", "destruction_stop", "destruction_stopped", take_step, needs=_PREPARES),
)
