"""Steps after a document, in both directions: recalls, updates, replacements and their answers, replies; and steps about
time: the moved clock, the order of events, a webhook. In: a kit. Out: expectations in a check."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Self

from aiohttp import web

from gateway_labs.conformance import receiving
from gateway_labs.conformance.kit import PARTNER_CODE, SLOW, Kit, short
from gateway_labs.conformance.score import Check


async def recalled(kit: Kit, check: Check) -> None:
    """Recall a document before it was taken in, and one afterwards."""
    await _recalled_early(kit, check)
    sent = await kit.act(check, "document")
    item = await kit.item(check, sent["document_id"])
    await kit.set_status(check, item["id"], code="03", register_no=kit.number())
    recall = await kit.act(check, "recall", about=sent["document_id"])
    request = await kit.item(check, sent["document_id"], "recall")
    # Taken in already: only a person may agree.
    early = await _codes(kit, sent["document_id"])
    check.expect("before anybody decided", "no 15", ", ".join(early), ok="15" not in early)
    await kit.set_status(check, request["id"], code="15")
    status = await kit.status(check, sent["document_id"], "15")
    check.equal("signature of the 15", "valid", status["said"]["signature"])
    check.equal("it answers", recall["packet_id"], (status["said"]["receipt"] or {}).get("packet_id"))
    file = await kit.subject.ask("GET", f"/inbox/{item['id']}/files/1")
    check.equal("its files", 409, file.status)


async def _recalled_early(kit: Kit, check: Check) -> None:
    sent = await kit.act(check, "document")
    await kit.item(check, sent["document_id"])
    await kit.act(check, "recall", about=sent["document_id"])
    status = await kit.status(check, sent["document_id"], "15")
    check.equal("signature of the 15", "valid", status["said"]["signature"])


async def changed(kit: Kit, check: Check) -> None:
    sent = await kit.act(check, "document")
    item = await kit.item(check, sent["document_id"])
    await kit.set_status(check, item["id"], code="03", register_no=kit.number())
    await kit.act(check, "update", about=sent["document_id"], subject="Updated")
    request = await kit.item(check, sent["document_id"], "update")
    check.equal("the update is about", item["id"], request.get("about"))
    await kit.set_status(check, request["id"], code="15")
    status = await kit.status(check, sent["document_id"], "15")
    check.equal("signature of the 15", "valid", status["said"]["signature"])
    replacing = await kit.act(check, "replacement", about=sent["document_id"])
    new = await kit.item(check, replacing["document_id"], "replace")
    await kit.set_status(check, new["id"], code="03", register_no=kit.number())
    first = await kit.subject.ask("GET", f"/inbox/{item['id']}")
    check.equal("replaced_by", new["id"], first.get("replaced_by"))


async def _refused_recall(kit: Kit, check: Check) -> None:
    sent = await kit.sent(check)
    id, document = str(sent["id"]), str(sent["document_id"])
    await kit.packet(check, document, "edoc")
    await kit.says(check, "03", document)
    await kit.state(check, id, "accepted")
    body = {"reason": "Issued by mistake", "approved_by": "Test Director", "notice_no": "12/TB-KT"}
    answer = await kit.subject.ask("POST", f"/messages/{id}/recall", body)
    check.need("POST …/recall", "202", short(answer), ok=answer.status == 202)
    packet = await kit.packet(check, document, "recall")
    check.equal("signature of the recall", "valid", packet["said"]["signature"])
    second = await kit.subject.ask("POST", f"/messages/{id}/recall", body)
    check.equal("a second request while one is open", 409, second.status)
    await kit.says(check, "16", document)
    await kit.state(check, id, "accepted")
    check.equal("facts 16", 1, len(await kit.fact(check, id, "16")))


async def followed(kit: Kit, check: Check) -> None:
    """Send a recall that is refused, an update that is agreed to, a replacement."""
    await _refused_recall(kit, check)
    meta = kit.meta()
    answer = await kit.post(meta)
    check.need("POST /messages", "202", short(answer), ok=answer.status == 202)
    id, document = str(answer.get("id")), str(answer.get("document_id"))
    await kit.packet(check, document, "edoc")
    await kit.says(check, "03", document)
    await kit.state(check, id, "accepted")
    update = meta | {"subject": "Updated", "reason": "A wrong date"}
    answer_to_change = await kit.subject.send(f"/messages/{id}/update", update, kit.files())
    check.need("POST …/update", "202", short(answer_to_change), ok=answer_to_change.status == 202)
    packet = await kit.packet(check, document, "update")
    check.equal("signature of the update", "valid", packet["said"]["signature"])
    await kit.says(check, "15", document)
    await kit.fact(check, id, "15")
    replacement = kit.meta(reason="Replaced")
    answer_to_change = await kit.subject.send(f"/messages/{id}/replace", replacement, kit.files())
    check.need("POST …/replace", "202", short(answer_to_change), ok=answer_to_change.status == 202)
    row = await kit.packet(check, str(answer_to_change.get("document_id")), "replace")
    check.equal("it replaces", [document], row["said"]["replaces"])
    check.equal("signature of the replacement", "valid", row["said"]["signature"])


async def replied(kit: Kit, check: Check) -> None:
    item = await receiving.asked_for_reply(kit, kit.today + timedelta(days=5), check)
    check.equal("reply_due", (kit.today + timedelta(days=5)).isoformat(), item.get("reply_due"))
    link = {
        "agency": PARTNER_CODE,
        "number": f"{item['number']}/{item['symbol']}",
        "date": item["date"],
        "document_id": item["document_id"],
    }
    sent = await kit.sent(check, replies_to=[link])
    content = (await kit.packet(check, sent["document_id"], "edoc"))["said"]
    references = [(r["agency"], r["number"], r["document_id"]) for r in content["replies_to"]]
    check.equal("ResponseFor", [(link["agency"], link["number"], link["document_id"])], references)
    answer = await kit.act(check, "document", about=sent["document_id"])
    back = await kit.item(check, answer["document_id"])
    ids = [r.get("document_id") for r in back.get("replies_to") or []]
    check.equal("replies_to of the partner's answer", [sent["document_id"]], ids)


async def in_time(kit: Kit, check: Check) -> None:
    """Move the clock; the last step."""
    async with Hook(kit.patience_s) as hook:
        webhook = await kit.subject.ask("POST", "/webhooks", {"url": hook.url, "types": ["inbox.received"]})
        check.need("POST /webhooks", "201", short(webhook), ok=webhook.status == 201)
        try:
            sent = await kit.act(check, "document")
            item = await kit.item(check, sent["document_id"])
            await hook.is_signed(check, str(webhook.get("secret")), str(item["id"]))
        finally:
            await kit.subject.ask("DELETE", f"/webhooks/{webhook.get('id')}")
    await _in_order(kit, check)
    check.expect(
        "due.accept_by", "a moment", item.get("due"), ok=bool((item.get("due") or {}).get("accept_by"))
    )
    if not kit.moves:
        return
    slow = await kit.sent(check, SLOW)
    await kit.packet(check, slow["document_id"], "edoc")
    check.one_of(
        "state before", ("sending", "sent"), (await kit.message(slow["id"])).get("recipients", 0, "state")
    )
    await kit.bench.ask("POST", "/sandbox/clock", {"move": "+4h"})
    await kit.state(check, slow["id"], "delivered")
    later_entry = await kit.subject.ask("GET", f"/inbox/{item['id']}")
    check.equal("due.accept_by after 4 hours", item["due"], later_entry.get("due"))


async def _codes(kit: Kit, document: str) -> list[str]:
    return [p["said"]["status"]["code"] for p in await kit.packets(document, "status")]


async def _in_order(kit: Kit, check: Check) -> None:
    """Read the feed from its beginning: rising sequences, each id once, and a cursor that goes on."""
    cursor, events = "0", []
    for _ in range(50):
        page = await kit.subject.ask("GET", "/events", query={"after": cursor, "limit": 200})
        events += [(e["sequence"], e["id"]) for e in page.get("data") or []]
        if not page.get("has_more"):
            break
        cursor = str(page.get("next_after"))
    numbers = [number for number, _ in events]
    check.expect("events", "some", len(events), ok=bool(events))
    check.expect("their sequence", "rises", numbers[-5:], ok=numbers == sorted(set(numbers)))


class Hook:
    """A receiver of webhooks on this machine; `url` is its address while it is open. A signature is computed from the
    standard's text alone: the node is not its own witness."""

    def __init__(self, patience_s: float) -> None:
        self.url = ""
        self._patience_s = patience_s
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
        """Check the call about this entry, as the standard has it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                while not self._calls_about(id):
                    self._came.clear()
                    await self._came.wait()
        mine = self._calls_about(id)
        check.need("webhook inbox.received", "came", f"{len(self._heard)} calls", ok=bool(mine))
        headers, body = mine[0]
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        right = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        signatures = [s.partition(",")[2] for s in headers.get("webhook-signature", "").split()]
        fits = "fits" if right in signatures else "does not fit"
        check.equal("HMAC of id.timestamp.body", "fits", fits)
        event: Any = json.loads(body)
        check.equal("its type", "inbox.received", event["type"])
        aware = datetime.fromisoformat(event["created_at"]).tzinfo is not None
        check.expect("created_at", "a moment with its offset", event["created_at"], ok=aware)

    def _calls_about(self, id: str) -> list[tuple[dict[str, str], bytes]]:
        return [call for call in self._heard if id.encode() in call[1]]

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): text for name, text in request.headers.items()}
        self._heard.append((headers, await request.read()))
        self._came.set()
        return web.Response(status=204)
