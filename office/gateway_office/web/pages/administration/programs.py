"""Programs of an agency: their API keys, the calls of each, and how to begin with one; their webhooks. In: an
administrator. Out: the list of keys; a new key, or a second one for changing over, its secret shown once on the answer
itself; a revoked one; one page of calls for each key, ended ones too, newest first, by outcome and by route, with how many
today and how many failed just now; the first calls of a program, in six languages, with this node's address and the
agency's code in them. The content of calls is not known here, and no key is in a page, for none can be read again. Of
webhooks the list, a new one, the fate of each event, and a person's acts: try, send again, pause, go on, another secret,
remove. An endpoint's answer is another's text: it is shown as text, cut and cleaned."""

from __future__ import annotations

import shlex
from datetime import timedelta

from aiohttp import web
from markupsafe import Markup

from gateway.domain import account, feed
from gateway.domain.account import (
    MOST_CALLS_OF_A_KEY,
    MOST_KEY_NETWORKS,
    AgencyScope,
    ApiCall,
    ApiKey,
    ApiScope,
    CallCount,
    KeyAuth,
    Network,
)
from gateway.domain.wall_clock import local
from gateway.domain.webhook import LONGEST_NOTE, DeliveryState, Endpoint, EndpointState
from gateway.errors import BadForm, Clash, NotFound
from gateway.webhooks import NewWebhook, parse_sequence
from gateway_office.accounts import program_keys
from gateway_office.accounts.program_keys import WantedKey
from gateway_office.web import answers, dates
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import HOME, Place, both, get, post

KEYS, HOOKS = f"{HOME}/khoa-api", f"{HOME}/webhook"
LIVES = (30, 90, 180, 365)
_FIELDS = {
    "GW-KEY-NAME": "name",
    "GW-KEY-SCOPES": "scopes",
    "GW-KEY-LIFE": "life",
    "GW-KEY-NETWORKS": "networks",
}
_LONGEST_QUOTE = 60


async def list_keys(request: PageRequest) -> web.StreamResponse:
    agency, now = await accounts.chosen_agency(request), request.person.at
    keys = await program_keys.listed(
        request.deps.accounts, request.deps.store.accounts, accounts.administrator(request), agency.id
    )
    return await request.page(
        "admin/keys.html",
        title=request.say("keys.title"),
        rows=[(k, k.state(now)) for k in keys],
        today=await request.deps.store.calls.counts([k.id for k in keys], dates.midnight(request.today)),
        here=agency,
        places=[(k.key, k.name) for k in await accounts.list_agencies(request)],
    )


async def key_form(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    sees_all = accounts.is_everywhere(request)
    return await request.form_page(
        "admin/key_new.html",
        problems,
        title=request.say("keys.new"),
        here=await accounts.chosen_agency(request),
        scopes=[scope for scope in ApiScope if sees_all or scope in program_keys.OF_AGENCY],
        ticked=_ticked_scopes(request) if request.is_act else program_keys.DAILY,
        most_networks=MOST_KEY_NETWORKS,
        lives=[(str(n), request.say("keys.days", days=n)) for n in LIVES],
        values=request.form.flat(),
    )


def _ticked_scopes(request: PageRequest) -> frozenset[ApiScope]:
    return frozenset(scope for scope in ApiScope if scope in request.form.all("scopes"))


@faults_on(key_form, Clash, fields=_FIELDS, other="name")
async def make_key(request: PageRequest) -> web.StreamResponse:
    form, agency = request.form, await accounts.chosen_agency(request)
    life = next((n for n in LIVES if str(n) == form.text("life")), LIVES[-1])
    networks, problems = _read_networks(request, form.text("networks"))
    if problems:
        return await key_form(request, problems)
    key_wish = WantedKey(
        name=form.text("name"), scopes=_ticked_scopes(request), life=timedelta(days=life), networks=networks
    )
    return await _make_key(request, agency, key_wish)


async def rotate_key(request: PageRequest) -> web.StreamResponse:
    """Make a second key with the same name, scopes, life, networks and certificate; the first stays valid until it is
    revoked or expires."""
    agency, key = await _open_key(request)
    # A key of a certificate has no secret. A system's secret is the node administrator's: a page that is left
    # open would show what signs every call.
    if key.way is KeyAuth.CERTIFICATE:
        raise Clash("bind another certificate by: gateway tokens bind", code="GW-CERT-SECRET")
    if key.system is not None:
        raise Clash("a document system gets another secret by: gateway compat rotate", code="GW-KEY-SYSTEM")
    if not request.is_act:
        return await _ask(request, agency, key, "rotate")
    span = (key.expires_at - key.created_at) if key.expires_at is not None else timedelta(days=LIVES[-1])
    key_wish = WantedKey(
        name=key.principal.name,
        scopes=key.scopes,
        life=min(span, timedelta(days=LIVES[-1])),
        networks=key.networks,
        key_kind=key.way,
        certificate=key.certificate,
    )
    return await _make_key(request, agency, key_wish)


async def revoke_key(request: PageRequest) -> web.StreamResponse:
    agency, key = await _open_key(request)
    if not request.is_act:
        return await _ask(request, agency, key, "revoke", grave=True)
    deps, by = request.deps, accounts.administrator(request)
    await program_keys.revoke(deps.accounts, deps.store.accounts, by, agency.id, key.id)
    # The page of webhooks lists them, each with why it is paused.
    if await deps.webhooks.rows.pause_without_key(key.principal.id, by.principal_id):
        return request.confirm(HOOKS, "keys.revoked_with_webhooks", **{"co-quan": agency.key})
    return request.confirm(KEYS, "keys.revoked", **{"co-quan": agency.key})


async def _ask(
    request: PageRequest, agency: Place, key: ApiKey, act: str, *, grave: bool = False
) -> web.Response:
    return await request.question(
        None,
        f"keys.{act}",
        back=KEYS,
        query={"co-quan": agency.key},
        grave=grave,
        name=key.principal.name,
        prefix=key.prefix or key.id,
    )


def _read_networks(request: PageRequest, text: str) -> tuple[tuple[Network, ...], Problems]:
    """Read one network per line, and list the problems of unreadable lines."""
    networks, problems = [], []
    for at, line in enumerate(text.splitlines(), 1):
        if not (text_of_line := line.strip()):
            continue
        try:
            networks.append(account.read_network(text_of_line))
        except ValueError:
            problem = request.say("keys.networks.wrong", line=at, text=text_of_line[:_LONGEST_QUOTE])
            problems.append(("networks", problem))
    return tuple(networks), problems


async def _make_key(request: PageRequest, agency: Place, key_wish: WantedKey) -> web.Response:
    secret, key = await program_keys.make(
        request.deps.accounts,
        request.deps.store.accounts,
        accounts.administrator(request),
        agency.id,
        key_wish,
        everywhere=accounts.is_everywhere(request),
    )
    return await request.page(
        "admin/once.html",
        title=request.say("keys.made"),
        once=request.say("keys.once"),
        about=(request.say("keys.name"), key.principal.name, ""),
        name=request.say("keys.secret"),
        secret=secret,
        key=key,
        here=agency,
        back=url_for("/quan-tri/khoa-api", **{"co-quan": agency.key}),
        kept=request.say("keys.kept"),
    )


async def _open_key(request: PageRequest) -> tuple[Place, ApiKey]:
    """Load a key that is still valid."""
    agency, key = await _load_key(request)
    if key.state(request.person.at) != "active":
        raise Clash("this key opens nothing any more", code="GW-KEY-OVER")
    return agency, key


async def _load_key(request: PageRequest) -> tuple[Place, ApiKey]:
    """Load a key of an administered agency. Raise NotFound for another's, and for one that serves several."""
    deps, id = request.deps, request.path("id")
    owner = next((k.agency_ids for k in await deps.store.accounts.list_keys() if k.id == id), ())
    agency = next((p for p in await accounts.list_agencies(request) if (p.agency_id,) == owner), None)
    if agency is None:
        raise NotFound("there is no such API key")
    by = accounts.administrator(request)
    return agency, await program_keys.find_key(deps.accounts, deps.store.accounts, by, agency.id, id)


CALLS = f"{KEYS}/{{id}}/nhat-ky"
_CALLS_PER_PAGE = 50
_HOUR = timedelta(hours=1)
_FAILED_CALLS = "loi"


async def show_calls(request: PageRequest) -> web.StreamResponse:
    _, key = await _load_key(request)
    errors, route = request.ask("ket-qua") == _FAILED_CALLS, request.ask("dia-chi")
    calls = request.deps.store.calls
    listed = await calls.list_calls(
        key.id, _CALLS_PER_PAGE + 1, errors=errors, route=route, before_id=request.ask("truoc")
    )
    page = listed[:_CALLS_PER_PAGE]
    path = f"{KEYS}/{key.id}/nhat-ky"
    query = merged(dict(request.http.query), truoc=None)
    older = url_for(path, **{**query, "truoc": page[-1].id}) if len(listed) > _CALLS_PER_PAGE else ""
    hour = await calls.counts([key.id], request.person.at - _HOUR)
    today = await calls.counts([key.id], dates.midnight(request.today))
    return await request.page(
        "admin/key_calls.html",
        title=request.say("calls.title", name=key.principal.name),
        key=key,
        path=path,
        # Lines are compared with a program's own log, to the second.
        rows=[(call, f"{local(call.at):%d/%m/%Y %H:%M:%S}", _curl(request, call)) for call in page],
        older=older,
        newest=url_for(path, **{name: query[name] for name in ("ket-qua", "dia-chi") if name in query})
        if request.ask("truoc")
        else "",
        results=[("", request.say("calls.every")), (_FAILED_CALLS, request.say("calls.errors"))],
        routes=[("", request.say("calls.every")), *((r, r) for r in await calls.routes(key.id))],
        asked={"errors": _FAILED_CALLS if errors else "", "route": route},
        today=today.get(key.id, CallCount()),
        hour=hour.get(key.id, CallCount()),
        days=request.deps.settings.api.calls_days,
        most=MOST_CALLS_OF_A_KEY,
    )


def _curl(request: PageRequest, call: ApiCall) -> str:
    """Write the command that repeats it; the reader fills in the key and the parameters of the address."""
    node = accounts.address_of_node(request).rstrip("/")
    address, key = shlex.quote(node + call.route), shlex.quote("Authorization: Bearer gwk_…")
    return f"curl -X {call.method} {address} -H {key}"


_LANGUAGES = (
    *(("curl", "curl"), ("python", "Python"), ("java", "Java")),
    *(("csharp", "C#"), ("php", "PHP"), ("node", "Node.js")),
)


async def show_start(request: PageRequest) -> web.StreamResponse:
    agency = await accounts.chosen_agency(request)
    hosted = [a.code for a in await request.deps.store.hosted() if a.left_at is None]
    values = {
        "node": accounts.address_of_node(request),
        "code": agency.key,
        "key": "gwk_…",
        "to": next((a for a in hosted if a != agency.key), agency.key),
        "today": local(request.person.at).date().isoformat(),
    }
    meta = _start_text("meta.json", values)
    samples = [(key, name, _start_text(f"{key}.txt", {**values, "meta": meta})) for key, name in _LANGUAGES]
    return await request.page(
        "admin/start.html",
        title=request.say("start.title"),
        here=agency,
        places=[(place.key, place.name) for place in await accounts.list_agencies(request)],
        meta=meta,
        samples=samples,
    )


def _start_text(name: str, values: dict[str, str]) -> str:
    """Render a text that is escaped once, where the page shows it."""
    plain = {key: Markup(text) for key, text in values.items()}  # noqa: S704 - escaped by the page
    return str(answers.templates().get_template(f"admin/start/{name}").render(plain))


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
    get(KEYS, "api_keys", list_keys),
    *both(f"{KEYS}/moi", "api_key_new", "api_key_made", make_key),
    *both(f"{KEYS}/{{id}}/thay-khoa", "api_key_rotate", "api_key_rotated", rotate_key),
    *both(f"{KEYS}/{{id}}/thu-hoi", "api_key_revoke", "api_key_revoked", revoke_key),
    get(CALLS, "api_key_calls", show_calls),
    get(f"{KEYS}/bat-dau", "api_start", show_start),
    get(HOOKS, "webhooks", list_hooks),
    *both(f"{HOOKS}/moi", "webhook_new", "webhook_made", make_hook),
    get(_ONE_HOOK, "webhook", show_hook),
    post(f"{_ONE_HOOK}/gui-thu", "webhook_tried", try_hook),
    post(f"{_ONE_HOOK}/gui-lai", "webhook_sent_again", redeliver),
    *both(f"{_ONE_HOOK}/lam/{{act}}", "webhook_act", "webhook_acted", act_on_hook),
)
