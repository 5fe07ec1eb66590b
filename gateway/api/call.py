"""One call as a handler sees it, and what handlers share to answer it. In: a request, checked as far as its route can
tell. Out: the caller, the language, the query; an answer with its ETag, language and paging headers.

Lists share filters and pages; cursors are the store's, the API only hands them on. A long poll waits until there is
something to say, and ends early when the caller goes or the node stops. A call that creates without files is
idempotent: the act commits before its answer is remembered; a crash between the two leaves the marker to run out, and
the act itself then refuses to be done twice. Stored files are handed over piece by piece, so that no browser will run
them or guess at them: nosniff, a sandbox without rights, and a name that cannot break out of its header (threats.md
77 to 79)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, BinaryIO, Generic, Self, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from multidict import CIMultiDict
from pydantic import BaseModel, BeforeValidator, Field

from gateway import time_source
from gateway.api import downloads
from gateway.api.caller import Caller
from gateway.api.deps import ApiDeps
from gateway.api.parsing import CheckedRequest, nearest
from gateway.api.shapes import (
    EVERYTHING,
    Asking,
    Chosen,
    Instant,
    Piece,
    RequestModel,
    ResponseModel,
    media_type,
    split,
)
from gateway.api.words import Lang
from gateway.domain.account import AgencyScope
from gateway.domain.request_fault import BadCall, RequestFault, bad_value
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import Clash, Denied, GatewayError, NotFound, StaleVersion
from gateway.incoming.services import IncomingServices
from gateway.outgoing.services import OutgoingServices
from gateway.ports.services import Pool
from gateway.store.events import SubjectQuery
from gateway.store.repository import Page
from gateway.store.work import SqlWork
from gateway.stored_content import OpenFile

A = TypeVar("A", bound=ResponseModel)

LONGEST_KEY = 255
# A cursor and the digest of its query, between them a sign that no cursor of the store has.
_BOUND, _BOUND_BY = "~", 8
_OF_PAGE = {"cursor", "limit", "fields", "wait"}
Words = Annotated[list[Piece], BeforeValidator(split), Field(max_length=40)]
STOPPING = web.AppKey("stopping", asyncio.Event)
# Any: an OpenAPI document is JSON.
DOCUMENT: web.AppKey[Callable[[], Mapping[str, Any]]] = web.AppKey("openapi")
# The package of each call, by its name.
PACKAGES: web.AppKey[Callable[[], Mapping[str, str]]] = web.AppKey("packages")
# How often a waiting call looks whether its client is still there, and whether another process did something.
_LOOK_S = 1.0
IN_FLIGHT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, checked as far as its route can tell."""

    request: web.Request
    deps: ApiDeps
    lang: Lang
    id: str
    identified: Caller | None = None
    body: BaseModel | None = None
    query: BaseModel | None = None
    chosen: Chosen = EVERYTHING
    canonical: str = "{}"
    normalized: bool = False
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)

    @property
    def caller(self) -> Caller:
        if self.identified is None:
            raise Denied("this call needs a key")
        return self.identified

    def scope(self) -> AgencyScope:
        return self.caller.scope()

    def path(self, name: str) -> str:
        """Return a variable of the path."""
        return self.request.match_info[name]

    @property
    def outgoing(self) -> tuple[OutgoingServices, AgencyScope, str]:
        """The use cases of the way out, the agency, and the document or upload that the path names: what each of them asks
        for first."""
        return self.deps.out, self.scope(), self.path("id")

    @property
    def incoming(self) -> tuple[IncomingServices, AgencyScope, str]:
        """The same of the way in."""
        return self.deps.inn, self.scope(), self.path("id")

    def number(self, name: str, noun: str = "file") -> int:
        """Return a variable of the path that counts files, or parts of one. NotFound for anything else."""
        text = self.path(name)
        if not (text.isascii() and text.isdigit() and len(text) < 6):
            raise NotFound(f"{noun}s have numbers; there is no {noun} {text[:20]!r}")
        return int(text)

    def with_body(self, checked: CheckedRequest[BaseModel]) -> Call:
        """Return the same call, its body checked."""
        return replace(self, body=checked.value, canonical=checked.canonical, normalized=checked.normalized)

    def idempotency_key(self) -> str:
        """Return the key that makes a repeat harmless; every call that creates needs one."""
        key = self.request.headers.get("Idempotency-Key", "").strip()
        if not key or len(key) > LONGEST_KEY or not key.isprintable():
            fault = RequestFault(code="key-missing", pointer="/headers/Idempotency-Key")
            raise BadCall("key-missing", fault)
        return key

    def expected_version(self) -> int | None:
        """Return the version that If-Match names; None when there is no such condition."""
        # A cache on the way may have made it weak; the version is the same.
        header = self.request.headers.get("If-Match", "*").strip().removeprefix("W/")
        if header == "*":
            return None
        bare = header.removeprefix('"').removesuffix('"')
        if not (bare.isascii() and bare.isdigit()) or len(bare) > 12 or header != f'"{bare}"':
            raise bad_value("/headers/If-Match", '"3"')
        return int(bare)

    def check_version(self, present: int) -> int:
        """Return the present version, when the caller's condition holds; else StaleVersion (412)."""
        expected = self.expected_version()
        if expected is not None and expected != present:
            raise StaleVersion(f"If-Match names version {expected}, the present version is {present}")
        return present

    def tell(self, view: ResponseModel, *, status: int = 200) -> web.Response:
        """Write the answer, with the chosen fields."""
        return self.tell_text(view.model_dump_json(by_alias=True, include=self.chosen.include), status=status)

    def versioned(self, view: A, version: int) -> A:
        """Return the answer, with its version as ETag."""
        self.headers["ETag"] = f'"{version}"'
        return view

    def wants(self, *names: str) -> bool:
        """Tell whether any of these fields of the answer will be written."""
        return self.chosen.wants(*names)

    def tell_text(self, text: str, *, status: int = 200, version: int | None = None) -> web.Response:
        """Send JSON text that is already made."""
        headers = CIMultiDict(self.headers)
        headers["Content-Language"] = self.lang
        if version is not None:
            headers["ETag"] = f'"{version}"'
        if self.normalized:
            headers["X-Normalized"] = "NFC"
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)

    def next_page(self, cursor: str | None) -> str | None:
        """Return the cursor as the caller gets it, bound to this query; the header Link leads to its page."""
        if cursor is None:
            return None
        bound = f"{cursor}{_BOUND}{self._query_digest()}"
        self._link_next(bound)
        return bound

    def with_bare_cursor(self) -> Call:
        """Return the same call, with the cursor as the store knows it. BadCall for the cursor of another query."""
        query = self.query
        if not isinstance(query, PageQuery) or query.cursor is None:
            return self
        cursor, _, digest = query.cursor.rpartition(_BOUND)
        if digest != self._query_digest():
            raise bad_value("?cursor", "next_cursor")
        return replace(self, query=query.model_copy(update={"cursor": cursor}))

    def _query_digest(self) -> str:
        """Digest the query of a page; how many rows and fields it shows may change on the way."""
        query = self.query
        terms = query.model_dump_json(exclude=_OF_PAGE, exclude_defaults=True) if query is not None else ""
        text = json.dumps([self.request.path, terms])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_BOUND_BY]

    def _link_next(self, cursor: str) -> None:
        params = [(name, text) for name, text in self.request.query.items() if name != "cursor"]
        target = f"{self.request.path}?{urlencode([*params, ('cursor', cursor)])}"
        self.headers["Link"] = f'<{target}>; rel="next"'


T = TypeVar("T")

DEFAULT_ROWS = 50
MOST_ROWS = 200


_NUMBER = re.compile(r"[-+\d.\s]*(e[-+\d]*)?", re.ASCII | re.IGNORECASE)


def _moment(text: object) -> object:
    """Read a date alone as midnight in Viet Nam; put back a `+` that a query string turned into a space."""
    if not isinstance(text, str):
        return text
    try:
        return datetime.combine(date.fromisoformat(text), time.min, VIETNAM)
    except ValueError:
        # Pydantic would take it as seconds since 1970, which the API does not offer.
        if _NUMBER.fullmatch(text):
            raise ValueError("a date, or a moment with its zone") from None
        return text.replace(" ", "+")


Since = Annotated[Instant, BeforeValidator(_moment)]


class PageQuery(RequestModel):
    """Which page of a list."""

    limit: int = Field(DEFAULT_ROWS, ge=1, le=MOST_ROWS, description="Rows on one page")
    cursor: Asking | None = Field(None, description="`next_cursor` of the previous page")


class TextQuery(PageQuery):
    """A list that can be searched; letter case and accents do not matter."""

    q: Asking | None = Field(None, description="Words to search for")


class DocumentsQuery(TextQuery):
    """Filters of a list of documents by the identity of a paper."""

    number: Asking | None = Field(None, description="Number of the document, in any spelling; with `symbol`")
    symbol: Asking | None = Field(None, description="Symbol behind that number; with `number`")
    document_id: Asking | None = Field(None, description="DocumentId of the standard")
    updated_since: Since | None = Field(
        None,
        description="Only documents that had an event at this time or later, by the node's clock. To miss nothing, "
        "read the events instead",
    )

    def number_and_symbol(self) -> tuple[str, str] | None:
        """Return number and symbol. BadCall for one without the other: no index finds that."""
        if (self.number is None) != (self.symbol is None):
            raise bad_value("?symbol" if self.symbol is None else "?number", "number, symbol")
        return None if self.number is None or self.symbol is None else (self.number, self.symbol)

    async def changed_ids(self, work: SqlWork) -> SubjectQuery | None:
        """Return the query for the ids of what had an event since `updated_since`; None without it."""
        return await work.events.subjects_since(self.updated_since) if self.updated_since else None


class PageOut(ResponseModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    next_cursor: str | None = Field(description="`cursor` of the next page")
    has_more: bool

    @classmethod
    def paged(cls, rows: Sequence[T], cursor: str | None) -> Self:
        """Make a page of these rows, with more to come where there is a cursor."""
        return cls(data=list(rows), next_cursor=cursor, has_more=cursor is not None)


def check_words(field: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    """Refuse unknown words with BadCall: a typing error must not look like an empty list."""
    words = list(dict.fromkeys(allowed))
    faults = [
        RequestFault(
            code="bad-value",
            pointer=f"?{field}",
            params={"field": field, "expected": ", ".join(words)},
            suggest=nearest(name, words),
        )
        for name in names
        if name not in words
    ]
    if faults:
        raise BadCall("bad-request", *faults)


async def page_of(call: Call, load: Awaitable[Page[T]]) -> Page[T]:
    """Load the page from the store; a cursor that is none of ours is the caller's fault."""
    try:
        page = await load
    except NotFound as why:
        if "cursor" not in call.request.query:
            raise
        raise bad_value("?cursor", "next_cursor") from why
    return replace(page, next_cursor=call.next_page(page.next_cursor))


async def wait_until(
    call: Call, wait_s: float, look: Callable[[], Awaitable[T]], enough: Callable[[T], bool]
) -> T:
    """Return the last result of `look`: enough, or all there is."""
    end = time_source.monotonic() + min(wait_s, call.deps.options.poll_s)
    while True:
        latest = await look()
        remaining = end - time_source.monotonic()
        if enough(latest) or remaining <= 0 or _is_over(call.request):
            return latest
        await call.deps.store.wait_events(min(remaining, _LOOK_S))


def _is_over(request: web.Request) -> bool:
    """Tell whether the caller has gone, or the node is stopping."""
    transport = request.transport
    return transport is None or transport.is_closing() or request.app[STOPPING].is_set()


async def once(call: Call, act: Callable[[], Awaitable[str]], *, status: int = 202) -> web.Response:
    """Return the answer of `act`, or the one it gave before under this key. Clash while the first is still at work."""
    key, owner = call.idempotency_key(), call.caller.key.principal.id
    text = json.dumps([call.request.method, call.request.path, call.canonical, []], separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    expires_at = call.deps.clock.now() + IN_FLIGHT
    async with call.deps.store.changing(call.scope()) as work:
        earlier = await work.idempotency.begin(owner, key, digest, expires_at)
    if earlier is not None:
        if earlier.digest != digest:
            raise BadCall(
                "idempotency-other", RequestFault(code="key-other", pointer="/headers/Idempotency-Key")
            )
        if earlier.running or earlier.status is None or earlier.body is None:
            raise Clash(
                "the first request with this Idempotency-Key is still at work; try again in a moment",
                code="GW-IDEM-RUNNING",
            )
        call.headers["Idempotency-Replayed"] = "true"
        return call.tell_text(earlier.body, status=earlier.status)
    try:
        body = await act()
    except (GatewayError, BadCall):
        async with call.deps.store.changing(call.scope()) as work:
            await work.idempotency.release(owner, key, expires_at)
        raise
    # Taken over by a repeat meanwhile: the act is done all the same, and this caller must hear so.
    with suppress(Clash):
        async with call.deps.store.changing(call.scope()) as work:
            await work.idempotency.finish(owner, key, expires_at, status, body)
    return call.tell_text(body, status=status)


async def download(
    call: Call,
    *,
    name: str,
    content_type: str,
    size: int | None,
    sha256: str | None,
    pieces: AsyncIterator[bytes],
) -> web.StreamResponse:
    """Send the whole file; a missing one is answered as a problem."""
    headers = {
        "Content-Type": media_type(content_type),
        "Content-Disposition": downloads.disposition(name),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if sha256 is not None:
        headers |= {"X-Content-SHA256": sha256, "ETag": f'"{sha256}"'}
    return await downloads.send_file(call.request, pieces, lambda _: headers, size)


async def stream(call: Call, file: OpenFile) -> web.StreamResponse:
    """Send a document's file, or its envelope, as the flows opened it."""
    return await download(
        call,
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        sha256=file.sha256,
        pieces=file.pieces,
    )


async def slices(pool: Pool, opener: Callable[[], BinaryIO]) -> AsyncIterator[bytes]:
    """Read the bytes of a blob in the pool."""
    file = await pool.run(opener)
    with closing(file):
        async for piece in downloads.read(pool, file):
            yield piece
