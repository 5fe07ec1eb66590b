"""Webhooks of an agency's programs: the list, a new one, the deliveries of each event, and the acts: test, send again,
pause, resume, rotate the secret, remove. In: an administrator. Out: pages; a secret is shown once, on the answer itself. An
endpoint's response is another's text: it is shown as text, cut and cleaned."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from gateway.domain import feed
from gateway.domain.account import AgencyScope
from gateway.domain.wall_clock import local
from gateway.domain.webhook import LONGEST_NOTE, DeliveryState, Endpoint, EndpointState
from gateway.errors import BadForm, Clash, NotFound
from gateway.office.web.forms import Problems
from gateway.office.web.pages.administration import accounts
from gateway.office.web.pages.administration.accounts import HOME, Place
from gateway.office.web.routes import Who, both, get, post
from gateway.office.web.visits import ADMINISTERS, Visit, merged, where
from gateway.webhooks import WantedEndpoint, sequence_in

HOOKS = f"{HOME}/webhook"
_HOOK_PATH = f"{HOOKS}/{{id}}"
_DELIVERIES_PER_PAGE = 50
_OVERLAPS = (0, 1, 24, 168)
_FIELDS = {"GW-HOOK-NOTE": "note", "GW-HOOK-TYPE": "types"}
# By the word in the address.
_ACTS = {"tam-dung": "pause", "tiep-tuc": "resume", "doi-khoa": "rotate", "xoa": "remove"}
_STATES = {"loi": DeliveryState.FAILED, "cho": DeliveryState.WAITING, "xong": DeliveryState.DELIVERED}


async def hooks_listed(visit: Visit) -> web.StreamResponse:
    place = await accounts.agency_here(visit)
    hooks = await visit.deps.webhooks.listed(place.id)
    return await visit.page(
        "admin/webhooks.html",
        title=visit.say("webhook.title"),
        rows=[(hook, standing(hook)) for hook in hooks],
        figures=await visit.deps.webhooks.rows.figures(place.id, [hook.id for hook in hooks]),
        here=place,
        places=[(place.key, place.name) for place in await accounts.agencies_open(visit)],
    )


def standing(endpoint: Endpoint) -> str:
    """Return the one word for its state."""
    return "failing" if endpoint.is_failing else endpoint.state.value


async def hook_made(visit: Visit) -> web.StreamResponse:
    form, place = visit.form, await accounts.agency_here(visit)
    if not visit.is_act:
        return await _form(visit, place, {}, set(), [])
    ticked = {kind for kind in _kinds() if kind in form.all("types")}
    wish = WantedEndpoint(
        url=form.text("url"),
        types=tuple(f"{kind}.*" for kind in _kinds() if kind in ticked),
        note=form.text("note"),
    )
    try:
        secret, endpoint = await visit.deps.webhooks.add(_scope(visit, place), wish)
    except (BadForm, Clash) as error:
        return await _form(
            visit, place, form.flat(), ticked, [(_FIELDS.get(error.code, "url"), visit.why(error))]
        )
    return await _secret_page(visit, place, endpoint, secret, "webhook.made")


async def hook_shown(visit: Visit) -> web.StreamResponse:
    place, endpoint = await _load_hook(visit)
    return await _log_page(visit, place, endpoint, None)


async def hook_tried(visit: Visit) -> web.StreamResponse:
    """Send a test; its outcome stands on the page of the webhook itself."""
    place, endpoint = await _load_hook(visit)
    done = await visit.deps.webhooks.test(_scope(visit, place), endpoint.id, place.key)
    return await _log_page(visit, place, endpoint, done)


async def _log_page(visit: Visit, place: Place, endpoint: Endpoint, test_outcome: object) -> web.Response:
    state_asked, before = visit.ask("ket-qua"), visit.ask("truoc")
    deliveries, has_more = await visit.deps.webhooks.log(
        endpoint.agency_id,
        endpoint.id,
        _DELIVERIES_PER_PAGE,
        before=int(before) if before.isascii() and before.isdigit() and len(before) <= 18 else 0,
        state=_STATES.get(state_asked),
    )
    path, query = f"{HOOKS}/{endpoint.id}", merged(dict(visit.request.query), truoc=None)
    figures = await visit.deps.webhooks.rows.figures(endpoint.agency_id, [endpoint.id])
    return await visit.page(
        "admin/webhook.html",
        title=visit.say("webhook.one", host=endpoint.host),
        here=place,
        hook=endpoint,
        word=standing(endpoint),
        figures=figures[endpoint.id],
        secrets=[s.until for s in endpoint.secrets if s.until and visit.person.at < s.until],
        tried=test_outcome,
        path=path,
        # Lines are compared with a program's own log, to the second.
        rows=[(delivery, f"{local(delivery.at):%d/%m/%Y %H:%M:%S}") for delivery in deliveries],
        older=where(path, **{**query, "truoc": str(deliveries[-1].sequence)}) if has_more else "",
        newest=where(path, **query) if before else "",
        results=[
            ("", visit.say("webhook.every")),
            *((key, visit.say(f"webhook.delivery.{state}")) for key, state in _STATES.items()),
        ],
        asked=state_asked if state_asked in _STATES else "",
    )


async def hook_sent_again(visit: Visit) -> web.StreamResponse:
    place, endpoint = await _load_hook(visit)
    event_id = visit.form.text("event")
    sequences = [sequence_in(event_id)] if event_id else None
    await visit.deps.webhooks.redeliver(_scope(visit, place), endpoint.id, sequences)
    return visit.said(f"{HOOKS}/{endpoint.id}", "webhook.again.done")


async def hook_acted(visit: Visit) -> web.StreamResponse:
    place, endpoint = await _load_hook(visit)
    if (act := _ACTS.get(visit.path("act"))) is None:
        raise NotFound("there is no such act")
    desk, scope = visit.deps.webhooks, _scope(visit, place)
    if not visit.is_act:
        return await visit.question(
            None,
            f"webhook.{act}.title",
            f"webhook.{act}.means",
            f"webhook.{act}",
            host=endpoint.host,
            back=f"{HOOKS}/{endpoint.id}",
            grave=act == "remove",
            part="admin/_questions.html",
            which=act,
            overlaps=[(str(h), visit.say("webhook.hours", hours=h)) for h in _OVERLAPS],
        )
    if act == "rotate":
        hours = next((h for h in _OVERLAPS if str(h) == visit.form.text("overlap")), 24)
        secret, endpoint = await desk.rotate(scope, endpoint.id, timedelta(hours=hours))
        return await _secret_page(visit, place, endpoint, secret, "webhook.rotated")
    if act == "remove":
        await desk.remove(scope, endpoint.id)
        return visit.said(HOOKS, "webhook.removed", **{"co-quan": place.key})
    change_state = desk.pause if act == "pause" else desk.resume
    # A second press, or a press after another person's, finds the wished state already.
    if (endpoint.state is EndpointState.PAUSED) != (act == "pause"):
        await change_state(scope, endpoint.id)
    return visit.said(f"{HOOKS}/{endpoint.id}", f"webhook.{act}.done")


async def _secret_page(
    visit: Visit, place: Place, endpoint: Endpoint, secret: str, title: str
) -> web.Response:
    return await visit.page(
        "admin/webhook_secret.html", title=visit.say(title), secret=secret, hook=endpoint, here=place
    )


async def _form(
    visit: Visit, place: Place, values: dict[str, str], ticked: set[str], problems: Problems
) -> web.Response:
    return await visit.form_page(
        "admin/webhook_new.html",
        problems,
        title=visit.say("webhook.new"),
        here=place,
        kinds=_kinds(),
        ticked=ticked,
        longest=LONGEST_NOTE,
        values=values,
    )


def _kinds() -> list[str]:
    """List the first words of the types that programs read."""
    return list(dict.fromkeys(name.partition(".")[0] for name in feed.readable(feed.EVENT_SCOPES)))


def _scope(visit: Visit, place: Place) -> AgencyScope:
    return AgencyScope(agency_id=place.id, principal_id=visit.person.person.id)


async def _load_hook(visit: Visit) -> tuple[Place, Endpoint]:
    """Load a webhook of an administered agency. Raise NotFound for another's."""
    id = visit.path("id")
    for place in await accounts.agencies_open(visit):
        try:
            return place, await visit.deps.webhooks.one(place.id, id)
        except NotFound:
            continue
    raise NotFound("there is no such webhook")


_AT = {"who": Who.READY, "needs": ADMINISTERS, "key": "administration"}
ROUTES = (
    get(HOOKS, "webhooks", hooks_listed, **_AT),
    *both(f"{HOOKS}/moi", "webhook_new", "webhook_made", hook_made, **_AT),
    get(_HOOK_PATH, "webhook", hook_shown, **_AT),
    post(f"{_HOOK_PATH}/gui-thu", "webhook_tried", hook_tried, **_AT),
    post(f"{_HOOK_PATH}/gui-lai", "webhook_sent_again", hook_sent_again, **_AT),
    *both(f"{_HOOK_PATH}/lam/{{act}}", "webhook_act", "webhook_acted", hook_acted, **_AT),
)
