"""Holds real answers against the description that the node serves of itself: every answer of every test of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jsonschema_rs import Draft202012Validator

from gateway import __version__
from gateway.api.openapi import document
from gateway.api.problems import MEDIA
from gateway.api.resources import ROUTES
from gateway.api.routes import Route
from gateway.api.server import HEADERS
from gateway.domain.wall_clock import local
from tests.support.clock import START

# What every answer of HTTP may have, and what keeps browsers from harm.
_COMMON = frozenset(
    {"content-type", "content-length", "content-encoding", "transfer-encoding"}
    | {"date", "server", "connection", "vary"}
    | {name.lower() for name in HEADERS}
)
# A component of the description, by its kind and name.
_REFERENCE = re.compile(r'"#/components/(\w+)/([^"/]+)"')


class Description:
    """The description that a node with these calls serves of itself."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self.document = json.loads(json.dumps(document(routes, __version__, local(START).date())))
        self._validators: dict[tuple[str, bool], Draft202012Validator] = {}
        self._paths = [
            (
                re.compile(
                    "/".join(_ if "{" not in _ else "[^/]+" for _ in path.replace(".", r"\.").split("/"))
                ),
                path,
            )
            # A fixed path goes before one with a variable in the same place.
            for path in sorted(self.document["paths"], key=lambda path: path.count("{"))
        ]

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        """Return a validator that finds the components of the document. It is the fast one, because it judges every answer
        of every test."""
        return self._validator(schema, is_exact=False)

    def exact(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        """Return a validator that also refuses fields that are not described, which a client must bear."""
        return self._validator(schema, is_exact=True)

    def _validator(self, schema: Mapping[str, Any], *, is_exact: bool) -> Draft202012Validator:
        """Return the validator of that schema, made once."""
        key = json.dumps(schema, sort_keys=True), is_exact
        if key not in self._validators:
            complete = {**schema, "components": self._components_of(schema)}
            self._validators[key] = Draft202012Validator(_close(complete) if is_exact else complete)
        return self._validators[key]

    def _components_of(self, schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the components that the schema refers to, and those that they refer to: reading all of them would take
        longer than most tests."""
        components: dict[str, dict[str, Any]] = {}
        waiting: list[Any] = [schema]
        while waiting:
            for kind, name in _REFERENCE.findall(json.dumps(waiting.pop())):
                if name not in components.setdefault(kind, {}):
                    components[kind][name] = self.document["components"][kind][name]
                    waiting.append(components[kind][name])
        return components

    def event_complaints(self, event: Mapping[str, Any]) -> list[str]:
        """List the faults of an event by the schema of its type."""
        models = self.document["components"]["schemas"]["Event"]["discriminator"]["mapping"]
        schema = {"$ref": models.get(event.get("type"), "#/components/schemas/EventOut")}
        return [f"{event.get('type')}: {fault}" for fault in self._faults(schema, event)]

    def resolved(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an answer, or the one that it refers to."""
        name = _last(answer.get("$ref", ""))
        response: Mapping[str, Any] = self.document["components"]["responses"][name] if name else answer
        return response

    def call(self, method: str, path: str) -> Mapping[str, Any] | None:
        """Return the operation that a request calls, if it is described."""
        verbs = self.document["paths"].get(self._template(path), {})
        operation: Mapping[str, Any] | None = verbs.get(method.lower())
        return operation

    def package_of(self, call: str) -> str:
        """Return the package whose tests record the answers of a call."""
        return next(route.package for route in self.routes if route.name == call)

    def _template(self, path: str) -> str:
        return next((t for pattern, t in self._paths if pattern.fullmatch(path)), "")

    def complaints(
        self,
        method: str,
        path: str,
        status: int,
        media: str,
        raw: bytes,
        headers: Iterable[str],
        *,
        is_chosen: bool = False,
    ) -> list[str]:
        """List the faults of an answer by its own description; none for paths that it does not describe. A field that is
        not described is a fault. An answer whose fields were chosen (`fields`) is partial, and has no schema."""
        template, operation = self._template(path), self.call(method, path)
        if operation is None:
            return self._problem(media, raw) if status >= 400 and media != "text/html" else []
        answers = operation["responses"]
        answer = self.resolved(answers.get(str(status), answers["default"]))
        if status == 304:
            return (
                []
                if "304" in answers and not raw
                else [f"{method} {template}: a 304 that has a body or is not described"]
            )
        content = answer["content"]
        if str(status) not in answers and status < 400:
            return [f"{method} {template} does not describe status {status}"]
        if media not in content and "*/*" not in content:
            return [f"{method} {template} {status}: {media} is none of {sorted(content)}"]
        if wrong := self._headers(answer["headers"], {name.lower() for name in headers}):
            return [f"{method} {template} {status}: {fault}" for fault in wrong]
        schema = content.get(media, {}).get("schema")
        if schema is None or not media.endswith("json") or is_chosen:
            return []
        if media == MEDIA:
            return [f"{method} {template} {status}: {fault}" for fault in self._problem(media, raw)]
        body = json.loads(raw)
        if schema == {"$ref": "#/components/schemas/Events"}:
            # A fault of `Event` as a whole would not say which field it is.
            wrong = [fault for event in body["data"] for fault in self.event_complaints(event)]
            return [f"{method} {template} {status}: {fault}" for fault in wrong] or self._faults(schema, body)
        return [f"{method} {template} {status}: {fault}" for fault in self._faults(schema, body)]

    def _faults(self, schema: Mapping[str, Any], body: Any) -> list[str]:
        return [
            f"/{'/'.join(map(str, error.instance_path))} {error.message}"
            for error in self.exact(schema).iter_errors(body)
        ]

    def _headers(self, described: Mapping[str, Any], present: set[str]) -> list[str]:
        headers = {name.lower(): self.document["components"]["headers"][name] for name in described}
        always = {name for name, header in headers.items() if header.get("required")}
        return [
            *(f"the header {name} is not described" for name in sorted(present - headers.keys() - _COMMON)),
            *(f"the header {name} is described and not there" for name in sorted(always - present)),
        ]

    def _problem(self, media: str, raw: bytes) -> list[str]:
        if media != MEDIA:
            return [f"a failure was answered as {media}"]
        problem = json.loads(raw)
        schemas = self.document["components"]["schemas"]
        own_problems = schemas["Problem"]["x-problems"]
        schema = {"$ref": own_problems.get(problem.get("code"), "#/components/schemas/Problem")}
        own = {
            name: schemas[name]["allOf"][1]["properties"] for name in map(_last, set(own_problems.values()))
        }
        # `confirm` also lists what may be confirmed among faults that may not.
        undue = {name for fields in own.values() for name in fields} - {"code", "confirm"}
        undue -= own.get(_last(schema["$ref"]), {}).keys()
        return [
            *(f"{problem.get('code')}: {name} is of another code" for name in sorted(undue & problem.keys())),
            *(error.message for error in self.exact(schema).iter_errors(problem)),
        ]


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _close(node: Any) -> Any:
    """Return the schema with no other members of an object than those that it describes."""
    if isinstance(node, list):
        return [_close(child) for child in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _close(child) for name, child in node.items()}
    is_record = node.get("type") == "object" and "properties" in node
    return {"additionalProperties": False, **closed} if is_record else closed


EXCHANGE = Description(ROUTES)
