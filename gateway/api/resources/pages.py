"""Pages of the API for people: its documentation, and what each kind of problem means. In: a call from a browser. Out:
HTML from `docs`. They need no key: they say nothing about any agency."""

from __future__ import annotations

from aiohttp import web

from gateway.api import docs, problems
from gateway.api.call import Call
from gateway.api.resources.meta import DOCUMENT
from gateway.api.routes import Route
from gateway.errors import NotFound


async def read_docs(call: Call) -> web.Response:
    return docs.docs_page(await call.deps.pool.run(call.request.app[DOCUMENT]), call.lang)


async def list_problems(call: Call) -> web.Response:
    return docs.problems_page(call.lang)


async def read_problem(call: Call) -> web.Response:
    sort = problems.sorts().get(call.path("slug"))
    if sort is None:
        raise NotFound("there is no such kind of problem; the list is at /problems")
    return docs.sort_page(sort, call.lang)


ROUTES = (
    Route(
        method="GET",
        path="/docs",
        name="readDocs",
        tag="pages",
        handler=read_docs,
        summary="This documentation",
        open=True,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/problems",
        name="listProblems",
        tag="pages",
        handler=list_problems,
        summary="Every kind of problem",
        open=True,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/problems/{slug}",
        name="readProblem",
        tag="pages",
        handler=read_problem,
        summary="What a kind of problem means; the `type` of a problem leads here",
        open=True,
        media="text/html",
        fails=(404,),
    ),
)
