"""A receiver of webhooks on this machine, and whether what it heard is signed. In: calls of the subject. Out:
expectations in a check. The signature is reckoned from the standard's text alone: the node is not its own witness."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import suppress
from datetime import datetime
from typing import Any, Self

from aiohttp import web

from gateway_labs.conformance.score import Check

PATIENCE_S = 20.0


class Hook:
    """`url` is its address while it is open."""

    def __init__(self) -> None:
        self.url = ""
        self._heard: list[tuple[dict[str, str], bytes]] = []
        self._came = asyncio.Event()
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def is_signed(self, check: Check, secret: str, id: str) -> None:
        """The call about this entry, as the standard has it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not self._about(id):
                    self._came.clear()
                    await self._came.wait()
        mine = self._about(id)
        check.need("webhook inbox.received", "came", f"{len(self._heard)} calls", ok=bool(mine))
        headers, body = mine[0]
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        right = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        given = [each.partition(",")[2] for each in headers.get("webhook-signature", "").split()]
        fits = "fits" if right in given else "does not fit"
        check.equal("HMAC of id.timestamp.body", "fits", fits)
        told: Any = json.loads(body)
        check.equal("its type", "inbox.received", told["type"])
        aware = datetime.fromisoformat(told["created_at"]).tzinfo is not None
        check.that("created_at", "a moment with its offset", told["created_at"], ok=aware)

    def _about(self, id: str) -> list[tuple[dict[str, str], bytes]]:
        return [each for each in self._heard if id.encode() in each[1]]

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): text for name, text in request.headers.items()}
        self._heard.append((headers, await request.read()))
        self._came.set()
        return web.Response(status=204)
