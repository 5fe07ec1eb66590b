"""Commands that do what a call of the API does, made from the table of its calls. In: a row that names a command and its
call. Out: the command: what the call's path names is its argument, the fields of what is asked are its options, with
their descriptions, and its answer is the API's. It is carried out in this process by the operator, who has every scope,
so that a node that is stopped is served too."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from gateway.cli import output
from gateway.cli.command import Group, Invocation
from gateway.cli.node import Seat, at_agency, operator

if TYPE_CHECKING:
    from aiohttp import web
    from pydantic.fields import FieldInfo

    from gateway.api.routes import Route
    from gateway.api.shapes import Told

_EMPTY, _PLAIN = inspect.Parameter.empty, inspect.Parameter.POSITIONAL_OR_KEYWORD
_NOTHING: Mapping[str, Any] = MappingProxyType({})
# A person may have longer pages than a program.
MOST_ROWS = 500
_ROWS = Annotated[int, typer.Option("--limit", min=1, max=MOST_ROWS, help="How many.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """How something is typed, where not as an option of its own name. Any: a type as the library of commands reads it."""

    name: str
    kind: Any
    default: object = _EMPTY
    read: Callable[[Any], object] = lambda typed: typed


@dataclass(frozen=True, slots=True)
class Operation:
    """One command, and the call that it carries out. `place` is what the path names; `find` tells its id, and words for the
    question, where a person may type something else. `typed` and `fixed` are by field of what is asked: how it is typed,
    and what the command says itself; `only` are the fields that it has, without it all. `ask` is the label of the question
    before something is changed."""

    verb: str
    call: str
    examples: Sequence[str]
    says: str = ""
    _: KW_ONLY
    place: Typed | None = None
    find: Callable[[Seat, str], Awaitable[tuple[str, Mapping[str, str]]]] | None = None
    typed: Mapping[str, Typed] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    only: Sequence[str] | None = None
    ask: str = ""
    tell: Callable[[Invocation, Any], None] = lambda call, answer: output.record(call, shown(answer))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRequest:
    """What a handler reads of the request, of a call that came over no line."""

    method: str
    path: str
    match_info: Mapping[str, str]
    headers: Mapping[str, str]
    query: Mapping[str, str] = field(default_factory=dict)


def register(group: Group, *operations: Operation) -> None:
    """Adds the commands to their group."""
    for row in operations:
        group.verb(_command(row), *row.examples, name=row.verb, writes=bool(row.ask))


def shown(answer: Told) -> dict[str, Any]:
    """The answer as a program reads it. Any: JSON."""
    return answer.model_dump(mode="json", by_alias=True)


async def carry_out(
    call: Invocation, seat: Seat, name: str, given: Mapping[str, object] = _NOTHING, /, **places: str
) -> Any:
    """What the API answers the operator, as the model that its call names. BadParameter for what cannot be asked."""
    from gateway.api.call import Call
    from gateway.api.caller import Caller
    from gateway.api.problems import BadCall, of_bad_call
    from gateway.api.shapes import Told
    from gateway.cli.doors import api_deps
    from gateway.domain.account import ApiKey, ApiScope
    from gateway.ops.metrics import Watch

    node, route, now = seat.node, _route(name), seat.node.clock.now()
    id = node.clock.new_id("cli_")
    # It stands for the operator in this one call, and is kept nowhere.
    key = ApiKey(
        id="cli",
        principal=await operator(node.store),
        agency_ids=(seat.agency.id,),
        scopes=frozenset(ApiScope),
        created_at=now,
    )
    path, headers = route.path.format(**places), {"Idempotency-Key": id}
    request = LocalRequest(method=route.method, path=path, match_info=places, headers=headers)
    try:
        made = Call(
            request=cast("web.Request", request),
            deps=api_deps(node, Watch(node=node)),
            lang=call.lang.value,
            id=id,
            who=Caller(key=key, agencies=(seat.agency,), agency=seat.agency),
            **_checked(route, given),
        )
        answer = await route.handler(made.with_bare_cursor())
    except BadCall as bad:
        problem = of_bad_call(bad, call.lang.value)
        raise typer.BadParameter("; ".join(map(_fault, problem.errors))) from bad
    if isinstance(answer, Told) or route.answer is None:
        return answer
    # What a call that creates answers is kept for its repeats, and so is text.
    return route.answer.model_validate_json(cast("web.Response", answer).text or "")


def _fault(fault: Mapping[str, object]) -> str:
    meant = fault["suggest"]
    return f"{fault['detail']}; did you mean {meant}?" if meant else str(fault["detail"])


def _route(name: str) -> Route:
    from gateway.api.resources import ROUTES

    return next(route for route in ROUTES if route.name == name)


def _checked(route: Route, given: Mapping[str, object]) -> dict[str, Any]:
    """The question as the fields of a `Call`, checked by its model; the length of a page was checked as it was typed."""
    from pydantic import ValidationError

    from gateway.api.asking import bad_fields

    place, model = ("asked", route.asks) if route.asks else ("query", route.query)
    if model is None:
        return {}
    rows = {name: value for name, value in given.items() if name == "limit"}
    try:
        checked = model.model_validate({name: value for name, value in given.items() if name not in rows})
    except ValidationError as why:
        raise bad_fields(why, model, "?" if route.query else "") from why
    return {place: checked.model_copy(update=rows)}


def _command(row: Operation) -> Callable[..., Coroutine[object, object, None]]:
    """What the command runs: a function whose parameters are made of the call's path and models."""
    route = _route(row.call)
    fields = dict(_typed(row, route))

    async def run(call: Invocation, **typed: Any) -> None:
        given = {
            name: how.read(typed[how.name])
            for name, how in fields.items()
            if typed[how.name] not in (None, how.default)
        }
        async with at_agency(call) as seat:
            id, words = typed[row.place.name] if row.place else "", _NOTHING
            if row.find is not None:
                id, words = await row.find(seat, id)
            told = {"id": id, "code": seat.agency.code, **_words(typed), **words}
            if row.ask and not call.agrees(row.ask, **told):
                return
            places = dict.fromkeys(route.path_names, id)
            answer = await carry_out(call, seat, row.call, {**given, **row.fixed}, **places)
        row.tell(call, answer)

    every = [Typed(name="call", kind=Invocation), *([row.place] if row.place else ()), *fields.values()]
    every.sort(key=lambda how: how.default is not _EMPTY)
    parameters = [
        inspect.Parameter(how.name, _PLAIN, default=how.default, annotation=how.kind) for how in every
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect
    run.__annotations__ = {how.name: how.kind for how in every}
    run.__doc__ = row.says or f"{route.summary}."
    return run


def _words(typed: Mapping[str, object]) -> dict[str, str]:
    """What was typed, for the question."""
    said = {name: ", ".join(each) if isinstance(each, list) else each for name, each in typed.items()}
    return {name: output.plain(str(each or "-")) for name, each in said.items()}


def _typed(row: Operation, route: Route) -> Iterator[tuple[str, Typed]]:
    model = route.asks or route.query
    for name, about in model.model_fields.items() if model is not None else ():
        if name not in row.fixed and (row.only is None or name in row.only):
            yield name, row.typed.get(name) or _option(name, about)


def _option(name: str, about: FieldInfo) -> Typed:
    """An option of the field's name, with its description."""
    if name == "limit":
        return Typed(name=name, kind=_ROWS, default=about.default)
    kinds = [*_kinds(about.annotation)]
    kind: Any = list[str] if list in kinds else next((each for each in (bool, int) if each in kinds), str)
    flag = f"--{name.replace('_', '-')}"
    default = _EMPTY if about.is_required() else about.get_default(call_default_factory=True) or None
    if default is None and kind is not bool:
        kind = kind | None
    option = typer.Option(flag, help=about.description or ", ".join(_literals(about.annotation)) or None)
    return Typed(name=name, kind=Annotated[kind, option], default=default)


def _literals(annotation: Any) -> Iterator[str]:
    for each in get_args(annotation):
        yield from [each] if isinstance(each, str) else _literals(each)


def _kinds(annotation: Any) -> Iterator[Any]:
    yield getattr(annotation, "__origin__", annotation)
    for each in get_args(annotation):
        yield from _kinds(each)
