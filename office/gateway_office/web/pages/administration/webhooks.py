"""Webhooks of an agency. In: an administrator. Out: the list, a new one, the fate of each event, or a person's act: try,
send again, pause, go on, another secret, remove. An endpoint's answer is another's text: it is shown as text, cut and
cleaned."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from gateway.domain import feed
from gateway.domain.account import AgencyScope
from gateway.domain.wall_clock import local
from gateway.domain.webhook import LONGEST_NOTE, DeliveryState, Endpoint, EndpointState
from gateway.errors import BadForm, Clash, NotFound
from gateway.webhooks import NewWebhook, parse_sequence
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import HOME, Place, both, get, post

HOOKS = f"{HOME}/webhook"
_ONE_HOOK = f"{HOOKS}/{{id}}"
_EVENTS_PER_PAGE = 50
_OVERLAPS = (0, 1, 24, 168)
_HOOK_FIELDS = {"GW-HOOK-NOTE": "note", "GW-HOOK-TYPE": "types"}
# By the word in the address.
_HOOK_ACTS = {"tam-dung": "pause", "tiep-tuc": "resume", "doi-khoa": "rotate", "xoa": "remove"}
_HOOK_STATES = {"loi": DeliveryState.FAILED, "cho": DeliveryState.WAITING, "xong": DeliveryState.DELIVERED}


async def list_hooks(request: PageRequest) -> web.StreamResponse:
    agency = await accounts.chosen_agency(request)
    hooks = await request.deps.webhooks.list(agency.id)
    return await request.page(
        "admin/webhooks.html",
        title=request.say("webhook.title"),
        rows=[(e, standing(e)) for e in hooks],
        figures=await request.deps.webhooks.rows.figures(agency.id, [e.id for e in hooks]),
        here=agency,
        places=[(e.key, e.name) for e in await accounts.list_agencies(request)],
    )


def standing(endpoint: Endpoint) -> str:
    """Return the one word for how it goes."""
    return "failing" if endpoint.is_failing else endpoint.state.value


async def hook_form(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    return await request.form_page(
        "admin/webhook_new.html",
        problems,
        title=request.say("webhook.new"),
        here=await accounts.chosen_agency(request),
        kinds=_hook_kinds(),
        ticked=_ticked_kinds(request),
        longest=LONGEST_NOTE,
        values=request.form.flat(),
    )


def _ticked_kinds(request: PageRequest) -> list[str]:
    return [kind for kind in _hook_kinds() if kind in request.form.all("types")]


@faults_on(hook_form, BadForm, Clash, fields=_HOOK_FIELDS, other="url")
async def make_hook(request: PageRequest) -> web.StreamResponse:
    form, agency = request.form, await accounts.chosen_agency(request)
    endpoint_wish = NewWebhook(
        url=form.text("url"),
        types=tuple(f"{kind}.*" for kind in _ticked_kinds(request)),
        note=form.text("note"),
    )
    secret, endpoint = await request.deps.webhooks.add(_hook_scope(request, agency), endpoint_wish)
    return await _hook_secret(request, agency, endpoint, secret, "webhook.made")


async def show_hook(request: PageRequest) -> web.StreamResponse:
    agency, endpoint = await _load_hook(request)
    return await _hook_log(request, agency, endpoint, None)


async def try_hook(request: PageRequest) -> web.StreamResponse:
    """Send a test event; its outcome stands on the page of the webhook itself."""
    agency, endpoint = await _load_hook(request)
    outcome = await request.deps.webhooks.test(_hook_scope(request, agency), endpoint.id, agency.key)
    return await _hook_log(request, agency, endpoint, outcome)


async def _hook_log(request: PageRequest, agency: Place, endpoint: Endpoint, tried: object) -> web.Response:
    state_word, cursor = request.ask("ket-qua"), request.ask("truoc")
    events, has_more = await request.deps.webhooks.log(
        endpoint.agency_id,
        endpoint.id,
        _EVENTS_PER_PAGE,
        before_sequence=int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) <= 18 else 0,
        state=_HOOK_STATES.get(state_word),
    )
    path, query = f"{HOOKS}/{endpoint.id}", merged(dict(request.http.query), truoc=None)
    figures = await request.deps.webhooks.rows.figures(endpoint.agency_id, [endpoint.id])
    return await request.page(
        "admin/webhook.html",
        title=request.say("webhook.one", host=endpoint.host),
        here=agency,
        hook=endpoint,
        word=standing(endpoint),
        figures=figures[endpoint.id],
        secrets=[e.until for e in endpoint.secrets if e.until and request.person.at < e.until],
        tried=tried,
        path=path,
        # Events are compared with a program's own log, to the second.
        rows=[(e, f"{local(e.at):%d/%m/%Y %H:%M:%S}") for e in events],
        older=url_for(path, **{**query, "truoc": str(events[-1].sequence)}) if has_more else "",
        newest=url_for(path, **query) if cursor else "",
        results=[
            ("", request.say("webhook.every")),
            *((key, request.say(f"webhook.delivery.{state}")) for key, state in _HOOK_STATES.items()),
        ],
        asked=state_word if state_word in _HOOK_STATES else "",
    )


async def redeliver(request: PageRequest) -> web.StreamResponse:
    agency, endpoint = await _load_hook(request)
    typed_event = request.form.text("event")
    sequences = [parse_sequence(typed_event)] if typed_event else None
    await request.deps.webhooks.redeliver(_hook_scope(request, agency), endpoint.id, sequences)
    return request.confirm(f"{HOOKS}/{endpoint.id}", "webhook.again.done")


async def act_on_hook(request: PageRequest) -> web.StreamResponse:
    agency, endpoint = await _load_hook(request)
    if (act := _HOOK_ACTS.get(request.path("act"))) is None:
        raise NotFound("there is no such act")
    services, scope = request.deps.webhooks, _hook_scope(request, agency)
    if not request.is_act:
        return await request.question(
            None,
            f"webhook.{act}",
            host=endpoint.host,
            back=f"{HOOKS}/{endpoint.id}",
            grave=act == "remove",
            part="admin/_questions.html",
            which=act,
            overlaps=[(str(h), request.say("webhook.hours", hours=h)) for h in _OVERLAPS],
        )
    if act == "rotate":
        hours = next((h for h in _OVERLAPS if str(h) == request.form.text("overlap")), 24)
        secret, endpoint = await services.rotate(scope, endpoint.id, timedelta(hours=hours))
        return await _hook_secret(request, agency, endpoint, secret, "webhook.rotated")
    if act == "remove":
        await services.remove(scope, endpoint.id)
        return request.confirm(HOOKS, "webhook.removed", **{"co-quan": agency.key})
    turn = services.pause if act == "pause" else services.resume
    # A person who pressed twice, or after another person, sees it as it was wanted.
    if (endpoint.state is EndpointState.PAUSED) != (act == "pause"):
        await turn(scope, endpoint.id)
    return request.confirm(f"{HOOKS}/{endpoint.id}", f"webhook.{act}.done")


async def _hook_secret(
    request: PageRequest, agency: Place, endpoint: Endpoint, secret: str, title: str
) -> web.Response:
    return await request.page(
        "admin/once.html",
        title=request.say(title),
        once=request.say("webhook.once"),
        about=(request.say("webhook.url"), endpoint.url, "code long"),
        name=request.say("webhook.secret"),
        secret=secret,
        key=None,
        here=agency,
        back=f"/quan-tri/webhook/{endpoint.id}",
        kept=request.say("webhook.kept"),
    )


def _hook_kinds() -> list[str]:
    """List the first words of the types that programs read."""
    return list(dict.fromkeys(t.partition(".")[0] for t in feed.readable(feed.EVENT_SCOPES)))


def _hook_scope(request: PageRequest, agency: Place) -> AgencyScope:
    return AgencyScope(agency_id=agency.id, principal_id=request.person.person.id)


async def _load_hook(request: PageRequest) -> tuple[Place, Endpoint]:
    """Load a webhook of an administered agency. Raise NotFound for another's."""
    id = request.path("id")
    for place in await accounts.list_agencies(request):
        try:
            return place, await request.deps.webhooks.get(place.id, id)
        except NotFound:
            continue
    raise NotFound("there is no such webhook")


ROUTES = (
    get(HOOKS, "webhooks", list_hooks),
    *both(f"{HOOKS}/moi", "webhook_new", "webhook_made", make_hook),
    get(_ONE_HOOK, "webhook", show_hook),
    post(f"{_ONE_HOOK}/gui-thu", "webhook_tried", try_hook),
    post(f"{_ONE_HOOK}/gui-lai", "webhook_sent_again", redeliver),
    *both(f"{_ONE_HOOK}/lam/{{act}}", "webhook_act", "webhook_acted", act_on_hook),
)
