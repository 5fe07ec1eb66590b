"""Commands that do what a call of the API does. In: a function that takes what a person types and returns what the call
is asked, by the names of its model. Out: the command. It is carried out in this process by the operator, who has every
scope, so that a node that is stopped is served too; what is asked is checked, done and answered by the API's own row."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import typer

from gateway.cli import documents, output
from gateway.cli.command import Invocation
from gateway.cli.node import Seat, operator
from gateway.domain.account import ApiKey, ApiScope

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.api.routes import Route
    from gateway.api.shapes import Told

# Any, here and below: what is typed, asked and answered is JSON, which the models of the call check.
Given = Mapping[str, Any]
Command = Callable[..., Coroutine[object, object, None]]
Find = Callable[[Seat, str], Awaitable[documents.Named]]
Tell = Callable[[Invocation, Any], None]
_NOTHING: Given = MappingProxyType({})


def shown(answer: Told) -> dict[str, Any]:
    """The answer as a program reads it."""
    return answer.model_dump(mode="json", by_alias=True)


def tell_record(call: Invocation, answer: Told) -> None:
    """Prints the answer as one record."""
    output.record(call, shown(answer))


def tell_rows(
    columns: Sequence[output.Column], cells: Callable[[Invocation, Any], output.Cells], id: str = "id"
) -> Tell:
    """Make what prints an answer as a list, a page of it where it has pages; `cells` says what of a row people read in
    another way, `id` by which field one knows it again."""

    def tell(call: Invocation, answer: Any) -> None:
        records = [{"id": getattr(row, id), **shown(row)} for row in answer.data]
        said = [cells(call, row) for row in answer.data]
        if hasattr(answer, "next_cursor"):
            output.page(call, records, columns, answer.next_cursor, said)
        else:
            output.rows(call, records, columns, said)

    return tell


def does(
    name: str, *, find: Find | None = None, ask: str = "", tell: Tell = tell_record
) -> Callable[[Callable[..., Given]], Command]:
    """Make the command of a function, and of the call that it carries out. What is typed first is the variable of the
    call's path, where it has one; `find` gives the document that a person means by it. `ask` is the label of the question
    before something is changed; `tell` prints the answer."""

    def made(asked: Callable[..., Given]) -> Command:
        async def run(call: Invocation, seat: Seat, **typed: Any) -> None:
            given = {field: value for field, value in asked(**typed).items() if value is not None}
            id, to = next(iter(typed.values()), ""), ""
            if find:
                found = await find(seat, id)
                id, to, typed["document"] = found.id, documents.sent_to(found), documents.name_of(found)
            if ask:
                said = {"id": id, "code": seat.agency.code, "to": to}
                call.ask(ask, **said | _plain(given) | _plain(typed))
            tell(call, await carry_out(call, seat, name, given, id))

        signature = inspect.signature(asked)
        own = [
            inspect.Parameter(each, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)
            for each, kind in (("call", "Invocation"), ("seat", "Seat"))
        ]
        run.__signature__ = signature.replace(parameters=[*own, *signature.parameters.values()])  # type: ignore[attr-defined]
        run.__annotations__ = get_type_hints(asked, include_extras=True)
        run.__name__, run.__doc__ = asked.__name__, asked.__doc__
        COMMANDS[run] = name
        return run

    return made


COMMANDS: dict[Command, str] = {}
"""The call of each command that was made."""


def _plain(typed: Given) -> dict[str, str]:
    """What was said, for the question."""
    said = {name: ", ".join(each) if isinstance(each, list) else each for name, each in typed.items()}
    return {name: output.plain(str(each or "-")) for name, each in said.items()}


async def carry_out(call: Invocation, seat: Seat, name: str, given: Given = _NOTHING, id: str = "") -> Any:
    """What the API answers the operator, as the model that its call names. BadParameter for what cannot be asked."""
    from gateway.api.call import Call
    from gateway.api.caller import Caller
    from gateway.api.problems import BadCall, of_bad_call
    from gateway.api.resources import ROUTES
    from gateway.api.shapes import Told
    from gateway.cli.doors import api_deps
    from gateway.ops.checks import Watch

    node = seat.node
    route = next(route for route in ROUTES if route.name == name)
    # It stands for the operator in this one call, and is kept nowhere.
    key = ApiKey(
        id="cli",
        principal=await operator(node.store),
        agency_ids=(seat.agency.id,),
        scopes=frozenset(ApiScope),
        created_at=node.clock.now(),
    )
    places, once = dict.fromkeys(route.path_names, id), node.clock.new_id("cli_")
    # What a handler reads of the request, of a call that came over no line.
    request = SimpleNamespace(
        method=route.method,
        path=route.path.format(**places),
        match_info=places,
        headers={"Idempotency-Key": once},
        query=_NOTHING,
    )
    try:
        made = Call(
            request=cast("web.Request", request),
            deps=api_deps(node, Watch(node=node)),
            lang=call.lang.value,
            id=once,
            who=Caller(key=key, agencies=(seat.agency,), agency=seat.agency),
            **_checked(route, given),
        )
        answer = await route.handler(made.with_bare_cursor())
    except BadCall as bad:
        problem = of_bad_call(bad, call.lang.value)
        raise typer.BadParameter("; ".join(map(_fault, problem.errors)) or problem.detail) from bad
    if isinstance(answer, Told) or route.answer is None:
        return answer
    # What a call that creates answers is kept for its repeats, and so is text.
    return route.answer.model_validate_json(cast("web.Response", answer).text or "")


def _fault(fault: Mapping[str, object]) -> str:
    detail, meant = str(fault["detail"]), fault["suggest"]
    return f"{detail.rstrip('.')}; did you mean {meant}?" if meant else detail


def _checked(route: Route, given: Given) -> dict[str, Any]:
    """The question as fields of a `Call`, checked by its model. A person may have longer pages than a program."""
    from pydantic import ValidationError

    from gateway.api.asking import bad_fields

    place, model = ("asked", route.asks) if route.asks else ("query", route.query)
    if model is None:
        return {}
    length = {"limit": given["limit"]} if "limit" in given else {}
    try:
        checked = model.model_validate({name: value for name, value in given.items() if name not in length})
    except ValidationError as why:
        raise bad_fields(why, model, "" if route.asks else "?") from why
    return {place: checked.model_copy(update=length)}
