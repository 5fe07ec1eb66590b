"""The one table of what the API offers: each `Route` registers itself with aiohttp and describes itself to OpenAPI,
so the two cannot disagree. In: rows written beside the handlers in `resources/`. Out: rows for `app` and `openapi`.

Beside it stand the requests that the documentation shows, about an invented document of the demonstration's agencies:
Z91.07 writes to Z91 and to one below it; the node of the demonstration takes them on the day on which they are
shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar, get_type_hints

from aiohttp import web
from pydantic import BaseModel

from gateway.api.call import Call
from gateway.api.shapes import BASE, ResponseModel
from gateway.domain.account import ApiScope
from gateway.words.labels import say

Handler = Callable[[Call], Awaitable[ResponseModel | web.StreamResponse]]


class Body(StrEnum):
    """Form of a request's body, where it has one."""

    JSON = "json"
    PARTS = "parts"
    FILE = "file"
    RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One verb on one path. `open` needs no key; `any_scope` takes one of `scopes` where all are the rule; `creates`
    needs an Idempotency-Key; `changes` honours If-Match. `answer` is None where the answer is not JSON: then `media`
    says what it is, as `takes` does of a raw body. `fails` and `headers` are those of its answers that its other fields
    do not tell. `old_since` and `gone_on` are of a call that is going: what to use instead stands in its `text`. The
    folder `examples` of `package` has its recorded answers."""

    path: str
    name: str
    tag: str
    handler: Handler
    summary: str
    method: str = "GET"
    text: str = ""
    scopes: tuple[ApiScope, ...] = ()
    any_scope: bool = False
    open: bool = False
    creates: bool = False
    changes: bool = False
    query: type[BaseModel] | None = None
    body: Body = Body.JSON
    asks: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    media: str = "application/json"
    takes: str = ""
    fails: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    old_since: date | None = None
    gone_on: date | None = None
    sample: Callable[[date], Mapping[str, Any]] | None = None
    package: str = "gateway"

    @property
    def farewell(self) -> Mapping[str, str]:
        """Headers of a call that is going (RFC 9745, RFC 8594)."""
        if self.old_since is None or self.gone_on is None:
            return {}
        since, sunset = (datetime.combine(day, time(), UTC) for day in (self.old_since, self.gone_on))
        return {"Deprecation": f"@{int(since.timestamp())}", "Sunset": format_datetime(sunset, usegmt=True)}

    @property
    def failures(self) -> frozenset[int]:
        """Statuses of the refusals that this call can meet, besides those of every call."""
        follows = {404: self.path_names, 409: self.creates, 412: self.changes}
        of_body = (413, 415, 422) if self.asks is not None or self.body in (Body.FILE, Body.RAW) else ()
        return frozenset((*self.fails, *of_body, *(status for status, cause in follows.items() if cause)))

    @property
    def path_names(self) -> tuple[str, ...]:
        """The variables of the path, in order."""
        return tuple(piece.split("}")[0] for piece in self.path.split("{")[1:])


_DOWNLOAD_TEXT = (
    "The ETag is the file's SHA-256: `If-None-Match` is answered with 304, and `Range` with one range "
    "with 206, so that an interrupted download can be continued."
)


# Any: a handler takes the call, and by these names its checked body and query.
_Function = TypeVar("_Function", bound=Callable[..., Awaitable[ResponseModel | web.StreamResponse]])
_CHECKED_PARTS = {"body": "asks", "query": "query"}


class Routes(list[Route]):
    """Calls of one resource, in the order of their handlers: as a decorator it adds the handler's. The function's name
    is the call's; its parameters `body` and `query` name the models of the request, its return type the answer. A call
    that creates is answered 202 where its row says nothing else."""

    def __init__(self, tag: str, *scopes: ApiScope) -> None:
        super().__init__()
        self._tag, self._scopes = tag, scopes

    def __call__(
        self, call: str, summary: str, *, base: str = BASE, **more: Any
    ) -> Callable[[_Function], _Function]:
        """`call`: the verb and the path below `base`. Any: fields of `Route`, which knows their types."""
        method, path = call.split()
        row = {"tag": self._tag, "scopes": self._scopes, "status": 202 if "creates" in more else 200, **more}

        def add(function: _Function) -> _Function:
            hints = get_type_hints(function)
            row.setdefault("package", function.__module__.partition(".")[0])
            parts = [name for name in _CHECKED_PARTS if name in hints]
            row.update({_CHECKED_PARTS[name]: hints[name] for name in parts})
            if issubclass(hints["return"], ResponseModel):
                row["answer"] = hints["return"]

            # Any: a service, where the calls are those of one, and the call.
            async def handler(*args: Any) -> ResponseModel | web.StreamResponse:
                return await function(*args, **{name: getattr(args[-1], name) for name in parts})

            first, *words = function.__name__.split("_")
            name = first + "".join(map(str.capitalize, words))
            self.append(
                Route(method=method, path=base + path, name=name, handler=handler, summary=summary, **row)
            )
            return function

        return add

    def file(self, call: str, summary: str, **more: Any) -> Callable[[_Function], _Function]:
        """Add a call whose answer is a stored file."""
        defaults = {
            "text": _DOWNLOAD_TEXT,
            "media": "*/*",
            "fails": (409, 416),
            "headers": ("ETag", "X-Content-SHA256"),
        }
        return self(call, summary, **defaults | more)

    # Any: each function says what it takes.
    def bind(self, service: Any) -> Sequence[Route]:
        """Return the calls of functions that take a service first, which is opened later than their rows are made."""
        return tuple(replace(row, handler=partial(row.handler, service)) for row in self)


# Any: these are JSON documents.
Json = dict[str, Any]


def sample_message(day: dt.date) -> Json:
    return {
        "external_id": f"qlvb-{day.year}-004512",
        "number": "1523",
        "symbol": "STN-VP",
        "date": f"{day}",
        "type": "cong_van",
        "subject": say("sample.subject"),
        "urgency": "hoa_toc",
        "secrecy": "none",
        "signer": {"name": say("sample.signer"), "title": say("sample.title")},
        "signed_at": f"{day}T07:05:42+07:00",
        "delivery_mode": "electronic",
        "file_code": {"organ": "Z91.07", "year": day.year, "notation": "15.TH"},
        "reply_required": True,
        "reply_due": f"{day + dt.timedelta(days=7)}",
        "replies_to": [
            {"agency": "Z91", "number": "88/UBND-TH", "date": f"{day - dt.timedelta(days=10)}"},
        ],
        "recipients": [
            {"code": "Z91", "role": "to_report"},
            {"name": say("sample.agency"), "parent": "Z91", "role": "to_coordinate"},
        ],
        "labels": [say("sample.label")],
        "callback_data": "kept and returned as is",
    }


def sample_update(day: dt.date) -> Json:
    return sample_message(day) | {"external_id": f"qlvb-{day.year}-004513", "reason": say("sample.update")}


def sample_replacement(day: dt.date) -> Json:
    return sample_message(day) | {
        "external_id": f"qlvb-{day.year}-004514",
        "number": "1524",
        "reason": say("sample.replace"),
    }


def sample_upload(_: dt.date) -> Json:
    return {"name": "15-bao-cao.pdf", "size": 8_388_608, "part_size": 1_048_576}


def sample_webhook(_: dt.date) -> Json:
    return {"url": "https://qlvb.example/lien-thong", "types": ["message.status", "inbox.landed"]}


def sample_resending(_: dt.date) -> Json:
    return {"recipients": ["Z91"]}


def sample_further(_: dt.date) -> Json:
    return {"recipients": [{"code": "Z91.07.01", "role": "to_know"}]}


def sample_recall(_: dt.date) -> Json:
    return {
        "reason": say("sample.recall"),
        "approved_by": say("sample.signer"),
        "notice_no": "12/TB-STN",
        "form": "notice",
    }


def sample_dispatch(day: dt.date) -> Json:
    return {"means": "post", "on": f"{day}", "note": "RR 123 456 789 VN"}


def sample_status(day: dt.date) -> Json:
    """Make a status of an agency that numbers in its own book, as Z91 does."""
    return {
        "code": "03",
        "register_no": "1245",
        "register_year": day.year,
        "staff": {"name": say("sample.clerk"), "department": say("sample.office")},
        "note": say("sample.note"),
    }


def sample_acks(_: dt.date) -> Json:
    return {"ids": ["inb_01K0000000000000000000000A", "inb_01K0000000000000000000000B"]}


def sample_statuses(day: dt.date) -> Json:
    ids = sample_acks(day)["ids"]
    return {"statuses": [{"id": ids[0], "code": "04"}, {"id": ids[1], "code": "06"}]}


def sample_assignment(day: dt.date) -> Json:
    return {
        "lead_unit": say("sample.office"),
        "coordinating_units": [],
        "deadline": f"{day + dt.timedelta(days=7)}",
        "instruction": say("sample.instruction"),
    }


def sample_part(_: dt.date) -> Json:
    return {"unit": say("sample.office"), "outcome": "returned", "reason": say("sample.part")}
