"""Holds real answers against the description that the node serves of itself: every answer of every test of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jsonschema_rs import Draft202012Validator

from gateway import __version__
from gateway.api.openapi import document
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


class Description:
    """The description that a node with these calls serves of itself."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self.document = json.loads(json.dumps(document(routes, __version__, local(START).date())))
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
        return Draft202012Validator({**schema, "components": self.document["components"]})

    def resolved(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an answer, or the one that it refers to."""
        name = answer.get("$ref", "").rpartition("/")[2]
        response: Mapping[str, Any] = self.document["components"]["responses"][name] if name else answer
        return response

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
        """List the faults of an answer by its own description; none for paths that it does not describe. An answer whose
        fields were not chosen (`fields`) must be whole."""
        template = next((t for pattern, t in self._paths if pattern.fullmatch(path)), None)
        operation = self.document["paths"].get(template, {}).get(method.lower()) if template else None
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
        if schema is None or not media.endswith("json"):
            return []
        if not is_chosen and "anyOf" in schema:  # the whole answer
            schema = schema["anyOf"][0]
        judge = self.validator(schema)
        return [
            f"{method} {template} {status}: /{'/'.join(map(str, error.instance_path))} {error.message}"
            for error in judge.iter_errors(json.loads(raw))
        ]

    def _headers(self, described: Mapping[str, Any], present: set[str]) -> list[str]:
        headers = {name.lower(): self.document["components"]["headers"][name] for name in described}
        always = {name for name, header in headers.items() if header.get("required")}
        return [
            *(f"the header {name} is not described" for name in sorted(present - headers.keys() - _COMMON)),
            *(f"the header {name} is described and not there" for name in sorted(always - present)),
        ]

    def _problem(self, media: str, raw: bytes) -> list[str]:
        if media != "application/problem+json":
            return [f"a failure was answered as {media}"]
        schema = {"$ref": "#/components/schemas/Problem"}
        return [error.message for error in self.validator(schema).iter_errors(json.loads(raw))]


EXCHANGE = Description(ROUTES)
