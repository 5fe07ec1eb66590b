"""Acts on many documents in one call. In: items, each with the id of its document. Out: an outcome for each, in order,
once all is committed. An item that is refused is answered in its place, as a call for it alone would have been, and harms
no other. Items about one document act one after another; others side by side, so that they share commits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, WithJsonSchema

from gateway.api import problems
from gateway.api.call import Call
from gateway.api.shapes import ResponseModel
from gateway.domain.request_fault import BadCall
from gateway.errors import GatewayError

_LOG = logging.getLogger(__name__)
MOST_ITEMS = 100
_SIDE_BY_SIDE = 8
R = TypeVar("R", bound=ResponseModel)
T = TypeVar("T")
# Any: the JSON of a failure, which the description has under that name.
ProblemOut = Annotated[dict[str, Any], WithJsonSchema({"x-schema": "Problem"})]


class Outcome(ResponseModel, Generic[R]):
    """Outcome of one item."""

    id: str
    status: int = Field(description="Status that a call for this item alone would have been answered with")
    result: R | None = Field(description="Answer of that call; null where it was refused")
    problem: ProblemOut | None = Field(description="Its refusal; null where the item is done")


async def act_on_all(
    call: Call,
    items: Sequence[tuple[str, T]],
    act: Callable[[str, T], Awaitable[R]],
    kind: type[Outcome[R]],
    path: str,
) -> list[Any]:
    """Act on every pair of an id and a value; `path` is that of the call for one. Any: outcomes of this kind."""
    places: dict[str, list[int]] = {}
    for place, (id, _) in enumerate(items):
        places.setdefault(id, []).append(place)
    waiting, outcomes = deque(places.values()), dict[int, Outcome[R]]()

    async def act_in_turn() -> None:
        while waiting:
            for place in waiting.popleft():
                outcomes[place] = await _outcome(call, *items[place], act, kind, path)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_SIDE_BY_SIDE, len(places))):
            group.create_task(act_in_turn())
    return [outcomes[place] for place in range(len(items))]


async def _outcome(
    call: Call, id: str, value: T, act: Callable[[str, T], Awaitable[R]], kind: type[Outcome[R]], path: str
) -> Outcome[R]:
    try:
        return kind(id=id, status=200, result=await act(id, value), problem=None)
    except BadCall as bad:
        problem = problems.of_bad_call(bad, call.lang)
    except GatewayError as error:
        problem = problems.of_error(error, call.lang)
        if problem.status >= 500:
            _LOG.warning("an item of a call failed", exc_info=error, extra={"request_id": call.id})
    body = problems.body_of(problem, call.id, path.format(id=id), call.lang)
    return kind(id=id, status=problem.status, result=None, problem=body)
