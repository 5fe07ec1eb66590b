"""Selects fields of an answer: `fields=id,number,recipients.code`, for every call that reads, by one rule. In: a route,
the names in its query. Out: the fields to write, and whether a costly field is worth finding out.

Of a list the names are those of its rows; all around them stays. Of a field that is an object, or a list of such, one of
its own fields may be named behind a dot. `id`, or else `code`, always stays: one knows the thing again by it. A
selection is a view: the version in the ETag is that of the thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, create_model

from gateway.api.parsing import nearest
from gateway.api.routes import Route
from gateway.api.shapes import EVERYTHING, Chosen, Include, RequestModel, split
from gateway.domain.request_fault import BadCall, RequestFault

PARAMETER = "fields"
_MOST, _LONGEST = 200, 100
_ALL_ROWS = "__all__"
_KNOWN_BY = ("id", "code")


class Choosing(RequestModel):
    """Query of each call that reads, beside its own."""

    fields: Annotated[
        list[Annotated[str, StringConstraints(max_length=_LONGEST)]],
        BeforeValidator(split),
        Field(max_length=_MOST),
    ] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Step:
    """Field as its model calls it, and whether each row of a list below it is meant."""

    name: str
    is_list: bool


def query_of(route: Route, own: type[BaseModel]) -> type[BaseModel]:
    """Return the query of a route: `own` and that of any call of its sort."""
    return _with_choice(own) if offers(route) else own


def offers(route: Route) -> bool:
    """Tell whether its caller chooses fields: on a call that needs a key, reads, and answers JSON."""
    return route.method == "GET" and route.answer is not None and not route.open


def names_of(route: Route) -> list[str]:
    """List every name that may be asked for."""
    return list(_steps_by_name(route.answer)) if route.answer is not None else []


def chosen(route: Route, query: BaseModel | None) -> Chosen:
    """Return the fields that the query names. BadCall for an unknown name, with a near one where there is one."""
    if route.answer is None or not isinstance(query, Choosing) or not query.fields:
        return EVERYTHING
    steps = _steps_by_name(route.answer)
    faults = [
        RequestFault(
            code="unknown-field",
            pointer=f"?{PARAMETER}",
            params={"field": name},
            suggest=nearest(name, steps),
        )
        for name in dict.fromkeys(query.fields)
        if name not in steps
    ]
    if faults:
        raise BadCall("bad-request", *faults)
    names = [*query.fields, *_identity_names(steps)]
    return Chosen(
        include=_include_of(route.answer, _tree(names, steps)),
        names=frozenset(name.partition(".")[0] for name in names),
    )


@cache
def _with_choice(own: type[BaseModel]) -> type[BaseModel]:
    return create_model(own.__name__, __base__=(own, Choosing), __doc__=own.__doc__)


@cache
def _steps_by_name(answer: type[BaseModel]) -> Mapping[str, Sequence[_Step]]:
    """Return the way to each field by its name, from a row on where the answer is a list of them."""
    steps: dict[str, Sequence[_Step]] = {}
    for row in _rows(answer) or (answer,):
        for name, step, below in _fields(row):
            steps[name] = (step,)
            for model in below:
                steps |= {f"{name}.{within}": (step, deeper) for within, deeper, _ in _fields(model)}
    return steps


def _identity_names(names: Mapping[str, object]) -> list[str]:
    return [name for name in _KNOWN_BY if name in names][:1]


def _tree(names: Sequence[str], steps: Mapping[str, Sequence[_Step]]) -> Include:
    tree: Include = {}
    # The shorter ones first: a whole field has its parts.
    for name in sorted(names, key=lambda n: n.count(".")):
        first, *within = steps[name]
        if not within:
            tree[first.name] = True
        elif tree.get(first.name) is not True:
            place = tree.setdefault(first.name, {_ALL_ROWS: {}} if first.is_list else {})
            (place[_ALL_ROWS] if first.is_list else place)[within[0].name] = True
    return tree


def _include_of(answer: type[BaseModel], tree: Include) -> Include:
    """Return what to include: the whole answer, and of each row of a list the chosen fields."""
    if not _rows(answer):
        return tree
    answer_fields: Include = dict.fromkeys(answer.model_fields, True)
    return answer_fields | {"data": {_ALL_ROWS: tree}}


def _rows(answer: type[BaseModel]) -> Sequence[type[BaseModel]]:
    """Return the models of a list's rows; none where the answer is one thing."""
    data = answer.model_fields.get("data")
    models, is_list = _models(data.annotation) if data is not None else ((), False)
    return models if is_list else ()


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, _Step, Sequence[type[BaseModel]]]]:
    """Yield each field by its name in JSON, with the models below it."""
    for name, field in model.model_fields.items():
        models, is_list = _models(field.annotation)
        yield field.alias or name, _Step(name, is_list), models


def _models(hint: Any) -> tuple[Sequence[type[BaseModel]], bool]:  # Any: a type hint
    """Return the models of a field, and whether there is a list of them."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return (hint,), False
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _models(inner[0])
    if origin is list:
        return _models(inner[0])[0], True
    if origin in (Union, UnionType):
        parts = [_models(h) for h in inner]
        return [model for models, _ in parts for model in models], any(is_list for _, is_list in parts)
    return (), False
