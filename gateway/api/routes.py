"""The one table of what the API offers: each `Route` registers itself with aiohttp and describes itself to OpenAPI, so
the two cannot disagree. In: rows written beside the handlers in `resources/`. Out: rows for `app` and `openapi`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel

from gateway.domain.account import ApiScope

if TYPE_CHECKING:
    from gateway.api.call import Call

BASE = "/api/v1"

Handler = Callable[["Call"], Awaitable[web.StreamResponse]]


class Body(StrEnum):
    """How a request carries what it says."""

    NONE = "none"
    JSON = "json"
    PARTS = "parts"
    FILE = "file"
    RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One verb on one path. `open` needs no key; `any_scope` takes one of `scopes` where all are the rule; `creates`
    needs an Idempotency-Key; `changes` honours If-Match. `answer` is None where the answer is not JSON: then `media`
    says what it is, as `takes` does of a raw body. `headers` are those of its answer that its other fields do not tell."""

    method: str
    path: str
    name: str
    tag: str
    handler: Handler
    summary: str
    text: str = ""
    scopes: tuple[ApiScope, ...] = ()
    any_scope: bool = False
    open: bool = False
    creates: bool = False
    changes: bool = False
    query: type[BaseModel] | None = None
    body: Body = Body.NONE
    asks: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    media: str = "application/json"
    takes: str = ""
    fails: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    sample: Callable[[date], Mapping[str, Any]] | None = None

    @property
    def path_names(self) -> tuple[str, ...]:
        """The variables of the path, in order."""
        return tuple(piece.split("}")[0] for piece in self.path.split("{")[1:])
