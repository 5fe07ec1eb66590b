"""Holds real answers against the description that the node serves of itself: every answer of every test of the API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from gateway import __version__
from gateway.api.openapi import document
from gateway.api.resources import ROUTES

DOCUMENT = json.loads(json.dumps(document(ROUTES, __version__)))
_PATHS = [
    (re.compile("/".join(_ if "{" not in _ else "[^/]+" for _ in path.replace(".", r"\.").split("/"))), path)
    # A fixed path goes before one with a variable in the same place.
    for path in sorted(DOCUMENT["paths"], key=lambda path: path.count("{"))
]


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """A validator that finds the components of the document."""
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def complaints(method: str, path: str, status: int, media: str, raw: bytes) -> list[str]:
    """What is wrong with an answer, as its own description has it; nothing for paths it does not describe."""
    template = next((known for pattern, known in _PATHS if pattern.fullmatch(path)), None)
    operation = DOCUMENT["paths"].get(template, {}).get(method.lower()) if template else None
    if operation is None:
        return _problem(media, raw) if status >= 400 and media != "text/html" else []
    answers = operation["responses"]
    content = answers.get(str(status), answers["default"])["content"]
    if str(status) not in answers and status < 400:
        return [f"{method} {template} does not describe status {status}"]
    if media not in content and "*/*" not in content:
        return [f"{method} {template} {status}: {media} is none of {sorted(content)}"]
    schema = content.get(media, {}).get("schema")
    if schema is None or not media.endswith("json"):
        return []
    return [
        f"{method} {template} {status}: {error.json_path} {error.message}"
        for error in validator(schema).iter_errors(json.loads(raw))
    ]


def _problem(media: str, raw: bytes) -> list[str]:
    if media != "application/problem+json":
        return [f"a failure was answered as {media}"]
    schema = {"$ref": "#/components/schemas/Problem"}
    return [error.message for error in validator(schema).iter_errors(json.loads(raw))]
