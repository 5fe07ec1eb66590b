"""Build the aiohttp application of the API from the route table. In: `ApiDeps`. Out: an application whose every answer has
a request id and security headers, and whose every failure is problem+json. One guard at the top turns errors into answers;
no handler below needs its own."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import BaseModel

from gateway import __version__, errors, log, meters, time_source, tracing
from gateway.api import compression, fields, health, parsing, problems
from gateway.api.admission import CERTIFICATE_ENDS, KEY_ENDS, STANDING, Entry
from gateway.api.call import DOCUMENT, PACKAGES, STOPPING, Call
from gateway.api.caller import KEY_ID
from gateway.api.deps import ApiDeps
from gateway.api.late import LateRoutes
from gateway.api.routes import Body, Route
from gateway.api.server import CONNECTIONS, HEADERS, Connections
from gateway.api.shapes import BASE, NoQuery, ResponseModel, stamp
from gateway.api.words import Lang, language
from gateway.domain import trace
from gateway.domain.account import ApiCall
from gateway.domain.request_fault import BadCall
from gateway.stopwatch import note_arrival

_LOG = logging.getLogger(__name__)

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = web.RequestKey("request_id", str)
TRACE = web.RequestKey("trace", trace.Trace)
ROUTE = web.RequestKey("route", str)
PROBLEM = web.RequestKey("problem", str)
FAILURE = web.RequestKey("failure", problems.Problem)
"""The whole problem, for interfaces that answer in words of their own."""
FAREWELL = web.RequestKey[Mapping[str, str]]("farewell", Mapping)
LANG = web.RequestKey[Lang]("lang", str)  # type: ignore[arg-type]  # a Literal is no class, but a str at run time

_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
# The paths of all calls but those of `health`. The table of late routes refuses what it does not have.
_PATHS = re.compile("/(api/|problems|docs).*", re.DOTALL)

Table = Callable[[], Iterable[Route]]


def every_route() -> Iterable[Route]:
    """Load the exchange's own calls."""
    from gateway.api.resources import ROUTES

    return ROUTES


def build(deps: ApiDeps, routes: Table = every_route) -> web.Application:
    """Build the application, not yet started: pages may still be added to it (`office.web.app`). `routes` is called in the
    pool when the first call comes: an idle node does without their modules."""
    entry = Entry(deps.options)
    middlewares = [_guard(deps, entry), entry.middleware()]
    app = web.Application(middlewares=middlewares, client_max_size=deps.options.body_bytes)
    app[STOPPING] = asyncio.Event()
    app[CONNECTIONS] = Connections(deps.options.connections)
    table: Callable[[], tuple[Route, ...]] = cache(lambda: tuple(routes()))
    described: Callable[[], Mapping[str, Any]] = cache(lambda: _description(table(), deps))
    app[DOCUMENT] = described
    packages: Callable[[], Mapping[str, str]] = cache(lambda: {row.name: row.package for row in table()})
    app[PACKAGES] = packages
    _add_routes(app.router, health.ROUTES, deps, entry)

    async def make_router() -> web.UrlDispatcher:
        router = web.UrlDispatcher()
        _add_routes(router, await deps.pool.run(table), deps, entry)
        router.freeze()
        return router

    app.router.register_resource(LateRoutes(_PATHS, make_router))
    app.on_response_prepare.append(_finish)
    app.on_shutdown.append(_stop)
    if deps.calls is not None:
        app.cleanup_ctx.append(deps.calls.run)
    return app


def _add_routes(router: web.UrlDispatcher, routes: Iterable[Route], deps: ApiDeps, entry: Entry) -> None:
    table = tuple(routes)
    paths = {route.path for route in table}
    for route in table:
        handler, path = _handler(route, deps, entry), _without_words(route.path, paths)
        # HEAD is GET without the body, which the server leaves out by itself.
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            router.add_route(method, path, handler, expect_handler=_expect(deps))


def _without_words(path: str, paths: Collection[str]) -> str:
    """Return the path whose variable at the end is none of the words that other paths have there: their methods are not
    its methods."""
    head, _, variable = path.rpartition("/")
    words = sorted(
        last for p in paths for start, _, last in [p.rpartition("/")] if start == head and "{" not in last
    )
    if not words or not re.fullmatch(r"\{\w+\}", variable):
        return path
    return f"{head}/{variable[:-1]}:(?!(?:{'|'.join(map(re.escape, words))})$)[^{{}}/]+}}"


def _description(routes: Iterable[Route], deps: ApiDeps) -> Mapping[str, Any]:
    """Describe the routes. Any: an OpenAPI document is JSON."""
    from gateway.api import openapi

    return openapi.document(routes, deps.version, deps.out.today())


def _guard(deps: ApiDeps, entry: Entry) -> Middleware:
    """Make the middleware that names the request, and turns errors into answers."""

    @web.middleware
    async def guard(request: web.Request, handler: Handle) -> web.StreamResponse:
        request_id = request.headers.get("X-Request-Id", "")
        request[REQUEST_ID] = request_id if _SAFE_ID.fullmatch(request_id) else deps.clock.new_id("req_")
        request[LANG] = _lang(request)
        started = time_source.monotonic()
        parents, states = (request.headers.getall(name, []) for name in (trace.PARENT, trace.STATE))
        with (
            tracing.trace_call(parents, states) as request[TRACE],
            log.bound(request=request[REQUEST_ID]),
            note_arrival(deps.clock.now()),
        ):
            response = await answered(request, handler)
        took_s = time_source.monotonic() - started
        meters.API_CALL.observe(
            took_s, route=request.get(ROUTE, "other"), status=f"{response.status // 100}xx"
        )
        _log_call(deps, entry, request, response, took_s)
        return response

    async def answered(request: web.Request, handler: Handle) -> web.StreamResponse:
        lang = request[LANG]
        try:
            return await handler(request)
        except BadCall as bad:
            return _failure_answer(request, problems.of_bad_call(bad, lang))
        except errors.GatewayError as error:
            if not error.permanent or problems.of_error(error, lang).status >= 500:
                _LOG.warning("a call failed", exc_info=error, extra=_log_fields(request))
            return _failure_answer(request, problems.of_error(error, lang))
        except web.HTTPException as answer:
            if answer.status < 400:
                raise
            return _failure_answer(request, problems.of_http(answer, lang))
        except Exception:
            # This is the one guard: no unforeseen error may show itself to a caller.
            _LOG.exception("a call failed in a way nobody foresaw", extra=_log_fields(request))
            return _failure_answer(request, problems.of_surprise(lang))

    return guard


def _log_call(
    deps: ApiDeps, entry: Entry, request: web.Request, response: web.StreamResponse, took_s: float
) -> None:
    """Log the call for its key; calls without a valid key are not logged."""
    key_id, resource = request.get(KEY_ID), request.match_info.route.resource
    if deps.calls is None or key_id is None or resource is None:
        return
    api_call = ApiCall(
        id=deps.clock.new_id("cal_"),
        key_id=key_id,
        at=deps.clock.now(),
        method=request.method,
        route=resource.canonical,
        status=response.status,
        took_ms=round(took_s * 1000),
        problem=request.get(PROBLEM, ""),
        address=entry.address(request),
        request_id=request[REQUEST_ID],
        trace_id=request[TRACE].id,
    )
    deps.calls.note(api_call)


def _handler(route: Route, deps: ApiDeps, entry: Entry) -> Handle:
    """Make the aiohttp handler of one route: find the caller, check the request, call the route's handler."""
    query_model = fields.query_of(route, route.query or NoQuery)

    async def handle(request: web.Request) -> web.StreamResponse:
        request[ROUTE], request[FAREWELL] = route.name, route.farewell
        caller = None
        if not route.open:
            caller = await entry.caller(request, deps)
            caller.may(*route.scopes, one_is_enough=route.any_scope)
        query = parsing.from_query(request, query_model) if route.path.startswith(BASE) else None
        call = Call(
            request=request,
            deps=deps,
            lang=request[LANG],
            id=request[REQUEST_ID],
            identified=caller,
            query=query,
            chosen=fields.chosen(route, query),
        )
        call = call.with_bare_cursor()
        if route.creates:
            call.idempotency_key()
        if route.body is Body.JSON and route.asks is not None:
            call = await _with_body(call, route.asks)
        answer = await route.handler(call)
        response = call.tell(answer, status=route.status) if isinstance(answer, ResponseModel) else answer
        return await compression.compress(request, response, deps.pool)

    return handle


async def _with_body(call: Call, model: type[BaseModel]) -> Call:
    """Add the checked JSON body; an empty body counts as `{}`, which may be enough."""
    raw = await parsing.read_body(call.request, call.deps.options.body_bytes, call.deps.options.body_s)
    if raw:
        parsing.need_type(call.request, "application/json")
    return call.with_body(parsing.parse_json(raw or b"{}", model))


def _expect(deps: ApiDeps) -> Callable[[web.Request], Awaitable[web.StreamResponse | None]]:
    """Meet 100-continue; other expectations are answered as failures like all others (threats.md 86)."""

    async def expect(request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
            return None
        # The guard has not seen this request yet, so it has no id.
        request[REQUEST_ID] = deps.clock.new_id("req_")
        lang = language(request.headers.get("Accept-Language", ""))
        problem = problems.of_http(web.HTTPExpectationFailed(), lang)
        return problems.answer(problem, request[REQUEST_ID], request.path, lang)

    return expect


def _failure_answer(request: web.Request, problem: problems.Problem) -> web.Response:
    """Answer with a failure: a page for a person's browser outside of the API, else problem+json."""
    lang = request[LANG]
    request[PROBLEM], request[FAILURE] = problem.sort.slug, problem
    if _wants_page(request):
        from gateway.api.resources.pages import problem_page

        return problem_page(problem, request[REQUEST_ID], lang)
    return problems.answer(problem, request[REQUEST_ID], request.path, lang)


def _wants_page(request: web.Request) -> bool:
    """Tell whether a person's browser asks, outside of the API: programs always get problem+json."""
    return not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


async def _finish(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every answer; a page or a file brings a policy of its own."""
    headers = response.headers
    headers["X-Request-Id"] = request.get(REQUEST_ID, "")
    headers.setdefault("Vary", "Accept-Language")
    headers["Server"] = "gateway"
    headers.update(request.get(FAREWELL, {}))
    if KEY_ID in request:
        headers["Gateway-Version"] = __version__
    if (standing := request.get(STANDING)) is not None:
        headers["RateLimit-Limit"] = str(standing.limit)
        headers["RateLimit-Remaining"] = str(standing.remaining)
        headers["RateLimit-Reset"] = str(standing.reset_s)
    if (ends_at := request.get(KEY_ENDS)) is not None:
        headers["X-Key-Expires"] = stamp(ends_at)
    if (ends_at := request.get(CERTIFICATE_ENDS)) is not None:
        headers["X-Certificate-Expires"] = stamp(ends_at)
    for name, text in HEADERS.items():
        headers.setdefault(name, text)


async def _stop(app: web.Application) -> None:
    """End the long polls, so that the node stops without waiting for them."""
    app[STOPPING].set()


def _lang(request: web.Request) -> Lang:
    """Return the language asked for; a link may choose a page's other language."""
    chosen = "" if request.path.startswith(BASE) else request.query.get("lang", "")
    return language(chosen or request.headers.get("Accept-Language", ""))


def _log_fields(request: web.Request) -> dict[str, object]:
    return {
        "action": "api.failed",
        "request_id": request[REQUEST_ID],
        "method": request.method,
        "path": request.path,
    }
