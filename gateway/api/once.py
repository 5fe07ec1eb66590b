"""Idempotency of a call that creates without files: the first answer again under the same key. In: a call and what it
does. Out: its answer, remembered. The act commits before its answer is remembered; a crash between the two leaves the
marker to run out, and the act itself then refuses to be done twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from aiohttp import web

from gateway.api.call import Call
from gateway.api.failing import BadCall, Fault
from gateway.errors import Clash, GatewayError

IN_FLIGHT = timedelta(seconds=60)


async def once(call: Call, act: Callable[[], Awaitable[str]], *, status: int = 202) -> web.Response:
    """The answer of `act`, or the one it gave before under this key. Clash while the first is still at work."""
    key, owner = call.idempotency_key(), call.caller.key.principal.id
    text = json.dumps([call.request.method, call.request.path, call.canonical, []], separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    until = call.deps.clock.now() + IN_FLIGHT
    async with call.deps.store.begin(call.scope()) as work:
        known = await work.idempotency.begin(owner, key, digest, until)
        await work.commit()
    if known is not None:
        if known.digest != digest:
            raise BadCall("idempotency-other", Fault(code="key-other", pointer="/headers/Idempotency-Key"))
        if known.running or known.status is None or known.body is None:
            raise Clash(
                "the first request with this Idempotency-Key is still at work; try again in a moment",
                code="GW-IDEM-RUNNING",
            )
        call.headers["Idempotency-Replayed"] = "true"
        return call.tell_text(known.body, status=known.status)
    try:
        body = await act()
    except (GatewayError, BadCall):
        async with call.deps.store.begin(call.scope()) as work:
            await work.idempotency.release(owner, key, until)
            await work.commit()
        raise
    # Taken over by a repeat meanwhile: the act is done all the same, and this caller must hear so.
    with suppress(Clash):
        async with call.deps.store.begin(call.scope()) as work:
            await work.idempotency.finish(owner, key, until, status, body)
            await work.commit()
    return call.tell_text(body, status=status)
