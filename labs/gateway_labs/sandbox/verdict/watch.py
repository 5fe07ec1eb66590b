"""Watch over the calls of programs that are judged: notes each with the facts of its answer that a judge needs, and plays
the tricks of the story on some answers. In: a request, and the node behind it. Out: the node's answer, or a spoiled
one. Calls of keys without a trial pass unseen."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway import time_source
from gateway.api import problems
from gateway.api.shapes import BASE
from gateway.api.words import Lang, language
from gateway.domain.request_fault import BadCall
from gateway.errors import NotFound
from gateway.ports.services import Clock
from gateway_labs.sandbox.verdict.trial import Cue, SeenCall, Trial

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json = dict[str, Any]  # Any: the answer of a call

# Seconds that a refused program has to wait.
RETRY_AFTER_S = 2
UNKNOWN_TYPE, UNKNOWN_FIELD = "sandbox.unknown", "x_sandbox"
_FILE_TRICKS = (Cue.DAMAGED, Cue.CUT, Cue.MISSING)
# Fields of an answer that judges look at.
_FACTS = ("id", "number", "errors", "item")
_PROBLEMS: Mapping[Cue, Callable[[Lang], problems.Problem]] = {
    Cue.BUSY: partial(
        problems.of_bad_call, BadCall("too-many-calls", headers={"Retry-After": str(RETRY_AFTER_S)})
    ),
    Cue.CURSOR_REFUSED: partial(problems.of_bad_call, BadCall("cursor-gone")),
    Cue.MISSING: partial(problems.of_error, NotFound("the file is not there")),
}


@dataclass(slots=True, kw_only=True)
class CallWatch:
    """The watch of one sandbox. `lead` is the file of every document that a robot sends; trials go by the SHA-256 of the
    key's secret."""

    clock: Clock
    lead: bytes
    trials: dict[str, Trial] = field(default_factory=dict)
    _count: int = 0

    def middleware(self) -> Middleware:
        @web.middleware
        async def watch(request: web.Request, handler: Handle) -> web.StreamResponse:
            path = request.path.removeprefix(BASE)
            if path == request.path or path.startswith("/sandbox"):
                return await handler(request)
            return await self._watched(path, request, handler)

        return watch

    async def _watched(self, path: str, request: web.Request, handler: Handle) -> web.StreamResponse:
        trial, began_s = self._trial_of(request), time_source.monotonic()
        cue = _cue_in_place_of_answer(trial, path, request) if trial is not None else None
        response = await (handler(request) if cue is None else self._spoiled(cue, request))
        trial = trial or self._trial_of(request)  # a call may have waited since before its trial began
        if trial is None:
            return response
        answer: Json = {}
        if cue is None:
            answer = _json_of(response)
            if 200 <= response.status < 300:
                cue = _change_answer(trial, path, request, response, answer)
        facts = {name: answer[name] for name in _FACTS if name in answer}
        key, query = request.headers.get("Idempotency-Key", ""), dict(request.query)
        fields = {
            "method": request.method,
            "path": path,
            "query": query,
            "status": response.status,
            "key": key,
        }
        self.note(trial, **fields, began_s=began_s, cue=cue, facts=facts)
        if cue in (Cue.LOST_SEND, Cue.LOST_EVENTS) and request.transport is not None:
            request.transport.abort()
        return response

    def _trial_of(self, request: web.Request) -> Trial | None:
        return self.trials.get(secret_hash(bearer(request)))

    def note(self, trial: Trial, **fields: Any) -> int:  # Any: fields of a SeenCall
        self._count += 1
        ended_s = time_source.monotonic()
        trial.note(SeenCall(n=self._count, at=self.clock.now(), ended_s=ended_s, **fields))
        return self._count

    async def _spoiled(self, cue: Cue, request: web.Request) -> web.StreamResponse:
        if cue in _PROBLEMS:
            lang = language(request.headers.get("Accept-Language", ""))
            return problems.answer(_PROBLEMS[cue](lang), self.clock.new_id("req_"), request.path, lang)
        raw, middle = self.lead, len(self.lead) // 2
        digest = hashlib.sha256(raw).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Content-SHA256": digest, "Content-Type": "application/pdf"}
        if cue is Cue.DAMAGED:
            return web.Response(
                body=raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :], headers=headers
            )
        response = web.StreamResponse(headers=headers)
        response.content_length = len(raw)
        await response.prepare(request)
        await response.write(raw[:middle])
        if request.transport is not None:
            # The first half leaves before the connection ends.
            request.transport.close()
        return response


def bearer(request: web.Request) -> str:
    return request.headers.get("Authorization", "").partition(" ")[2].strip()


def secret_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _cue_in_place_of_answer(trial: Trial, path: str, request: web.Request) -> Cue | None:
    """Choose the trick that replaces the node's answer to this call."""
    if request.method != "GET":
        return None
    if path == "/inbox" and "lease" in request.query:
        return Cue.BUSY if trial.play(Cue.BUSY) else None
    if path == "/events":
        # The page that was lost arrives first, so that each trick is judged alone.
        is_due = _has_moved(trial, Cue.LOST_EVENTS, request.query) and request.query.get("after", "0") != "0"
        return Cue.CURSOR_REFUSED if is_due and trial.play(Cue.CURSOR_REFUSED) else None
    id, _, tail = path.removeprefix("/inbox/").partition("/")
    cue = trial.items.get(id)
    if cue not in _FILE_TRICKS or not tail.startswith("files/"):
        return None
    # A file that is missing stays so; the others come right when they are fetched another time.
    return cue if cue is Cue.MISSING or trial.play(cue) else None


def _has_moved(trial: Trial, cue: Cue, query: Mapping[str, str]) -> bool:
    """Tell whether the reader on which the trick was played asks for what follows."""
    first = trial.tricked(cue)
    if first is None or any(query.get(name) != first.query.get(name) for name in ("type", "subject")):
        return False
    return query.get("after", "0") != first.query.get("after", "0")


def _change_answer(
    trial: Trial, path: str, request: web.Request, response: web.StreamResponse, answer: Json
) -> Cue | None:
    """Change the node's answer where the story wants it, and return the trick."""
    call = f"{request.method} {path}"
    if call == "POST /messages":
        return Cue.LOST_SEND if trial.play(Cue.LOST_SEND) else None
    if call == "GET /inbox" and "lease" in request.query:
        trial.learn_items(answer)
        strange = [i for i in answer["data"] if trial.items.get(i["id"]) is Cue.STRANGE_ITEM]
        for item in strange:
            item[UNKNOWN_FIELD] = {"note": "a field of a later version"}
            _replace_body(response, answer)
        return Cue.STRANGE_ITEM if strange else None
    if call != "GET /events" or not answer.get("data"):
        return None
    if trial.play(Cue.STRANGE_EVENT):
        # Alone on its page, so that others follow.
        event = answer["data"][0] | {"type": UNKNOWN_TYPE, UNKNOWN_FIELD: 1}
        _replace_body(response, answer | {"data": [event], "next_after": event["id"], "has_more": True})
        return Cue.STRANGE_EVENT
    is_next = _has_moved(trial, Cue.STRANGE_EVENT, request.query)
    return Cue.LOST_EVENTS if is_next and trial.play(Cue.LOST_EVENTS) else None


def _json_of(response: web.StreamResponse) -> Json:
    """Return the object in the answer; an empty one where there is none."""
    is_json = response.content_type.endswith("json")
    if not is_json or not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return {}
    is_packed = response.headers.get("Content-Encoding") == "gzip"
    content: Json = json.loads(gzip.decompress(response.body) if is_packed else response.body)
    return content


def _replace_body(response: web.StreamResponse, answer: Json) -> None:
    if isinstance(response, web.Response):
        response.headers.popall("Content-Encoding", None)
        response.body = json.dumps(answer, ensure_ascii=False).encode()
