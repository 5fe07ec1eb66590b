"""The home of the robots: takes their packets from the axis, remembers them with the acts that are due, and does these in
time. In: an axis of their own over the sandbox's folder, the bindings of the node's registry. Out: packets on that axis.
After a crash it repeats its begun acts with the same bytes; receivers bear repeats."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from io import BytesIO
from typing import Any

from gateway import log
from gateway.domain.document import Kind, Lane, Urgency
from gateway.domain.identity import PacketId
from gateway.domain.proof import Binding, FileSlice, Receipt, SignedEnvelope, Terms
from gateway.domain.states import CODES
from gateway.edxml import attachment, schema, verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import GatewayError, InvalidEnvelope, NotFound
from gateway.ports.axis import Arrival, Axis, Fate
from gateway.ports.services import Clock, EnvelopeSigner, Pool
from gateway_labs.sandbox import cast as casts
from gateway_labs.sandbox import packets
from gateway_labs.sandbox.cast import Cast, Robot, Script
from gateway_labs.sandbox.memory import Due, Memory
from gateway_labs.sandbox.packets import DocumentReference, Saying, WrittenPacket

_log = logging.getLogger(__name__)
_LEASE_S, _BATCH, _WAIT_S = 60.0, 16, 5.0
_REST_S = 1.0
# Code 13 comes as a status and is a request.
_TAKE_BACK = "13"
_COMES = {
    Kind.DOCUMENT.value: "document",
    Kind.REPLACEMENT.value: "replacement",
    Kind.UPDATE.value: "update",
    Kind.RECALL.value: "recall",
}
_KINDS = {
    casts.DOCUMENT: Kind.DOCUMENT,
    casts.UPDATE: Kind.UPDATE,
    casts.RECALL: Kind.RECALL,
    casts.REPLACEMENT: Kind.REPLACEMENT,
}
_REFUSING = {"02": "refused", "16": "refused_request"}

Bound = Callable[[str], Awaitable[Sequence[Binding]]]


@dataclass(slots=True, kw_only=True)
class Hall:
    """The robots at work. `signer(code, flaws)` is the key a robot signs with; `lead` is the PDF that its documents carry;
    `limit` is the largest file that the rules let through."""

    cast: Cast
    axis: Axis
    memory: Memory
    clock: Clock
    pool: Pool
    bound: Bound
    signer: Callable[[str, Sequence[str]], EnvelopeSigner]
    lead: bytes
    limit: int
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _listeners: set[asyncio.Event] = field(default_factory=set)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`; the next run does what is still due then."""
        await self.axis.host(list(self.cast.robots))
        async with asyncio.TaskGroup() as tasks:
            turning = [tasks.create_task(self._taking()), tasks.create_task(self._run_due())]
            await stop.wait()
            for task in turning:
                task.cancel()

    def look(self) -> None:
        """Look for due acts: the clock was moved, or there is something new to do."""
        self._changed.set()

    async def wait_for_packet(self, wait_s: float) -> None:
        """Wait until a packet came, or the time is over."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), wait_s)
        finally:
            self._listeners.discard(event)

    async def act(self, robot: Robot, work: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do it at once and return the sent packet; NotFound where there is nothing that it could be about."""
        due = Due(id=self.clock.new_id("act_"), at=self.clock.now(), robot=robot.code, work=work)
        async with self._one_at_a_time:
            await self.pool.run(partial(self.memory.plan, [due]))
            sent = await self._do(due)
        if sent is None:
            raise NotFound(f"{robot.code} has nothing that it could say {work['what']} about")
        return sent

    # --- what comes -------------------------------------------------------------------------------------------

    async def _taking(self) -> None:
        while True:
            try:
                arrivals = await self.axis.take(_BATCH, _LEASE_S)
                for arrival in arrivals:
                    await self._take_in(arrival)
                if not arrivals:
                    await self.axis.wait(_WAIT_S)
            except (
                Exception
            ) as error:  # the guard of this loop: the packet comes again, and is put aside in the end
                await self._pause(error)

    async def _take_in(self, arrival: Arrival) -> None:
        robot = self.cast.robot(arrival.recipient)
        if robot is None:
            await self.axis.settle(arrival, is_done=False)
            return
        now, bound = self.clock.now(), await self.bound(arrival.sender)

        def read_packet() -> tuple[bytes, dict[str, Any]]:
            with arrival.open() as source:
                raw = source.read()
            return raw, judge(arrival, raw, bound, now)

        raw, facts = await self.pool.run(read_packet)
        facts |= {"robot": robot.code, "received_at": now.isoformat()}
        acts = self._answers(robot, facts, now) if facts["signature"] == "valid" else []
        await self.pool.run(partial(self.memory.note, robot.code, facts, raw, now, acts))
        await self.axis.settle(arrival, is_done=True)
        self.look()
        for event in self._listeners:
            event.set()

    def _answers(self, robot: Robot, facts: Mapping[str, Any], now: datetime) -> list[Due]:
        comes = _comes(facts)
        if comes is None:
            return []
        script: Script = self.cast.script_for(robot, str(facts.get("subject") or ""))
        document = str(facts.get("target") or facts["document_id"])
        return [
            Due(
                id=self.clock.new_id("act_"),
                at=now + act.delay,
                robot=robot.code,
                work={"what": act.act, "about": document, "to": facts["sender"], "came": dict(facts)}
                | ({"flaws": list(act.options)} if act.options else {}),
            )
            for act in script.acts[comes]
        ]

    # --- what is done -----------------------------------------------------------------------------------------

    async def _run_due(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self.do_due()
                next_at = await self.pool.run(self.memory.next_at)
            except Exception as error:  # the guard of this loop: due acts stay due
                await self._pause(error)
                continue
            wait_s = None if next_at is None else max(0.0, (next_at - self.clock.now()).total_seconds())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)

    async def _pause(self, error: Exception) -> None:
        _log.error("a robot broke", exc_info=error, extra={"action": "robots.broke"})
        await asyncio.sleep(_REST_S)

    async def do_due(self) -> None:
        """Do everything whose time has come."""
        async with self._one_at_a_time:
            for due in await self.pool.run(partial(self.memory.due, self.clock.now())):
                await self._do(due)

    async def _do(self, due: Due) -> Mapping[str, Any] | None:
        """Do an act and return the sent packet; None where there was nothing to say it about."""
        if due.raw is None or due.sent is None:
            try:
                pair = await self.pool.run(partial(self._write, due))
            except (GatewayError, LookupError, ValueError) as error:
                # An act that cannot be written is given up: it never will be.
                log.action(_log, "robots.not_written", str(error), robot=due.robot)
                pair = None
            if pair is None:
                await self.pool.run(partial(self.memory.end_act, due.id, None))
                return None
            packet, sent = pair
            await self.pool.run(partial(self.memory.note_written, due.id, sent, packet.raw))
        else:
            sent, packet = due.sent, _restored(due.sent, due.raw)
        for _ in range(packet.times):
            outcome = (await self.axis.publish(packet.parcel(), [packet.to]))[packet.to]
            if outcome.fate is not Fate.DELIVERED:
                log.action(_log, "robots.not_sent", str(outcome.fate), to=packet.to)
        await self.pool.run(partial(self.memory.end_act, due.id, sent))
        return sent

    def _write(self, due: Due) -> tuple[WrittenPacket, Mapping[str, Any]] | None:
        robot, work = self.cast.robots[due.robot], due.work
        flaws = tuple(work.get("flaws", ()))
        saying = self._saying(robot, work, flaws)
        if saying is None:
            return None
        packet = packets.write(self.cast, robot.agency, saying, self.signer(robot.code, flaws))
        sent = {
            "robot": robot.code,
            "to": packet.to,
            "kind": packet.kind.value,
            "packet_id": packet.packet_id,
            "document_id": packet.document_id,
            "digest": packet.digest,
            "lane": packet.lane.value,
            "times": packet.times,
            "number": saying.number,
            "subject": saying.subject,
            "code": saying.code,
            "flaws": list(flaws),
            "at": saying.at.isoformat(),
            "files": [
                {"name": name, "size": len(raw), "sha256": packets.sha256(raw)} for name, raw in saying.files
            ],
        }
        return packet, sent

    def _saying(self, robot: Robot, work: Mapping[str, Any], flaws: tuple[str, ...]) -> Saying | None:
        verb, to, now = str(work["what"]), str(work.get("to") or self.cast.code), self.clock.now()
        packet_id, note = self.clock.new_id("pkt_"), str(work.get("note") or "")
        if verb in CODES:
            return Saying(
                kind=Kind.STATUS,
                packet_id=packet_id,
                to=to,
                at=now,
                code=verb,
                document=self._received(robot, work),
                note=note or self._refusal(verb, packet_id),
                register_no=str(work.get("register_no") or ("1" if verb == "03" else "")),
                flaws=flaws,
            )
        kind, reference = _KINDS[verb], self._subject_of(robot, verb, to, work)
        if reference is None and kind is not Kind.DOCUMENT:
            return None
        number = str(work.get("number") or int(now.timestamp() * 1000) % 10_000_000)
        default = "reply" if reference is not None and kind is Kind.DOCUMENT else "subject"
        subject = str(work.get("subject") or "") or self.cast.says(
            default, name=robot.agency.name, code=reference.code if reference else ""
        )
        due = work.get("due")
        return Saying(
            kind=kind,
            packet_id=str(work.get("packet_id") or packet_id),
            to=to,
            at=now,
            number=number,
            subject=subject,
            urgency=Urgency(int(work.get("urgency", 0))),
            due_on=date.fromisoformat(due) if due else None,
            document=reference,
            note=note,
            files=() if kind is Kind.RECALL else packets.files_for(flaws, self.lead, self.limit),
            flaws=flaws,
        )

    def _refusal(self, code: str, packet_id: str) -> str:
        return f"{self.cast.says(_REFUSING[code])} · {packet_id}" if code in _REFUSING else ""

    def _received(self, robot: Robot, work: Mapping[str, Any]) -> DocumentReference:
        """Return the packet that a status answers; for a document that never came its id alone."""
        document = str(work.get("about") or "")
        packet = work.get("came") or self.memory.find_document(robot.code, document)
        if packet:
            return _subject_from(packet, document)
        code = document.split(",", 2)[2] if document.count(",") >= 2 else ""
        return DocumentReference(
            document_id=document, code=code, issued_on=_day_of(document), sender=str(work["to"])
        )

    def _subject_of(
        self, robot: Robot, verb: str, to: str, work: Mapping[str, Any]
    ) -> DocumentReference | None:
        """Return the document that this one answers; or the one of our own that is changed or taken back."""
        document = str(work.get("about") or "")
        if verb == casts.DOCUMENT:
            packet = work.get("came") or (
                self.memory.find_document(robot.code, document) if document else None
            )
            return _subject_from(packet, document) if packet else None
        own = None
        if document and "came" not in work:
            own = self.memory.sent_document(robot.code, document)
        own = own or self.memory.last_sent(robot.code, to)
        if own is None:
            return None
        code = f"{own['number']}/{self.cast.says('symbol')}"
        day = datetime.fromisoformat(own["at"]) if own.get("at") else None
        return DocumentReference(
            document_id=own["document_id"],
            code=code,
            issued_on=_day_of(own["document_id"]) or (day.date() if day else None),
            sender=robot.code,
        )


def _comes(facts: Mapping[str, Any]) -> str | None:
    if (facts.get("status") or {}).get("code") == _TAKE_BACK:
        return "take_back"
    return _COMES.get(str(facts["kind"]))


def _subject_from(packet: Mapping[str, Any], document: str) -> DocumentReference:
    day = packet.get("date")
    return DocumentReference(
        document_id=document or str(packet["document_id"]),
        code=f"{packet.get('number') or ''}/{packet.get('symbol') or ''}",
        issued_on=date.fromisoformat(day) if day else _day_of(document),
        sender=str(packet["sender"]),
        packet_id=str(packet["packet_id"]),
        body_digest=str(packet.get("body_digest") or ""),
        file_digest=str(packet["digest"]),
        size=int(packet["size"]),
        received_at=datetime.fromisoformat(packet["received_at"]),
    )


def _day_of(document: str) -> date | None:
    """Return the day that stands in a DocumentId."""
    parts = document.split(",")
    try:
        return date.fromisoformat(parts[1].replace("/", "-")) if len(parts) > 1 else None
    except ValueError:
        return None


def _restored(sent: Mapping[str, Any], raw: bytes) -> WrittenPacket:
    return WrittenPacket(
        packet_id=sent["packet_id"],
        kind=Kind(sent["kind"]),
        sender=sent["robot"],
        to=sent["to"],
        raw=raw,
        lane=Lane(sent["lane"]),
        document_id=sent["document_id"],
        times=int(sent["times"]),
    )


def judge(arrival: Arrival, raw: bytes, bound: Sequence[Binding], at: datetime) -> dict[str, Any]:
    """Judge a packet as any partner does; nothing is raised for what it is. Blocks: call it in the pool.
    `signature` is `valid`, or the code of the step that refused it; `form` is `ok` or what the schema says."""
    policy = XmlPolicy()
    facts: dict[str, Any] = {
        "packet_id": arrival.packet_id,
        "kind": arrival.kind,
        "sender": arrival.sender,
        "lane": arrival.lane.value,
        "digest": hashlib.sha256(raw).hexdigest(),
        "size": len(raw),
        "document_id": "",
        "signature": "valid",
        "form": "",
    }
    source = verify.EnvelopeSource(size=len(raw), open=lambda: attachment.pieces(lambda: BytesIO(raw)))
    transport = verify.TransportFacts(
        packet_id=PacketId(arrival.packet_id),
        kind=Kind(arrival.kind) if arrival.kind in {*Kind} else None,
    )
    try:
        examined = verify.examine(
            source, policy=policy, bindings=lambda code: bound, at=at, transport=transport
        )
        problems = None if examined.keeps_form() else schema.check(schema.skeleton([raw], policy.limits))
    except InvalidEnvelope as refused:
        return facts | {"signature": refused.code, "detail": refused.detail}
    except GatewayError as refused:
        return facts | {"signature": refused.code, "detail": str(refused)}
    against = examined.signed.contradiction
    facts["signature"] = "valid" if against is None else against.code
    facts["form"] = "; ".join(str(problem) for problem in problems) if problems else "ok"
    return facts | _fields_of(examined.signed)


def _fields_of(signed: SignedEnvelope[Envelope]) -> dict[str, Any]:
    model = signed.model
    reference = model.response_for[0] if model.response_for else None
    changed = model.business.document_id if model.business else None
    replaced = [x.document_id for x in model.business.replacements] if model.business else []
    status = model.status
    return {
        "packet_id": signed.packet_id or "",
        "kind": signed.kind.value,
        "sender": signed.sender_code,
        "body_digest": signed.body_digest,
        # For a status and a request: the document that it is about.
        "document_id": (reference.document_id if status and reference else model.document_id) or "",
        "target": changed or "",
        "replaces": replaced,
        "to": [x.organ_id for x in model.to],
        "number": model.code.number if model.code else None,
        "symbol": model.code.notation if model.code else None,
        "date": model.promulgation_date.isoformat() if model.promulgation_date else None,
        "type": model.document_type.name if model.document_type else None,
        "subject": model.subject,
        "signer": model.signer.full_name if model.signer else None,
        "due": model.due_date.isoformat() if model.due_date else None,
        "priority": model.other.priority if model.other else None,
        "reason": model.business.reason if model.business else None,
        "replies_to": [
            {"agency": x.organ_id, "number": x.code, "document_id": x.document_id}
            for x in ([] if status else model.response_for)
        ],
        "status": {"code": status.code, "description": status.description} if status else None,
        "receipt": _receipt(signed.receipt),
        "terms": _terms(signed.terms),
        "files": [_file(x) for x in signed.files],
    }


def _receipt(receipt: Receipt | None) -> dict[str, Any] | None:
    if receipt is None:
        return None
    return {
        "packet_id": receipt.of_packet_id,
        "document_id": receipt.of_document_id,
        "body_digest": receipt.body_digest,
        "code": receipt.status_code,
    }


def _terms(terms: Terms | None) -> dict[str, Any]:
    if terms is None:
        return {}
    return {
        "reply_required": terms.reply_required,
        "register_no": terms.register_no,
        "register_year": terms.register_year,
    }


def _file(file: FileSlice) -> dict[str, Any]:
    return {"name": file.name, "size": file.size, "sha256": file.sha256, "damaged": file.damaged}
