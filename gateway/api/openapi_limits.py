"""Writes the limits of texts and lists into the schemas of what callers say, from the table that intake and writer keep
(`domain.fields`), so that the description cannot say another length than the node takes. In: schemas by name. Out:
the same with their limits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from gateway.domain.fields import CHANGE, DRAFT, MOST, STATUS, Rule

# Any, here and below: an OpenAPI document is JSON.
Json = dict[str, Any]

# What each says, by the tables that rule it.
RULED: Mapping[str, tuple[Mapping[str, Rule], ...]] = {
    "MessageIn": (DRAFT,),
    "UpdateIn": (DRAFT, CHANGE),
    "ReplaceIn": (DRAFT, CHANGE),
    "RecallIn": (CHANGE,),
    "StatusIn": (STATUS,),
}


def limited(schemas: Json) -> Json:
    """The schemas with their limits."""
    made = deepcopy(schemas)
    for model, tables in RULED.items():
        for table in tables:
            for path, rule in table.items():
                for place in places(made, model, path):
                    _set(place, "maxLength", rule.longest)
        for name, most in MOST.items():
            for place in places(made, model, name):
                _set(place, "maxItems", most)
    return made


def places(schemas: Json, model: str, path: str) -> Iterator[Json]:
    """The schemas at a path of a model; `*` stands for the entries of a list. None where the model has no such field."""
    found = [schemas[model]] if model in schemas else []
    for step in path.split("/"):
        below = (_below(each, step) for each in found)
        found = [_bare(schemas, each) for each in below if each is not None]
    yield from found


def _below(schema: Json, step: str) -> Json | None:
    inner = schema.get("items") if step == "*" else schema.get("properties", {}).get(step)
    return inner if isinstance(inner, dict) else None


def _bare(schemas: Json, schema: Json) -> Json:
    """The schema itself: without the null beside it, and behind its reference."""
    for each in schema.get("anyOf", ()):
        if each.get("type") != "null":
            schema = each
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return schemas[name] if name else schema


def _set(schema: Json, key: str, limit: int) -> None:
    """A type that two tables rule has the narrower limit, which each of them takes."""
    known = schema.get(key, limit)
    # What the shape alone allows is wider: it only bounds what is read.
    schema[key] = min(known, limit)
