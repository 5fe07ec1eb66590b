"""Pages of the API for people: its documentation, and the meaning of each kind of problem, rendered on the server. In: a
call from a browser, the OpenAPI document, the table of problems, the recorded answers. Out: HTML without scripts and
network. They need no key: they contain nothing of any agency."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.api import problems
from gateway.api.call import DOCUMENT, PACKAGES, Call
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
    """Render the index of the documentation: every call, and every data type with the names of its fields."""
    types = sorted(document["components"]["schemas"].items())
    return render_page("docs.html", lang, document=document, groups=_groups(document), types=types)


def part_page(
    document: Mapping[str, Any], name: str, packages: Mapping[str, str], lang: Lang
) -> web.Response:
    """Render one call or one data type, with the data types below it."""
    schemas = document["components"]["schemas"]
    calls = [
        (tag, *call) for tag, calls in _groups(document) for call in calls if call[2]["operationId"] == name
    ]
    if not calls and name not in schemas:
        raise NotFound("there is no such call or data type; the list is at /docs")
    roots = (
        [{"$ref": f"/{name}"}] if not calls else [calls[0][3].get("requestBody"), calls[0][3]["responses"]]
    )
    models = sorted(_models(roots, schemas))
    return render_page(
        "docs_part.html",
        lang,
        name=name,
        calls=calls,
        models={model: list(_rows(schemas[model])) for model in models},
        shared=document["components"]["responses"],
        texts={model: schemas[model].get("description", "") for model in models},
        answers=_recorded_answers(packages[name], name) if calls else {},
    )


def _models(node: Any, schemas: Mapping[str, Any]) -> set[str]:
    """Return the data types that a part of the description refers to, and those that they refer to. Failures of calls are
    shared, and not among them."""
    models: set[str] = set()
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            model = str(part.get("$ref", "")).rpartition("/")[2]
            if model in schemas and model not in models:
                models.add(model)
                waiting.append(schemas[model])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return models


def _recorded_answers(package: str, name: str) -> Mapping[str, Any]:
    """Return a request and its answer by status, as tests of the API recorded them."""
    file = files(package).joinpath("examples", f"{name}.json")
    answers: Mapping[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return answers


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
    "GET /docs/{part}", "Documentation of a call or a data type", text="For people; with recorded answers."
)
async def read_docs_part(call: Call) -> web.Response:
    document = await call.deps.pool.run(call.request.app[DOCUMENT])
    packages = call.request.app[PACKAGES]()
    return await call.deps.pool.run(partial(part_page, document, call.path("part"), packages, call.lang))


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
