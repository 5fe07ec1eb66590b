"""Which fields of an answer its caller wants: `fields=id,number,recipients.code`, for every call that reads, by one rule.
In: a route, the names that were asked for. Out: what to write of the answer, and whether something dear is worth finding
out.

Of a list the names are those of its items, whatever stands around them stays. Of a field that is an object, or a list of
such, one of its own fields may be named behind a dot. By `id`, where a thing has none by `code`, one knows it again: that
field always stays. What is chosen is a view: the version in the ETag is that of the thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, create_model

from gateway.api.parsing import nearest
from gateway.api.problems import BadCall, RequestFault
from gateway.api.routes import Route
from gateway.api.shapes import EVERYTHING, Asked, Chosen, Include, split

PARAMETER = "fields"
_MOST, _LONGEST = 200, 100
_EACH = "__all__"
_KNOWN_BY = ("id", "code")


class Choosing(Asked):
    """What each call that reads can be asked beside its own questions."""

    fields: Annotated[
        list[Annotated[str, StringConstraints(max_length=_LONGEST)]],
        BeforeValidator(split),
        Field(max_length=_MOST),
    ] = Field(
        default_factory=list,
        description="Only these fields of the answer (in a list: of each row), separated by commas; nested fields "
        "as `recipients.code`. Other fields are left out, as `ChosenFields` describes; `id`, or else "
        "`code`, always stays",
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """A field as its model calls it, and whether each thing of a list below it is meant."""

    name: str
    is_list: bool


def query_of(route: Route, own: type[BaseModel]) -> type[BaseModel]:
    """The questions of a route, `own` and whatever any call of its sort is asked."""
    return _with_choice(own) if offers(route) else own


def offers(route: Route) -> bool:
    """Whether its caller chooses fields: of what is read with a key, and is JSON."""
    return route.method == "GET" and route.answer is not None and not route.open


def names_of(route: Route) -> list[str]:
    """Every name that may be asked for."""
    return list(_known(route.answer)) if route.answer is not None else []


def chosen(route: Route, query: BaseModel | None) -> Chosen:
    """What the query names. BadCall for a name that stands nowhere, with the one that was meant where one is near."""
    if route.answer is None or not isinstance(query, Choosing) or not query.fields:
        return EVERYTHING
    known = _known(route.answer)
    faults = [
        RequestFault(
            code="unknown-field",
            pointer=f"?{PARAMETER}",
            params={"field": name},
            suggest=nearest(name, known),
        )
        for name in dict.fromkeys(query.fields)
        if name not in known
    ]
    if faults:
        raise BadCall("bad-request", *faults)
    wanted = [*query.fields, *_kept(known)]
    return Chosen(
        include=_written(route.answer, _tree(wanted, known)),
        names=frozenset(name.partition(".")[0] for name in wanted),
    )


@cache
def _with_choice(own: type[BaseModel]) -> type[BaseModel]:
    return create_model(own.__name__, __base__=(own, Choosing), __doc__=own.__doc__)


@cache
def _known(answer: type[BaseModel]) -> Mapping[str, Sequence[_Step]]:
    """Every name with the way to what it means, from an item on where the answer is a list of them."""
    found: dict[str, Sequence[_Step]] = {}
    for item in _rows(answer) or (answer,):
        for name, step, below in _fields(item):
            found[name] = (step,)
            for model in below:
                found |= {f"{name}.{within}": (step, deeper) for within, deeper, _ in _fields(model)}
    return found


def _kept(known: Mapping[str, object]) -> list[str]:
    return [name for name in _KNOWN_BY if name in known][:1]


def _tree(wanted: Sequence[str], known: Mapping[str, Sequence[_Step]]) -> Include:
    tree: Include = {}
    # The shorter ones first: who wants the whole of a field has its parts.
    for name in sorted(wanted, key=lambda each: each.count(".")):
        first, *within = known[name]
        if not within:
            tree[first.name] = True
        elif tree.get(first.name) is not True:
            place = tree.setdefault(first.name, {_EACH: {}} if first.is_list else {})
            (place[_EACH] if first.is_list else place)[within[0].name] = True
    return tree


def _written(answer: type[BaseModel], tree: Include) -> Include:
    """The whole answer, of each row of a list what was chosen."""
    if not _rows(answer):
        return tree
    around: Include = dict.fromkeys(answer.model_fields, True)
    return around | {"data": {_EACH: tree}}


def _rows(answer: type[BaseModel]) -> Sequence[type[BaseModel]]:
    """What a list is of; nothing where the answer is one thing."""
    data = answer.model_fields.get("data")
    models, is_list = _models(data.annotation) if data is not None else ((), False)
    return models if is_list else ()


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, _Step, Sequence[type[BaseModel]]]]:
    """Each field by its name in JSON, with the models below it."""
    for name, field in model.model_fields.items():
        models, is_list = _models(field.annotation)
        yield field.alias or name, _Step(name, is_list), models


def _models(hint: Any) -> tuple[Sequence[type[BaseModel]], bool]:  # Any: a type as it is written
    """The models of a field, and whether there is a list of them."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return (hint,), False
    origin, inner = get_origin(hint), get_args(hint)
    if origin is list:
        return _models(inner[0])[0], True
    if origin in (Union, UnionType):
        found = [_models(each) for each in inner]
        return [model for models, _ in found for model in models], any(is_list for _, is_list in found)
    return (), False
