"""Pages of the API for people: its documentation, and the meaning of each kind of problem, rendered on the server. In: a
call from a browser, the OpenAPI document, the table of problems. Out: HTML without scripts and network. They need no key:
they contain nothing of any agency."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.api import problems
from gateway.api.call import DOCUMENT, Call
from gateway.api.routes import Routes
from gateway.api.words import Lang, say
from gateway.errors import NotFound

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ROUTES = Routes("pages")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedField:
    """One field of a data type, as the documentation shows it."""

    name: str
    type: str
    target: str | None
    required: bool
    text: str


def docs_page(document: Mapping[str, Any], lang: Lang) -> web.Response:
    """Render the documentation, from the OpenAPI document."""
    schemas = document["components"]["schemas"]
    return render_page(
        "docs.html",
        lang,
        document=document,
        groups=_groups(document),
        models={name: list(_rows(schema)) for name, schema in sorted(schemas.items())},
        shared=document["components"]["responses"],
        texts={name: schema.get("description", "") for name, schema in schemas.items()},
    )


def problem_page(problem: problems.Problem, request_id: str, lang: Lang) -> web.Response:
    """Render a failure for a person's browser, with the request id for the help desk."""
    page = render_page(
        "problem.html",
        lang,
        sort=problem.sort,
        text=problem.detail,
        problem=problem,
        request_id=request_id,
    )
    page.set_status(problem.status)
    page.headers.update(problem.headers)
    return page


def render_page(template: str, lang: Lang, *, package: str = "gateway.api", **values: object) -> web.Response:
    """Render a page in one language, under a policy that loads only the stylesheet. `package` has the template; the frame
    of all pages is the API's."""

    def words(key: str, **params: object) -> str:
        return say(key, lang, **params)

    text = _templates(package).get_template(template).render(say=words, lang=lang, **values)
    return web.Response(
        text=text,
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": PAGE_POLICY, "Content-Language": lang},
    )


@cache
def _templates(package: str) -> Environment:
    """Load the templates; programs never need them, so they wait for a browser."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

    packages = dict.fromkeys((package, "gateway.api"))
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in packages]),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Shown as JSON text, escaped by the template like any other text.
    templates.filters["pretty"] = lambda content: json.dumps(content, ensure_ascii=False, indent=2)
    return templates


def _groups(
    document: Mapping[str, Any],
) -> list[tuple[Mapping[str, Any], list[tuple[str, str, Mapping[str, Any]]]]]:
    """List each tag with its calls: verb, path, operation."""
    calls = [
        (verb.upper(), path, operation)
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
    ]
    return [(tag, [c for c in calls if tag["name"] in c[2]["tags"]]) for tag in document["tags"]]


def _rows(schema: Mapping[str, Any]) -> Iterator[DocumentedField]:
    required = set(schema.get("required", ()))
    for name, prop in schema.get("properties", {}).items():
        type_text, target = _type(prop)
        yield DocumentedField(
            name=name,
            type=type_text,
            target=target,
            required=name in required,
            text=prop.get("description", ""),
        )


def _type(schema: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return a type in a few words, and the data type that it points to."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return name, name
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            parts = [_type(s) for s in schema[key]]
            return " | ".join(text for text, _ in parts), next((to for _, to in parts if to), None)
    if schema.get("type") == "array":
        inner, target = _type(schema.get("items", {}))
        return f"{inner}[]", target
    if "enum" in schema or "const" in schema:
        return " | ".join(str(word) for word in schema.get("enum", [schema.get("const")])), None
    kind = schema.get("type", "")
    kind = "/".join(kind) if isinstance(kind, list) else str(kind or "any")
    return f"{kind} ({schema['format']})" if "format" in schema else kind, None


_page = partial(ROUTES, base="", open=True, media="text/html")


@_page("GET /docs", "This documentation", text="For people, without scripts.")
async def read_docs(call: Call) -> web.Response:
    return docs_page(await call.deps.pool.run(call.request.app[DOCUMENT]), call.lang)


@_page(
    "GET /problems",
    "Every kind of problem",
    text="For people: each kind with its status, and whether the same call may succeed later.",
)
async def list_problems(call: Call) -> web.Response:
    sorts = sorted(problems.sorts().values(), key=lambda sort: sort.slug)
    return render_page("problems.html", call.lang, sorts=sorts)


@_page(
    "GET /problems/{slug}",
    "Meaning of a kind of problem; the `type` of a problem links here",
    text="For people.",
)
async def read_problem(call: Call) -> web.Response:
    sort = problems.sorts().get(call.path("slug"))
    if sort is None:
        raise NotFound("there is no such kind of problem; the list is at /problems")
    text = say(f"{sort.label}.text" if sort.slug in problems.OWN_SORTS else sort.label, call.lang)
    return render_page("problem.html", call.lang, sort=sort, text=text, problem=None, request_id=None)
