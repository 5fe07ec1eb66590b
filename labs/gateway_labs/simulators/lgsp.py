"""A provincial service, simulated (dialect R2): an application signs in and gets a token, each of its agencies has an id
and a key besides; GET and POST below /v1, JSON answers, files sent as multipart. In: calls of any client of such a service.
Out: answers as its guide has them. Tokens live in memory, as sessions do; packets are in the hub."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web

from gateway.domain.wall_clock import VIETNAM
from gateway.errors import Misconfigured
from gateway_labs.simulators import server
from gateway_labs.simulators.hub import Entry, Hub, HubSaysNo
from gateway_labs.simulators.server import (
    as_json,
    clock,
    in_thread,
    send_answer,
    shuffled,
    with_file,
    with_list,
)
from gateway_labs.simulators.settings import Faults, HubLogin, HubSystem, SimulatorSettings, late_of

_Call = Callable[[web.Request, HubSystem, str], Awaitable[web.StreamResponse]]
_KINDS = ("edoc", "status")
_CODES = ("02", "03", "04", "05", "06")  # sent as a status by some clients
_TOKEN_SIGNS = 710  # bytes; some 950 letters
_STRANGER = {"message": "licenseInfo: invalid"}


class Lgsp:
    """The service. Misconfigured where a system has no login."""

    def __init__(self, hub: Hub, settings: SimulatorSettings, faults: Faults) -> None:
        if without := [s.id for s in settings.systems if s.login is None]:
            raise Misconfigured(
                f"{', '.join(without)}: a system of this service has username, password and application"
            )
        self._hub, self._faults, self._plain = hub, faults, settings.hub.plain
        self._systems = {s.id: s for s in settings.systems}
        self._holds = timedelta(minutes=settings.hub.token_min)
        self._tokens: dict[str, tuple[HubLogin, datetime]] = {}
        self._calls: Mapping[tuple[str, str], _Call] = {
            ("POST", "sendEdoc"): self._send,
            ("GET", "syncReceivedEdocList"): self._received,
            ("GET", "getEdoc"): self._get,
            ("POST", "updateStatus"): self._update,
        }

    def application(self) -> web.Application:
        app = web.Application(middlewares=[server.cutting], client_max_size=1 << 40)
        server.add_pages(app, self._hub, self._faults, "LGSP simulator")
        app.router.add_post("/v1/auth/login", self._login)
        app.router.add_route("*", "/v1/{operation}", self._called)
        return app

    async def _login(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.pick("login")
        if (answer := await self._early_answer(request, fault)) is not None:
            return answer
        try:
            form = json.loads(await request.read())
            credentials = [str(form[name]) for name in ("username", "password", "applicationCode")]
        except (ValueError, KeyError, TypeError):
            return web.json_response(
                {"code": 400, "message": "username, password, applicationCode"}, status=400
            )
        login = next((x.login for x in self._systems.values() if _is(x.login, credentials)), None)
        if login is None:
            return web.json_response({"code": 401, "message": "wrong user or password"}, status=401)
        token = secrets.token_urlsafe(_TOKEN_SIGNS)
        now = self._hub.now()
        self._tokens = {key: x for key, x in self._tokens.items() if x[1] > now}
        self._tokens[token] = (login, now + self._holds)
        data = {"token": token, "id": 1, "username": login.username, "name": login.username}
        answer_body: dict[str, Any] = {"code": 200, "message": "OK", "data": data}
        if fault == "nodata":
            answer_body.pop("data")
        return await send_answer(request, fault, as_json(answer_body))

    async def _early_answer(self, request: web.Request, fault: str) -> web.StreamResponse | None:
        """Answer a call that shall have no effect."""
        if fault == "expired":
            self._tokens.clear()
        answer = server.answer_without_effect(fault)
        if fault.startswith("fail:"):
            answer = web.json_response(_no(fault.removeprefix("fail:"), "a fault on purpose"))
        if answer is not None:
            await request.read()
        elif fault == "slow":
            await asyncio.sleep(self._faults.options.slow_s)
        return answer

    async def _called(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        call = self._calls.get((request.method, operation))
        is_open = (request.method, operation) == ("GET", "getAgenciesList")
        if call is None and not is_open:
            await request.read()
            text = f"there is no {request.method} {operation}"
            return web.json_response({"success": False, "message": text}, status=404)
        fault = self._faults.pick(operation)
        if (answer := await self._early_answer(request, fault)) is not None:
            return answer
        login = self._signed_in(request)
        if login is None:
            await request.read()
            return web.json_response(_STRANGER, status=401)
        try:
            if call is None:
                return await self._agencies(request, fault)
            return await call(request, self._system(request, login), fault)
        except HubSaysNo as why:
            await request.read()
            return await send_answer(request, fault, as_json(_no(why.code, why.detail)))

    def _signed_in(self, request: web.Request) -> HubLogin | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        login, expiry = self._tokens.get(token, (None, self._hub.now()))
        return login if scheme == "Bearer" and self._hub.now() < expiry else None

    def _system(self, request: web.Request, login: HubLogin) -> HubSystem:
        system = self._systems.get(request.headers.get("X-SystemId", ""))
        key = request.headers.get("X-SecretKey", "")
        if system is None or system.login != login:
            raise HubSaysNo("15", "the SystemId is not of this application")
        if not hmac.compare_digest(system.secret.encode(), key.encode("utf-8", "surrogateescape")):
            raise HubSaysNo("15", "the SecretKey is not that of the SystemId")
        return system

    async def _send(self, request: web.Request, system: HubSystem, fault: str) -> web.StreamResponse:
        if request.content_length is None:
            raise HubSaysNo("21", "Unexpected end of Stream")
        if not request.content_type.startswith("multipart/"):
            raise HubSaysNo("10", "the body is not multipart/form-data")
        draft, kind = None, ""
        try:
            reader = await request.multipart()
            while (part := await _next(reader)) is not None:
                if part.name == "edocFile" and draft is None:
                    draft = await server.stream_to_disk(_pieces(part), self._hub)
                elif part.name == "messageType":
                    kind = (await part.text()).strip()
            if draft is None:
                raise HubSaysNo("10", "there is no part edocFile")
            if kind not in _KINDS:
                raise HubSaysNo("22", f"there is no messageType {kind!r}")
            work = partial(self._hub.accept, draft, system, kind, "", late=late_of(fault))
            doc_id = await in_thread(work)
        finally:
            if draft is not None:
                draft.unlink(missing_ok=True)
        reply = {"success": True, "message": "OK", "docId": doc_id}
        if fault == "nodata":
            reply.pop("docId")
        return await send_answer(request, fault, as_json(reply))

    async def _received(self, request: web.Request, system: HubSystem, fault: str) -> web.StreamResponse:
        kind = request.query.get("messageType", "")
        since, last_day = _day(request.query.get("fromDate", "")), _day(request.query.get("toDate", ""))
        id = system.id
        rows = await in_thread(lambda: self._hub.waiting(id, kind, since, last_day + timedelta(days=1)))
        if fault == "nodata":
            return await send_answer(request, fault, as_json({"success": True, "message": "OK"}))
        entries = [_waits(row) for row in shuffled(rows, fault)]
        head = f'{{"success":true,"message":"OK","count":{len(entries)},"data":['
        return await send_answer(request, fault, with_list(head, entries, "]}"))

    async def _get(self, request: web.Request, system: HubSystem, fault: str) -> web.StreamResponse:
        doc_id, id = request.query.get("docId", ""), system.id
        path = await in_thread(lambda: self._hub.content(doc_id, id))
        if fault == "nodata":
            return await send_answer(request, fault, as_json({"success": True, "message": "OK"}))
        head = f'{{"success":true,"message":"OK","data":{{"docId":{json.dumps(doc_id)},"from":"","edxml":"'
        tail, damaged = '","attachments":[{"fileName":"a.pdf","fileContent":"QUJD"}]}}', fault == "damaged"
        writer = server.with_text if self._plain else with_file
        return await send_answer(request, fault, writer(head, path, tail, damaged=damaged))

    async def _update(self, request: web.Request, system: HubSystem, fault: str) -> web.StreamResponse:
        try:
            form = json.loads(await request.read())
            doc_id, status, id = str(form["docId"]), str(form["status"]).lower(), system.id
        except (ValueError, KeyError, TypeError) as why:
            raise HubSaysNo("22", "the body is not {docId, status}") from why
        await in_thread(lambda: self._hub.update(doc_id, id, status, _CODES))
        return await send_answer(request, fault, as_json({"success": True, "message": "OK"}))

    async def _agencies(self, request: web.Request, fault: str) -> web.StreamResponse:
        rows: Any = await in_thread(lambda: list(self._hub.agencies()))
        rows_out = (
            {"orgCode": code, "orgName": name, "parentCode": pid, "address": "", "email": mail, "phone": ""}
            for code, _, name, pid, mail in rows
        )
        return await send_answer(request, fault, with_list('{"code":200,"data":[', rows_out, "]}"))


async def _next(reader: MultipartReader) -> BodyPartReader | None:
    try:
        part = await reader.next()
    except ValueError as why:
        raise HubSaysNo("21", f"the parts cannot be read: {why}") from why
    return part if isinstance(part, BodyPartReader) else None


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(256 * 1024):
        yield piece


def _is(login: HubLogin | None, credentials: list[str]) -> bool:
    return login is not None and [login.username, login.password, login.application] == credentials


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y/%m/%d").replace(tzinfo=VIETNAM)
    except ValueError as why:
        raise HubSaysNo("22", f"{text!r} is no day as yyyy/MM/dd") from why


def _no(code: str, detail: str) -> dict[str, Any]:
    details = {"docId": None, "status": "error", "errorCode": code, "errorDesc": detail}
    return {"success": False, "message": detail, "data": details}


def _waits(entry: Entry) -> dict[str, Any]:
    return {
        "serviceType": "eDoc",
        "createdTime": clock(entry.created),
        "updatedTime": clock(entry.updated),
        "messageType": entry.kind,
        "docId": entry.doc_id,
        "from": entry.sender,
        "to": entry.receiver,
        "status": entry.status,
        "statusDesc": "",
    }
