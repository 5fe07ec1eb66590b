"""The national axis, simulated (dialect R1): POST /{operation}, parameters in headers with a code over them, JSON answers
that always have status, ErrorCode and ErrorDesc. In: calls of any client of that axis. Out: answers like the real one's.
Parameters that an operation does not use are ignored, and the time stamp may be a day old: clients make it once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway_foreign.vxp import wire
from gateway_labs.simulators import server
from gateway_labs.simulators.hub import Entry, Hub, HubSaysNo
from gateway_labs.simulators.server import (
    Cut,
    as_json,
    in_thread,
    send_answer,
    shuffled,
    with_file,
    with_list,
)
from gateway_labs.simulators.settings import Faults, HubSystem, SimulatorSettings, late_of

_Call = Callable[[web.Request, HubSystem, Mapping[str, str], str], Awaitable[web.StreamResponse]]
_OK = wire.BEFORE_DATA
_GOOD = wire.DONE_WELL


class Vxp:
    def __init__(self, hub: Hub, settings: SimulatorSettings, faults: Faults) -> None:
        self._hub, self._faults = hub, faults
        self._calls: Mapping[str, _Call]
        self._fresh = timedelta(hours=settings.hub.fresh_h)
        self._systems = {s.id: s for s in settings.systems}
        self._calls = {
            "getagencieslist": self._agencies,
            "getagencieslistqd20": self._agencies,
            "getsynchronizeunit": self._agencies,
            "registeragency": self._register,
            "deleteagency": self._delete,
            "sendedoc": self._send,
            "getreceivededoclist": self._received,
            "getedoc": self._get,
            "updatestatus": self._update,
            "getsentedoclist": self._sent,
            "countreceiveedoc": partial(self._count, "edoc"),
            "countreceivestatus": partial(self._count, "status"),
            "downloadedoc": self._download,
        }

    def application(self) -> web.Application:
        app = web.Application(middlewares=[server.cutting], client_max_size=1 << 40)
        server.add_pages(app, self._hub, self._faults, "VXP simulator")
        app.router.add_route("*", "/{operation}", self._called)
        return app

    async def _called(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        call = self._calls.get(operation.lower())
        if call is None:
            return web.json_response(wire.no("404", f"there is no operation {operation}"), status=404)
        fault = self._faults.pick(operation)
        if (answer := server.answer_without_effect(fault)) is not None:
            await request.read()
            return answer
        if fault.startswith("fail:"):
            await request.read()
            return web.json_response(wire.no(fault.removeprefix("fail:"), "a fault on purpose"))
        if fault == "slow":
            await asyncio.sleep(self._faults.options.slow_s)
        try:
            system, params = self._signed(request)
            return await call(request, system, params, fault)
        except HubSaysNo as why:
            return await send_answer(request, fault, as_json(wire.no(why.code, why.detail)))

    def _signed(self, request: web.Request) -> tuple[HubSystem, Mapping[str, str]]:
        """Return the system, and the signed parameters by their names in small letters."""
        try:
            headers = wire.by_name(request.headers.items())
            system = self._systems.get(headers.get(f"{wire.PREFIX}systemid", ""))
            if system is None:
                raise HubSaysNo("401", "the system is not known")
            if wire.signed_by(headers, [system.secret]) is None:
                raise HubSaysNo("401", "hash-header is not the code over sign-header")
            params = wire.signed_parameters(headers)
            at = wire.stamped_at(params)
            if self._fresh and abs(self._hub.now() - at) > self._fresh:
                raise HubSaysNo("401", "the timestamp is too far from now")
        except wire.NotSigned as why:
            raise HubSaysNo("401", str(why)) from why
        return system, params

    async def _send(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        draft = await server.stream_to_disk(server.body(request), self._hub)
        try:
            doc_id = await in_thread(partial(self._accept, draft, system, params, late_of(fault)))
        finally:
            draft.unlink(missing_ok=True)
        reply = {**_GOOD, "DocId": doc_id}
        if fault == "nodata":
            reply.pop("DocId")
        return await send_answer(request, fault, as_json(reply))

    def _accept(self, draft: Path, system: HubSystem, params: Mapping[str, str], late: timedelta) -> str:
        _cut_line_end(draft)
        if params.get("hash-file") not in _digests(draft):
            raise HubSaysNo("10", "hash-file is not the digest of the file")
        kind = params.get("messagetype", "")
        if kind not in ("edoc", "status"):
            raise HubSaysNo("22", f"there is no messagetype {kind!r}")
        only = _codes(params.get("to", ""))
        return self._hub.accept(draft, system, kind, params.get("from", ""), only, late)

    async def _received(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        await request.read()
        rows = await in_thread(lambda: self._hub.waiting(system.id, params.get("messagetype", "edoc")))
        if fault == "nodata":
            return await send_answer(request, fault, as_json({**_GOOD}))
        entries = [_waits(row) for row in shuffled(rows, fault)]
        return await send_answer(request, fault, with_list(f"{_OK}[", entries, "]}"))

    async def _sent(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        await request.read()
        kind = params.get("messagetype", "edoc")
        rows = await in_thread(lambda: self._hub.sent(system.id, kind, params.get("docid", "")))
        entries = [_went(row) for row in shuffled(rows, fault)]
        return await send_answer(request, fault, with_list(f"{_OK}[", entries, "]}"))

    async def _get(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        await request.read()
        path = await in_thread(lambda: self._hub.content(params.get("docid", ""), system.id))
        if fault == "nodata":
            return await send_answer(request, fault, as_json({**_GOOD}))
        parts = with_file(f'{_OK}"', path, '"}', damaged=fault == "damaged")
        return await send_answer(request, fault, parts)

    async def _download(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        path = await in_thread(lambda: self._hub.content(params.get("docid", ""), system.id))
        if fault == "lost":
            raise Cut
        return web.FileResponse(path)

    async def _update(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        await request.read()
        await in_thread(
            lambda: self._hub.update(params.get("docid", ""), system.id, params.get("status", "").lower())
        )
        return await send_answer(request, fault, as_json({**_GOOD}))

    async def _count(
        self, kind: str, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        rows = await in_thread(lambda: self._hub.waiting(system.id, kind))
        answer = {**_GOOD, "count": len(rows)}
        return await send_answer(request, fault, as_json(answer))

    async def _agencies(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        await request.read()
        rows = (
            wire.agency(code, pid, old, name, mail)
            for code, old, name, pid, mail in await in_thread(lambda: list(self._hub.agencies()))
        )
        return await send_answer(request, fault, with_list(f"{_OK}[", rows, "]}"))

    async def _register(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        try:
            agency = json.loads(await request.read())
        except ValueError as why:
            raise HubSaysNo("22", "the body is no JSON") from why
        if not isinstance(agency, dict):
            raise HubSaysNo("22", "the body is no agency")
        text = {name: str(value or "") for name, value in agency.items()}
        await in_thread(
            lambda: self._hub.register(
                system,
                text.get("code", ""),
                text.get("name", ""),
                pid=text.get("pcode", ""),
                mail=text.get("mail", ""),
            )
        )
        return await send_answer(request, fault, as_json({**_GOOD}))

    async def _delete(
        self, request: web.Request, system: HubSystem, params: Mapping[str, str], fault: str
    ) -> web.StreamResponse:
        await request.read()
        await in_thread(lambda: self._hub.remove(system, params.get("agencycode", "")))
        return await send_answer(request, fault, as_json({**_GOOD}))


def _cut_line_end(draft: Path) -> None:
    with draft.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(max(size - 2, 0))
        if file.read(2) == wire.LINE_END:
            file.truncate(size - 2)


def _digests(draft: Path) -> tuple[str, str]:
    hasher = hashlib.sha256()
    with draft.open("rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return wire.digests(hasher.digest())


def _codes(text: str) -> list[str]:
    codes = wire.named_recipients(text)
    if codes is None:
        raise HubSaysNo("22", "to is no JSON array")
    return codes


def _waits(entry: Entry) -> dict[str, Any]:
    return wire.waits(
        entry.doc_id, entry.kind, entry.sender, entry.receiver, entry.status, entry.created, entry.updated
    )


def _went(entry: Entry) -> dict[str, Any]:
    return wire.went(
        entry.doc_id,
        entry.kind,
        entry.sender,
        entry.receiver,
        entry.title,
        entry.notation,
        entry.created,
        entry.updated,
        entry.status,
    )
