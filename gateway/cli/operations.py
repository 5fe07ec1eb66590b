"""Commands that make a call of the API. In: a function that takes what a person types and returns the call's fields, by the
names of its model. Out: the command. It runs in this process for the operator, who has every scope, so that a stopped node
is served too; the API's own route checks, executes and answers it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import typer

from gateway.cli import documents, output
from gateway.cli.command import Invocation
from gateway.cli.node import CommandContext, operator
from gateway.domain.account import ApiKey, ApiScope

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.api.routes import Route
    from gateway.api.shapes import ResponseModel

# Any, here and below: input, request and answer are JSON, which the models of the call check.
Fields = Mapping[str, Any]
Command = Callable[..., Coroutine[object, object, None]]
Find = Callable[[CommandContext, str], Awaitable[documents.FoundDocument]]
Tell = Callable[[Invocation, Any], None]
_NOTHING: Fields = MappingProxyType({})
COMMANDS: dict[Command, str] = {}
"""The API call of each command."""


def print_record(call: Invocation, answer: ResponseModel) -> None:
    """Print the answer as one record."""
    output.record(call, documents.as_json(answer))


def rows_printer(
    columns: Sequence[output.Column], cells: Callable[[Invocation, Any], output.Cells], id: str = "id"
) -> Tell:
    """Make a printer of an answer as a list, in pages where it has pages; `cells` replaces values for people, `id` is the
    field that identifies a row."""

    def tell(call: Invocation, answer: Any) -> None:
        records = [{"id": getattr(row, id), **documents.as_json(row)} for row in answer.data]
        row_cells = [cells(call, row) for row in answer.data]
        if hasattr(answer, "next_cursor"):
            output.page(call, records, columns, answer.next_cursor, row_cells)
        else:
            output.rows(call, records, columns, row_cells)

    return tell


def makes_call(
    name: str, *, find: Find | None = None, ask: str = "", tell: Tell = print_record
) -> Callable[[Callable[..., Fields]], Command]:
    """Make a command of a function and the API call that it makes. The first typed value is the variable of the call's
    path, where it has one; `find` finds the document that it names. `ask` is the label of the question before a change;
    `tell` prints the answer."""

    def decorate(function: Callable[..., Fields]) -> Command:
        async def run(call: Invocation, context: CommandContext, **inputs: Any) -> None:
            request_fields = {field: v for field, v in function(**inputs).items() if v is not None}
            id, to = next(iter(inputs.values()), ""), ""
            if find:
                document = await find(context, id)
                id, to, inputs["document"] = (
                    document.id,
                    documents.recipient_names(document),
                    documents.name_of(document),
                )
            if ask:
                params = {"id": id, "code": context.agency.code, "to": to}
                call.ask(ask, **params | _plain_texts(request_fields) | _plain_texts(inputs))
            tell(call, await carry_out(call, context, name, request_fields, id))

        signature = inspect.signature(function)
        context_params = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
            for name, annotation in (("call", "Invocation"), ("seat", "CommandContext"))
        ]
        run.__signature__ = signature.replace(parameters=[*context_params, *signature.parameters.values()])  # type: ignore[attr-defined]
        run.__annotations__ = get_type_hints(function, include_extras=True)
        run.__name__, run.__doc__ = function.__name__, function.__doc__
        COMMANDS[run] = name
        return run

    return decorate


def _plain_texts(fields: Fields) -> dict[str, str]:
    """Return the typed values as plain text, for the question."""
    texts = {name: ", ".join(v) if isinstance(v, list) else v for name, v in fields.items()}
    return {name: output.plain(str(v or "-")) for name, v in texts.items()}


async def carry_out(
    call: Invocation, context: CommandContext, name: str, fields: Fields = _NOTHING, id: str = ""
) -> Any:
    """Make the call for the operator; return the answer as the model of its route. Raise BadParameter for invalid input."""
    from gateway.api.call import Call
    from gateway.api.caller import Caller
    from gateway.api.problems import of_bad_call
    from gateway.api.resources import ROUTES
    from gateway.api.shapes import ResponseModel
    from gateway.cli.applications import api_deps
    from gateway.domain.request_fault import BadCall
    from gateway.ops.checks import Watch

    node = context.node
    route = next(route for route in ROUTES if route.name == name)
    # The key stands for the operator in this one call, and is not stored.
    key = ApiKey(
        id="cli",
        principal=await operator(node.store),
        agency_ids=(context.agency.id,),
        scopes=frozenset(ApiScope),
        created_at=node.clock.now(),
    )
    places, call_id = dict.fromkeys(route.path_names, id), node.clock.new_id("cli_")
    # Only the parts of a request that handlers read.
    request = SimpleNamespace(
        method=route.method,
        path=route.path.format(**places),
        match_info=places,
        headers={"Idempotency-Key": call_id},
        query=_NOTHING,
    )
    try:
        api_call = Call(
            request=cast("web.Request", request),
            deps=api_deps(node, Watch(node=node)),
            lang=call.lang.value,
            id=call_id,
            identified=Caller(key=key, agencies=(context.agency,), agency=context.agency),
            **_checked_fields(route, fields),
        )
        answer = await route.handler(api_call.with_bare_cursor())
    except BadCall as error:
        problem = of_bad_call(error, call.lang.value)
        raise typer.BadParameter("; ".join(map(_fault, problem.errors)) or problem.detail) from error
    if isinstance(answer, ResponseModel) or route.answer is None:
        return answer
    # The answer of a creating call is text, because it is stored for repeats.
    return route.answer.model_validate_json(cast("web.Response", answer).text or "")


def _fault(fault: Mapping[str, object]) -> str:
    detail, suggestion = str(fault["detail"]), fault["suggest"]
    return f"{detail.rstrip('.')}; did you mean {suggestion}?" if suggestion else detail


def _checked_fields(route: Route, values: Fields) -> dict[str, Any]:
    """Check the fields by the model of the call. A person may ask for longer pages than a program."""
    from pydantic import ValidationError

    from gateway.api.parsing import bad_fields

    place, model = ("body", route.asks) if route.asks else ("query", route.query)
    if model is None:
        return {}
    length = {"limit": values["limit"]} if "limit" in values else {}
    try:
        checked = model.model_validate({name: v for name, v in values.items() if name not in length})
    except ValidationError as error:
        raise bad_fields(error, model, "" if route.asks else "?") from error
    return {place: checked.model_copy(update=length)}
