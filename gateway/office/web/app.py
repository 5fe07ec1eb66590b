"""The front door for people: adds every page and the static files to a table of routes, and beside them the node's open
page. In: the desks, in `WebDeps`; the store's counts. Out: routes; every page comes from the one table in
`gateway.office.web.pages`. The open page tells whether the node works, how much waits, what needs a person: HTML
rendered on the server, Vietnamese first, without scripts, under a policy that loads nothing but its own stylesheet.
It says nothing about any agency or document, so it needs no sign-in."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from aiohttp import web

from gateway.domain.wall_clock import VIETNAM
from gateway.errors import GatewayError
from gateway.office.web import answers, door
from gateway.office.web.deps import WebDeps
from gateway.office.web.pages import ROUTES
from gateway.office.web.routes import PageRoute, Who, get
from gateway.ports import Clock
from gateway.words import labels

NOWHERE = "/{rest:(?!api/|problems|docs|static/|metrics|healthz|readyz).*}"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_KEPT_BY_BROWSERS = "public, max-age=31536000, immutable"


def add_pages(router: web.UrlDispatcher, deps: WebDeps, routes: Iterable[PageRoute] = ROUTES) -> None:
    """The pages over these desks."""
    for route in routes:
        handler = door.handler(route, deps)
        # HEAD is GET without the body, which the server leaves out by itself.
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            router.add_route(method, route.path, handler)

    router.add_get(NOWHERE, _nowhere(deps))


def _nowhere(deps: WebDeps) -> Handler:
    """Addresses that lead nowhere: a person gets a page of the node, in its frame; a program the problem of the API."""
    page = door.handler(get(NOWHERE, "nowhere", door.nowhere, who=Who.ANYBODY), deps)

    async def nowhere(request: web.Request) -> web.StreamResponse:
        if "text/html" not in request.headers.get("Accept", ""):
            raise web.HTTPNotFound
        return await page(request)

    return nowhere


def add_static(router: web.UrlDispatcher) -> None:
    """Stylesheet and scripts. Their addresses change with their bytes, so browsers may keep them."""
    for name in answers.STATIC:
        router.add_get(f"/static/{name}", _static_file)


async def _static_file(request: web.Request) -> web.Response:
    name = request.path.rpartition("/")[2]
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    headers = {
        "Content-Type": f"{answers.STATIC[name]}; charset=utf-8",
        "Cache-Control": _KEPT_BY_BROWSERS if request.query.get("v") else "public, max-age=3600",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "Vary": "Accept-Encoding",
    }
    if packed:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=_packed(name) if packed else answers.static_bytes(name), headers=headers)


@lru_cache(maxsize=8)
def _packed(name: str) -> bytes:
    return gzip.compress(answers.static_bytes(name), 9, mtime=0)


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
# Whose words are those of another table.
_STATUS_WORDS = {"inbox": "packet", "job": "page.row"}


class RowCounting(Protocol):
    async def counts(self) -> Mapping[str, int]:
        """Rows by `table.state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """How many rows of a table are in one state."""

    table: str
    word: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTable:
    word: str
    rows: tuple[StatusRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """All that the page shows."""

    up: bool
    asked_at: str
    version: str
    tables: tuple[StatusTable, ...] = ()
    attention: tuple[StatusRow, ...] = ()


def add_status(router: web.UrlDispatcher, store: RowCounting, clock: Clock, version: str) -> None:
    """Adds the page to a table of routes."""

    async def status(request: web.Request) -> web.Response:
        lang = "en" if request.query.get("lang") == "en" else "vi"
        view = await _look_status(store, clock, version, lang)
        return _status_page(view, lang)

    router.add_get("/trang-thai", status)


async def _look_status(store: RowCounting, clock: Clock, version: str, lang: str) -> StatusView:
    asked_at = clock.now().astimezone(VIETNAM).strftime("%H:%M:%S %d/%m/%Y")
    try:
        counts = await store.counts()
    except GatewayError:
        return StatusView(up=False, asked_at=asked_at, version=version)
    return StatusView(
        up=True,
        asked_at=asked_at,
        version=version,
        tables=tuple(table for name in _STATUS_TABLES if (table := _status_table(name, counts, lang)).rows),
        attention=tuple(_status_row(key, counts[key], lang) for key in sorted(_ATTENTION) if counts.get(key)),
    )


def _status_table(name: str, counts: Mapping[str, int], lang: str) -> StatusTable:
    rows = [
        _status_row(key, count, lang) for key, count in sorted(counts.items()) if key.startswith(name + ".")
    ]
    return StatusTable(
        word=labels.say(f"page.table.{name}", lang), rows=tuple(row for row in rows if row.count)
    )


def _status_row(key: str, count: int, lang: str) -> StatusRow:
    """A state without a label is shown by its key: an unknown word must not take the page down."""
    table, _, state = key.partition(".")
    label = f"{_STATUS_WORDS.get(table, table)}.{state}"
    word = labels.say(label, lang) if labels.has(label) else state
    return StatusRow(table=labels.say(f"page.table.{table}", lang), word=word, count=count)


def _status_page(view: StatusView, lang: str) -> web.Response:
    def words(key: str, **params: object) -> str:
        return labels.say(key, lang, **params)

    other = "vi" if lang == "en" else "en"
    text = _STATUS_TEMPLATES.get_template("status.html").render(say=words, lang=lang, other=other, view=view)
    return web.Response(
        status=200 if view.up else 503,
        text=text,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": _STATUS_POLICY, "Content-Language": lang},
    )
