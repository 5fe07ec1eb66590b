"""What steps are made of: documents that the subject sends and takes, acts of a robot on the other side of the axis, and
waiting for what has to come. In: a line to the subject, one to the sandbox that plays the partner. Out: answers,
packets as the robot judged them; `StepFailed` where nothing came in time."""

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

T = TypeVar("T")
Json = Mapping[str, Any]
# A node sends and answers within seconds; the law's own limit for one step is five (R-times of docs/verification).
PATIENCE_S, LOOK_S = 30.0, 0.1
SILENT, OK, SLOW = "TEST.SILENT", "TEST.OK", "TEST.SLOW"
# The partner says nothing by itself, so that each step has it say what it needs.
PARTNER, PARTNER_CODE = SILENT, "T00.SILENT"
# Names and subjects with every accent, as they are on the wire.
APPENDIX, SUBJECT = (labels.say(f"conformance.sample.{each}", "vi") for each in ("file", "subject"))


@dataclass(slots=True, kw_only=True)
class Kit:
    """`own` is the subject's agency; `pdf` a signed lead file. `moves`: whether the subject's clock goes with the
    sandbox's, as it is the sandbox's own node. `system` calls as the national axis's library does; `folder` is the agency's
    hot folder."""

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
        """One that nobody gave yet."""
        return str(self.begins + next(self._numbers))

    def meta(self, to: str = PARTNER, **changes: Any) -> dict[str, Any]:
        """Of a document that may be sent."""
        return {
            "number": self.number(),
            "symbol": "KT-VP",
            "date": self.today.isoformat(),
            "type": "cong_van",
            "subject": f"Conformance {next(self._numbers)}",
            "signer": {"name": "Test Signer", "title": "Director"},
            "reply_required": False,
            "recipients": [{"code": to, "role": "to_act"}],
        } | changes

    def files(self) -> Files:
        return [("lead", "van-ban.pdf", self.pdf)]

    async def post(
        self, meta: Mapping[str, Any], once: str | None = None, files: Files | None = None
    ) -> Answer:
        return await self.subject.send("/messages", meta, self.files() if files is None else files, once)

    async def sent(self, check: Check, to: str = PARTNER, **changes: Any) -> Json:
        """A document that the subject took to send."""
        answer = await self.post(self.meta(to, **changes))
        check.need("POST /messages", "202", short(answer), ok=answer.status == 202)
        found: Json = answer.json
        return found

    async def newest(self) -> object:
        """The id of what was sent last."""
        return (await self.subject.ask("GET", "/messages", query={"limit": 1})).get("data", 0, "id")

    async def library(
        self, operation: str, said: Mapping[str, str] | None = None, body: bytes = b"{}"
    ) -> dict[str, Any]:
        """The answer to one call of the national axis's library."""
        if self.system is None:
            raise StepFailed("the run was given no system")
        return await self.system.ask(operation, said or {}, body, await self.now())

    # --- the partner ------------------------------------------------------------------------------------------

    async def packets(self, document: str, kind: str = "") -> list[Json]:
        """What came to robots about that document, oldest first."""
        answer = await self.bench.ask("GET", "/sandbox/packets", query={"document": document, "limit": 200})
        rows = answer.get("data") or []
        return [each for each in rows if not kind or each["said"]["kind"] == kind]

    async def packet(
        self, check: Check, document: str, kind: str, wanted: Callable[[Json], bool] = lambda said: True
    ) -> Json:
        """The first packet of that kind, as the robot judged it."""

        async def look() -> list[Json]:
            return [each for each in await self.packets(document, kind) if wanted(each["said"])]

        found = await self.until(look, bool)
        check.need(f"packet {kind} about {document}", "on the axis", _came(found), ok=bool(found))
        return found[0]

    async def status(self, check: Check, document: str, code: str) -> Json:
        """The status with that code that came about a document."""

        def is_it(said: Json) -> bool:
            return (said.get("status") or {}).get("code") == code

        return await self.packet(check, document, "status", is_it)

    async def act(self, check: Check, act: str, robot: str = PARTNER, **said: Any) -> Json:
        """The robot does it now; what it sent."""
        answer = await self.bench.ask(
            "POST", "/sandbox/scenarios", {"robot": robot, "act": act, "to": self.own, **said}
        )
        check.need(f"robot: {act}", "201", short(answer), ok=answer.status == 201)
        found: Json = answer.json
        return found

    async def says(self, check: Check, code: str, about: str, **more: Any) -> Json:
        """A status of the partner about a document of the subject."""
        return await self.act(check, "status", code=code, about=about, **more)

    # --- what the subject shows -------------------------------------------------------------------------------

    async def message(self, id: str) -> Answer:
        return await self.subject.ask("GET", f"/messages/{id}")

    async def state(self, check: Check, id: str, wanted: str) -> None:
        """The recipient comes to stand so."""

        async def look() -> object:
            return (await self.message(id)).get("recipients", 0, "state")

        check.equal("recipients[0].state", wanted, await self.until(look, lambda state: state == wanted))

    async def facts(self, id: str, code: str) -> list[Json]:
        answer = await self.subject.ask("GET", f"/messages/{id}/events")
        found: list[Json] = answer.get("recipients", 0, "facts") or []
        return [each for each in found if each.get("code") == code]

    async def fact(self, check: Check, id: str, code: str) -> list[Json]:
        async def look() -> list[Json]:
            return await self.facts(id, code)

        found = await self.until(look, bool)
        check.need(f"fact {code} in the timeline", "there", f"{len(found)} of them", ok=bool(found))
        return found

    async def items(self, document: str) -> list[Json]:
        """Entries of the inbox that are this document."""
        answer = await self.subject.ask("GET", "/inbox", query={"limit": 200})
        return [each for each in answer.get("data") or [] if each.get("document_id") == document]

    async def item(self, check: Check, document: str, business: str = "new") -> Json:
        """The entry that it became."""

        async def look() -> list[Json]:
            return [each for each in await self.items(document) if each.get("business") == business]

        found = await self.until(look, bool)
        check.need(f"inbox: {document} ({business})", "an entry", f"{len(found)} entries", ok=bool(found))
        return found[0]

    async def aside(self, check: Check, sent: Json) -> Json:
        """The packet as it stands among those that became no document."""

        async def look() -> list[Json]:
            answer = await self.subject.ask("GET", "/inbox", query={"quarantine": "true", "limit": 200})
            return [each for each in answer.get("data") or [] if each.get("sha256") == sent["digest"]]

        found = await self.until(look, bool)
        about = f"set apart: {', '.join(sent['flaws']) or sent['kind']}"
        check.need(about, "visible with its reason", _came(found), ok=bool(found))
        return found[0]

    async def told(self, check: Check, id: str, **said: Any) -> Answer:
        """A status that the subject's own people say about an entry."""
        answer = await self.subject.ask("POST", f"/inbox/{id}/status", said)
        check.need(f"POST /inbox/…/status {said.get('code')}", "200", short(answer), ok=answer.status == 200)
        return answer

    async def marker(self, check: Check) -> None:
        """A good document, taken in: what was sent before it has come too."""
        sent = await self.act(check, "document")
        await self.item(check, sent["document_id"])

    async def until(self, look: Callable[[], Awaitable[T]], enough: Callable[[T], bool]) -> T:
        """What was found last: enough, or what there was when patience ended."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.patience_s
        while True:
            found = await look()
            if enough(found) or loop.time() >= end:
                return found
            await asyncio.sleep(LOOK_S)

    async def now(self) -> datetime:
        """On the sandbox's clock."""
        return datetime.fromisoformat((await self.bench.ask("GET", "/sandbox")).get("clock", "now"))


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def pointers(answer: Answer) -> list[str]:
    """What a refusal names, in order."""
    return sorted({str(each.get("pointer")) for each in answer.get("errors") or []})


def short(answer: Answer) -> str:
    """An answer in one line."""
    if answer.status < 400:
        return str(answer.status)
    return f"{answer.status} {answer.get('code') or ''} {answer.get('detail') or answer.body[:120]!r}"


def _came(found: object) -> str:
    return "there" if found else "nothing"
