"""API keys of an agency's programs. In: an administrator. Out: the list of keys; a new key, or a second one for changing
over, its secret shown once on the answer itself; a revoked one. No key is in a page, for none can be read again."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from gateway.domain import account
from gateway.domain.account import MOST_KEY_NETWORKS, ApiKey, ApiScope, KeyAuth, Network
from gateway.errors import Clash, NotFound
from gateway_office.accounts import program_keys
from gateway_office.accounts.program_keys import WantedKey
from gateway_office.web import dates
from gateway_office.web.addresses import url_for
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import HOME, Place, both, get
from gateway_office.web.pages.administration.webhooks import HOOKS

KEYS = f"{HOME}/khoa-api"
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
    agency, key = await load_key(request)
    if key.state(request.person.at) != "active":
        raise Clash("this key opens nothing any more", code="GW-KEY-OVER")
    return agency, key


async def load_key(request: PageRequest) -> tuple[Place, ApiKey]:
    """Load a key of an administered agency. Raise NotFound for another's, and for one that serves several."""
    deps, id = request.deps, request.path("id")
    owner = next((k.agency_ids for k in await deps.store.accounts.list_keys() if k.id == id), ())
    agency = next((p for p in await accounts.list_agencies(request) if (p.agency_id,) == owner), None)
    if agency is None:
        raise NotFound("there is no such API key")
    by = accounts.administrator(request)
    return agency, await program_keys.find_key(deps.accounts, deps.store.accounts, by, agency.id, id)


ROUTES = (
    get(KEYS, "api_keys", list_keys),
    *both(f"{KEYS}/moi", "api_key_new", "api_key_made", make_key),
    *both(f"{KEYS}/{{id}}/thay-khoa", "api_key_rotate", "api_key_rotated", rotate_key),
    *both(f"{KEYS}/{{id}}/thu-hoi", "api_key_revoke", "api_key_revoked", revoke_key),
)
