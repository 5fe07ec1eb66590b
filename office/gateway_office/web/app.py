"""Routes of the pages over an open node. In: a node, its health probe, its network entry. Out: the dependencies of the
pages, and a table of routes: every page of `gateway_office.web.pages`, the static files, and the node's status page. Loaded
on the first request for a page. The status page tells whether the node works, how much waits, what needs a person:
server-rendered HTML, Vietnamese first, without scripts, under a policy that loads its stylesheet alone. It tells nothing of
agencies or documents, so it needs no sign-in."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache, partial

from aiohttp import web

from gateway import __version__
from gateway.api.admission import Entry
from gateway.api.compression import takes_gzip
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import GatewayError
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ports.services import Clock, HealthProbe
from gateway.store import reporting
from gateway.store.store import SqlStore
from gateway.words import labels
from gateway_office.bootstrap.office import Office, widen
from gateway_office.node.exchange import TokenSigning, find_partners
from gateway_office.node.journal import NodeJournal
from gateway_office.node.machine import BackupCopies
from gateway_office.notices import NoticeBoard
from gateway_office.notifications import RingBoard
from gateway_office.todo import TaskCount
from gateway_office.web import answers, icons, page_handling
from gateway_office.web.deps import Previews, WebDeps
from gateway_office.web.pages import ROUTES
from gateway_office.web.routes import Access, PageRoute, get

NOWHERE = "/{rest:(?!api/|problems|docs|static/|metrics|healthz|readyz).*}"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_KEPT_BY_BROWSERS = "public, max-age=31536000, immutable"
# Viet Nam has had one offset and no summer time since 1975.
_STATUS_TEMPLATES = answers.bare_templates()
_STATUS_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STATUS_TABLES = ("outbox", "inbox", "job")
# States that stay until a person does something.
_ATTENTION = frozenset(
    {"outbox.failed", "inbox.held", "inbox.quarantined", "inbox.malformed", "inbox.sealed"}
)
# Tables whose words are those of another.
_STATUS_WORDS = {"inbox": "packet", "job": "page.row"}


def deps_of(node: Office, health: HealthProbe, entry: Entry) -> WebDeps:
    """Make the dependencies of the pages."""
    bell = TaskCount(node.todo, node.background)
    emblem = node.settings.pages.emblem
    return widen(
        WebDeps,
        node,
        bell=bell,
        rings=RingBoard(
            bell=bell,
            quarantined=partial(reporting.parked_packets, node.store),
            partners=partial(find_partners, node),
        ),
        previews=Previews(
            keepings=node.store.keepings, planned=node.directory_changes.plan_import, pool=node.pool
        ),
        evidence=EvidenceMaker(node),
        signing=TokenSigning(node),
        health=health,
        copies=BackupCopies(node),
        journal=NodeJournal(node),
        maintenance=node.maintenance,
        notices=NoticeBoard(services=node.todo, rows=node.store.notices),
        entry=entry,
        emblem=icons.read_emblem(emblem) if emblem else None,
    )


def routes_over(deps: WebDeps) -> web.UrlDispatcher:
    """Make the table of the status page, the static files and every page."""
    router = web.UrlDispatcher()
    add_status(router, deps.store, deps.clock, __version__)
    add_static(router)
    if deps.emblem:
        icons.add_emblem(router, deps.emblem)
    add_pages(router, deps)
    router.freeze()
    return router


def add_pages(router: web.UrlDispatcher, deps: WebDeps, routes: Iterable[PageRoute] = ROUTES) -> None:
    """Add the pages to a table of routes."""
    for route in routes:
        handler = page_handling.handler(route, deps)
        # HEAD is GET without the body, which the server leaves out by itself.
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            router.add_route(method, route.path, handler)

    router.add_get(NOWHERE, _nowhere_handler(deps))


def _nowhere_handler(deps: WebDeps) -> Handler:
    """Make the handler of unknown addresses: a person gets a page of the node, in its frame; a program the problem of the
    API."""
    page = page_handling.handler(
        get(NOWHERE, "nowhere", page_handling.unknown_address, access=Access.ANYBODY), deps
    )

    async def nowhere(request: web.Request) -> web.StreamResponse:
        if "text/html" not in request.headers.get("Accept", ""):
            raise web.HTTPNotFound
        return await page(request)

    return nowhere


def add_static(router: web.UrlDispatcher) -> None:
    """Add stylesheet and scripts. Their addresses change with their bytes, so browsers may keep them. Add the icon where
    they look for one unasked."""
    for name in answers.STATIC:
        router.add_get(f"/static/{name}", _static_file)
    router.add_get("/favicon.ico", _icon)


async def _icon(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": answers.asset("icon.svg")})


async def _static_file(request: web.Request) -> web.Response:
    name = request.path.rpartition("/")[2]
    packed = takes_gzip(request.headers.get("Accept-Encoding", ""))
    headers = {
        "Content-Type": f"{answers.STATIC[name]}; charset=utf-8",
        "Cache-Control": _KEPT_BY_BROWSERS if request.query.get("v") else "public, max-age=3600",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "Vary": "Accept-Encoding",
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=_packed(name) if packed else answers.static_bytes(name), headers=headers)


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(answers.static_bytes(name), 9, mtime=0)


def add_status(router: web.UrlDispatcher, store: SqlStore, clock: Clock, version: str) -> None:
    """Add the status page to a table of routes."""

    async def status(request: web.Request) -> web.Response:
        lang = "en" if request.query.get("lang") == "en" else "vi"
        asked_at = clock.now().astimezone(VIETNAM).strftime("%H:%M:%S %d/%m/%Y")
        counts: Mapping[str, int] | None
        try:
            counts = await store.counts()
        except GatewayError:
            counts = None
        text = _STATUS_TEMPLATES.get_template("status.html").render(
            say=partial(labels.say, lang=lang),
            lang=lang,
            other="vi" if lang == "en" else "en",
            up=counts is not None,
            asked_at=asked_at,
            version=version,
            tables=_status_tables(counts or {}, lang),
            attention=[
                _status_row(key, counts[key], lang)
                for key in sorted(_ATTENTION)
                if counts and counts.get(key)
            ],
        )
        return web.Response(
            status=200 if counts is not None else 503,
            text=text,
            content_type="text/html",
            charset="utf-8",
            headers={"Content-Security-Policy": _STATUS_POLICY, "Content-Language": lang},
        )

    router.add_get("/trang-thai", status)


def _status_tables(counts: Mapping[str, int], lang: str) -> list[tuple[str, list[Mapping[str, object]]]]:
    """Return the word of each table that has rows, and its number of rows in each state."""
    rows = {
        name: [
            _status_row(key, count, lang)
            for key, count in sorted(counts.items())
            if count and key.startswith(f"{name}.")
        ]
        for name in _STATUS_TABLES
    }
    return [(labels.say(f"page.table.{name}", lang), states) for name, states in rows.items() if states]


def _status_row(key: str, count: int, lang: str) -> Mapping[str, object]:
    """Describe one state. A state without a label is shown by its key: an unknown word must not break the page."""
    table, _, state = key.partition(".")
    label = f"{_STATUS_WORDS.get(table, table)}.{state}"
    word = labels.say(label, lang) if labels.has(label) else state
    return {"table": labels.say(f"page.table.{table}", lang), "word": word, "count": count}
