"""The node's open page: is it working, how much waits, what needs a person. In: the store's counts. Out: HTML
rendered on the server, Vietnamese first, without scripts, under a policy that loads nothing but its own stylesheet.
It says nothing about any agency or document, so it needs no sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.domain.wall_clock import VIETNAM
from gateway.errors import GatewayError
from gateway.ports import Clock
from gateway.words import labels

# Viet Nam has had one offset and no summer time since 1975.
_PAGES = Environment(
    loader=PackageLoader("gateway.office.web", "templates"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_TABLES = ("outbox", "inbox", "job")
# States that stay until a person does something.
_ATTENTION = frozenset(
    {"outbox.failed", "inbox.held", "inbox.quarantined", "inbox.malformed", "inbox.sealed"}
)
# Whose words are those of another table.
_WORDS = {"inbox": "packet", "job": "page.row"}


class Counting(Protocol):
    async def counts(self) -> Mapping[str, int]:
        """Rows by `table.state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How many rows of a table are in one state."""

    table: str
    word: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    word: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that the page shows."""

    up: bool
    asked_at: str
    version: str
    tables: tuple[Table, ...] = ()
    attention: tuple[Row, ...] = ()


def add_status(router: web.UrlDispatcher, store: Counting, clock: Clock, version: str) -> None:
    """Adds the page to a table of routes."""

    async def status(request: web.Request) -> web.Response:
        lang = "en" if request.query.get("lang") == "en" else "vi"
        view = await _look(store, clock, version, lang)
        return _page(view, lang)

    router.add_get("/trang-thai", status)


async def _look(store: Counting, clock: Clock, version: str, lang: str) -> View:
    asked_at = clock.now().astimezone(VIETNAM).strftime("%H:%M:%S %d/%m/%Y")
    try:
        counts = await store.counts()
    except GatewayError:
        return View(up=False, asked_at=asked_at, version=version)
    return View(
        up=True,
        asked_at=asked_at,
        version=version,
        tables=tuple(table for name in _TABLES if (table := _table(name, counts, lang)).rows),
        attention=tuple(_row(key, counts[key], lang) for key in sorted(_ATTENTION) if counts.get(key)),
    )


def _table(name: str, counts: Mapping[str, int], lang: str) -> Table:
    rows = [_row(key, count, lang) for key, count in sorted(counts.items()) if key.startswith(name + ".")]
    return Table(word=labels.say(f"page.table.{name}", lang), rows=tuple(row for row in rows if row.count))


def _row(key: str, count: int, lang: str) -> Row:
    """A state without a label is shown by its key: an unknown word must not take the page down."""
    table, _, state = key.partition(".")
    label = f"{_WORDS.get(table, table)}.{state}"
    word = labels.say(label, lang) if labels.has(label) else state
    return Row(table=labels.say(f"page.table.{table}", lang), word=word, count=count)


def _page(view: View, lang: str) -> web.Response:
    def words(key: str, **params: object) -> str:
        return labels.say(key, lang, **params)

    other = "vi" if lang == "en" else "en"
    text = _PAGES.get_template("status.html").render(say=words, lang=lang, other=other, view=view)
    return web.Response(
        status=200 if view.up else 503,
        text=text,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": _POLICY, "Content-Language": lang},
    )
