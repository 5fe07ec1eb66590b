"""Webhooks of an agency's programs: the list, a new one, what became of each event, and what a person does about it: try,
send again, pause, let go on, another secret, remove. In: an administrator. Out: pages; a secret is shown once, on the
answer itself. What an endpoint answered is another's text: it is shown as text, cut and cleaned."""

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
_ONE = f"{HOOKS}/{{id}}"
_SHOWN = 50
_OVERLAPS = (0, 1, 24, 168)
_FIELDS = {"GW-HOOK-NOTE": "note", "GW-HOOK-TYPE": "types"}
# By the word in the address.
_ACTS = {"tam-dung": "pause", "tiep-tuc": "resume", "doi-khoa": "rotate", "xoa": "remove"}
_STATES = {"loi": DeliveryState.FAILED, "cho": DeliveryState.WAITING, "xong": DeliveryState.DELIVERED}


async def hooks_listed(visit: Visit) -> web.StreamResponse:
    here = await accounts.agency_here(visit)
    found = await visit.deps.webhooks.listed(here.id)
    return await visit.page(
        "admin/webhooks.html",
        title=visit.say("webhook.title"),
        rows=[(each, standing(each)) for each in found],
        figures=await visit.deps.webhooks.rows.figures(here.id, [each.id for each in found]),
        here=here,
        places=[(each.key, each.name) for each in await accounts.agencies_open(visit)],
    )


def standing(endpoint: Endpoint) -> str:
    """The one word for how it goes."""
    return "failing" if endpoint.is_failing else endpoint.state.value


async def hook_made(visit: Visit) -> web.StreamResponse:
    form, here = visit.form, await accounts.agency_here(visit)
    if not visit.is_act:
        return await _form(visit, here, {}, set(), [])
    ticked = {each for each in _kinds() if each in form.all("types")}
    wanted = WantedEndpoint(
        url=form.text("url"),
        types=tuple(f"{each}.*" for each in _kinds() if each in ticked),
        note=form.text("note"),
    )
    try:
        secret, endpoint = await visit.deps.webhooks.add(_scope(visit, here), wanted)
    except (BadForm, Clash) as why:
        return await _form(visit, here, form.flat(), ticked, [(_FIELDS.get(why.code, "url"), visit.why(why))])
    return await _secret(visit, here, endpoint, secret, "webhook.made")


async def hook_shown(visit: Visit) -> web.StreamResponse:
    here, endpoint = await _found(visit)
    return await _log(visit, here, endpoint, None)


async def hook_tried(visit: Visit) -> web.StreamResponse:
    """What came of it stands on the page of the webhook itself."""
    here, endpoint = await _found(visit)
    done = await visit.deps.webhooks.test(_scope(visit, here), endpoint.id, here.key)
    return await _log(visit, here, endpoint, done)


async def _log(visit: Visit, here: Place, endpoint: Endpoint, tried: object) -> web.Response:
    asked, before = visit.ask("ket-qua"), visit.ask("truoc")
    found, has_more = await visit.deps.webhooks.log(
        endpoint.agency_id,
        endpoint.id,
        _SHOWN,
        before=int(before) if before.isascii() and before.isdigit() and len(before) <= 18 else 0,
        state=_STATES.get(asked),
    )
    path, kept = f"{HOOKS}/{endpoint.id}", merged(dict(visit.request.query), truoc=None)
    figures = await visit.deps.webhooks.rows.figures(endpoint.agency_id, [endpoint.id])
    return await visit.page(
        "admin/webhook.html",
        title=visit.say("webhook.one", host=endpoint.host),
        here=here,
        hook=endpoint,
        word=standing(endpoint),
        figures=figures[endpoint.id],
        secrets=[each.until for each in endpoint.secrets if each.until and visit.person.at < each.until],
        tried=tried,
        path=path,
        # Beside a program's own log it is the second that counts.
        rows=[(each, f"{local(each.at):%d/%m/%Y %H:%M:%S}") for each in found],
        older=where(path, **{**kept, "truoc": str(found[-1].sequence)}) if has_more else "",
        newest=where(path, **kept) if before else "",
        results=[
            ("", visit.say("webhook.every")),
            *((key, visit.say(f"webhook.delivery.{state}")) for key, state in _STATES.items()),
        ],
        asked=asked if asked in _STATES else "",
    )


async def hook_sent_again(visit: Visit) -> web.StreamResponse:
    here, endpoint = await _found(visit)
    given = visit.form.text("event")
    these = [sequence_in(given)] if given else None
    await visit.deps.webhooks.redeliver(_scope(visit, here), endpoint.id, these)
    return visit.said(f"{HOOKS}/{endpoint.id}", "webhook.again.done")


async def hook_acted(visit: Visit) -> web.StreamResponse:
    here, endpoint = await _found(visit)
    if (act := _ACTS.get(visit.path("act"))) is None:
        raise NotFound("there is no such act")
    desk, scope = visit.deps.webhooks, _scope(visit, here)
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
            overlaps=[(str(each), visit.say("webhook.hours", hours=each)) for each in _OVERLAPS],
        )
    if act == "rotate":
        hours = next((each for each in _OVERLAPS if str(each) == visit.form.text("overlap")), 24)
        secret, endpoint = await desk.rotate(scope, endpoint.id, timedelta(hours=hours))
        return await _secret(visit, here, endpoint, secret, "webhook.rotated")
    if act == "remove":
        await desk.remove(scope, endpoint.id)
        return visit.said(HOOKS, "webhook.removed", **{"co-quan": here.key})
    turn = desk.pause if act == "pause" else desk.resume
    # Whoever pressed twice, or was beaten by another, sees it as they wanted it.
    if (endpoint.state is EndpointState.PAUSED) != (act == "pause"):
        await turn(scope, endpoint.id)
    return visit.said(f"{HOOKS}/{endpoint.id}", f"webhook.{act}.done")


async def _secret(visit: Visit, here: Place, endpoint: Endpoint, secret: str, title: str) -> web.Response:
    return await visit.page(
        "admin/webhook_secret.html", title=visit.say(title), secret=secret, hook=endpoint, here=here
    )


async def _form(
    visit: Visit, here: Place, values: dict[str, str], ticked: set[str], problems: Problems
) -> web.Response:
    return await visit.form_page(
        "admin/webhook_new.html",
        problems,
        title=visit.say("webhook.new"),
        here=here,
        kinds=_kinds(),
        ticked=ticked,
        longest=LONGEST_NOTE,
        values=values,
    )


def _kinds() -> list[str]:
    """The first words of the types that programs read."""
    return list(dict.fromkeys(each.partition(".")[0] for each in feed.readable(feed.EVENT_SCOPES)))


def _scope(visit: Visit, here: Place) -> AgencyScope:
    return AgencyScope(agency_id=here.id, principal_id=visit.person.person.id)


async def _found(visit: Visit) -> tuple[Place, Endpoint]:
    """Of an agency that is administered; NotFound for another's."""
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
    get(_ONE, "webhook", hook_shown, **_AT),
    post(f"{_ONE}/gui-thu", "webhook_tried", hook_tried, **_AT),
    post(f"{_ONE}/gui-lai", "webhook_sent_again", hook_sent_again, **_AT),
    *both(f"{_ONE}/lam/{{act}}", "webhook_act", "webhook_acted", hook_acted, **_AT),
)
