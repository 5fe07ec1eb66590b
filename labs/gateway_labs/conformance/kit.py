"""Tools of the steps: documents that the subject sends and takes, acts of a robot on the other side of the axis, and
waiting for their effects. In: a line to the subject, one to the sandbox that plays the partner. Out: answers, packets as
the robot judged them; `StepFailed` where nothing came in time."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

from gateway.words import labels
from gateway_labs.conformance.line import Answer, Files, Library, Line
from gateway_labs.conformance.score import Check, StepFailed
from gateway_labs.sandbox.cast import cast

T = TypeVar("T")
Json = Mapping[str, Any]
# A node sends and answers within seconds; the law's own limit for one step is five (R-times of docs/verification).
PATIENCE_S, LOOK_S = 30.0, 0.1
SILENT, OK, SLOW = "TEST.SILENT", "TEST.OK", "TEST.SLOW"
# The partner sends nothing by itself: each step makes it send what it needs.
PARTNER, PARTNER_CODE = SILENT, "T00.SILENT"
# Names and subjects with every accent, as they are on the wire.
APPENDIX, SUBJECT = (labels.say(f"conformance.sample.{key}", "vi") for key in ("file", "subject"))


@dataclass(slots=True, kw_only=True)
class Kit:
    """Tools of one run. `own` is the subject's agency; `pdf` a signed lead file. `moves`: whether the subject's clock goes
    with the sandbox's, being its own node. `system` calls as the national axis's library does; `folder` is the hot
    folder."""

    subject: Line
    bench: Line
    own: str
    pdf: bytes
    moves: bool
    begins: int
    today: date
    patience_s: float = PATIENCE_S
    system: Library | None = None
    folder: Path | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def number(self) -> str:
        """Return a number that is not used yet."""
        return str(self.begins + next(self._numbers))

    def meta(self, to: str = PARTNER, **changes: Any) -> dict[str, Any]:
        """Make metadata of a document that may be sent."""
        return {
            "number": self.number(),
            "symbol": "KT-VP",
            "date": self.today.isoformat(),
            "type": "cong_van",
            "subject": f"Conformance {next(self._numbers)}",
            "signer": {"name": cast().says("signer"), "title": cast().says("title")},
            "reply_required": False,
            "recipients": [{"code": to, "role": "to_act"}],
            # Each step sends the same signed file.
            "confirm": ["signed-again"],
        } | changes

    def files(self) -> Files:
        return [("lead", "van-ban.pdf", self.pdf)]

    async def post(
        self, meta: Mapping[str, Any], once: str | None = None, files: Files | None = None
    ) -> Answer:
        return await self.subject.send("/messages", meta, self.files() if files is None else files, once)

    async def sent(self, check: Check, to: str = PARTNER, **changes: Any) -> Json:
        """Have the subject send a document."""
        answer = await self.post(self.meta(to, **changes))
        check.need("POST /messages", "202", short(answer), ok=answer.status == 202)
        message: Json = answer.json
        return message

    async def newest(self) -> object:
        """Return the id of the newest document sent."""
        return (await self.subject.ask("GET", "/messages", query={"limit": 1})).get("data", 0, "id")

    async def library(
        self, operation: str, params: Mapping[str, str] | None = None, body: bytes = b"{}"
    ) -> dict[str, Any]:
        """Make one call of the national axis's library and return the answer."""
        if self.system is None:
            raise StepFailed("the run was given no system")
        return await self.system.ask(operation, params or {}, body, await self.now())

    # --- the partner ------------------------------------------------------------------------------------------

    async def packets(self, document: str, kind: str = "") -> list[Json]:
        """Return packets to robots about that document, oldest first."""
        answer = await self.bench.ask("GET", "/sandbox/packets", query={"document": document, "limit": 200})
        rows = answer.get("data") or []
        return [row for row in rows if not kind or row["said"]["kind"] == kind]

    async def packet(
        self, check: Check, document: str, kind: str, is_wanted: Callable[[Json], bool] = lambda _: True
    ) -> Json:
        """Return the first packet of that kind, as the robot judged it."""

        async def look() -> list[Json]:
            return [p for p in await self.packets(document, kind) if is_wanted(p["said"])]

        packets = await self.poll(look, bool)
        check.need(f"packet {kind} about {document}", "on the axis", _presence(packets), ok=bool(packets))
        return packets[0]

    async def status(self, check: Check, document: str, code: str) -> Json:
        """Return the status with that code that came about a document."""

        def is_it(content: Json) -> bool:
            return (content.get("status") or {}).get("code") == code

        return await self.packet(check, document, "status", is_it)

    async def act(self, check: Check, act: str, robot: str = PARTNER, **fields: Any) -> Json:
        """Make the robot do it now, and return the packet that it sent."""
        answer = await self.bench.ask(
            "POST", "/sandbox/scenarios", {"robot": robot, "act": act, "to": self.own, **fields}
        )
        check.need(f"robot: {act}", "201", short(answer), ok=answer.status == 201)
        sent: Json = answer.json
        return sent

    async def says(self, check: Check, code: str, document: str, **more: Any) -> Json:
        """Make the partner send a status about a document of the subject."""
        return await self.act(check, "status", code=code, about=document, **more)

    # --- what the subject shows -------------------------------------------------------------------------------

    async def message(self, id: str) -> Answer:
        return await self.subject.ask("GET", f"/messages/{id}")

    async def state(self, check: Check, id: str, expected: str) -> None:
        """Expect the recipient to reach this state."""

        async def look() -> object:
            return (await self.message(id)).get("recipients", 0, "state")

        check.equal("recipients[0].state", expected, await self.poll(look, lambda state: state == expected))

    async def facts(self, id: str, code: str) -> list[Json]:
        answer = await self.subject.ask("GET", f"/messages/{id}/events")
        facts: list[Json] = answer.get("recipients", 0, "facts") or []
        return [f for f in facts if f.get("code") == code]

    async def fact(self, check: Check, id: str, code: str) -> list[Json]:
        async def look() -> list[Json]:
            return await self.facts(id, code)

        facts = await self.poll(look, bool)
        check.need(f"fact {code} in the timeline", "there", f"{len(facts)} of them", ok=bool(facts))
        return facts

    async def items(self, document: str) -> list[Json]:
        """Return entries of the inbox that are this document."""
        answer = await self.subject.ask("GET", "/inbox", query={"limit": 200})
        return [row for row in answer.get("data") or [] if row.get("document_id") == document]

    async def item(self, check: Check, document: str, business: str = "new") -> Json:
        """Expect an entry of this document."""

        async def look() -> list[Json]:
            return [entry for entry in await self.items(document) if entry.get("business") == business]

        entries = await self.poll(look, bool)
        check.need(f"inbox: {document} ({business})", "an entry", f"{len(entries)} entries", ok=bool(entries))
        return entries[0]

    async def expect_quarantined(self, check: Check, sent: Json) -> Json:
        """Expect the packet among those that became no document."""

        async def look() -> list[Json]:
            answer = await self.subject.ask("GET", "/quarantine", query={"limit": 200})
            return [entry for entry in answer.get("data") or [] if entry.get("sha256") == sent["digest"]]

        entries = await self.poll(look, bool)
        label = f"set apart: {', '.join(sent['flaws']) or sent['kind']}"
        check.need(label, "visible with its reason", _presence(entries), ok=bool(entries))
        return entries[0]

    async def set_status(self, check: Check, id: str, **fields: Any) -> Answer:
        """Set a status of an entry as the subject's own people do."""
        answer = await self.subject.ask("POST", f"/inbox/{id}/status", fields)
        check.need(
            f"POST /inbox/…/status {fields.get('code')}", "200", short(answer), ok=answer.status == 200
        )
        return answer

    async def marker(self, check: Check) -> None:
        """Send a good document and wait for it: earlier packets have come too then."""
        sent = await self.act(check, "document")
        await self.item(check, sent["document_id"])

    async def poll(self, look: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T:
        """Poll until it is enough or patience ends, and return the last answer."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience_s
        while True:
            answer = await look()
            if enough(answer) or loop.time() >= end:
                return answer
            await asyncio.sleep(LOOK_S)

    async def now(self) -> datetime:
        """Return the time of the sandbox's clock."""
        return datetime.fromisoformat((await self.bench.ask("GET", "/sandbox")).get("clock", "now"))


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def pointers(answer: Answer) -> list[str]:
    """Return the pointers of a refusal, in order."""
    return sorted({str(e.get("pointer")) for e in answer.get("errors") or []})


def short(answer: Answer) -> str:
    """Describe an answer in one line."""
    if answer.status < 400:
        return str(answer.status)
    return f"{answer.status} {answer.get('code') or ''} {answer.get('detail') or answer.body[:120]!r}"


def _presence(content: object) -> str:
    return "there" if content else "nothing"
