"""The callers of a world: a sending clerk and a receiving document system for each agency. In: a seed, hosts. Out: answers
in the ledger. A caller whose line breaks asks again, under the same key, until it is answered; one that is refused gives
up."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from bench.papers import content
from gateway.bootstrap.node import OpenNode
from gateway.domain.account import AgencyScope, NumberingMode
from gateway.domain.document import (
    Assignment,
    DocumentChange,
    Draft,
    FileRole,
    IncomingDocument,
    Kind,
    OutgoingDocument,
    Recipient,
    Signer,
    Urgency,
)
from gateway.domain.states import State
from gateway.domain.wall_clock import local
from gateway.errors import Clash, GatewayError, NotFound, Refused
from gateway.incoming import act, handover
from gateway.incoming.act import StatusCall
from gateway.outgoing import accept, intake, manage, recall
from gateway.outgoing.intake import Accepted, Once, Order, RequestFiles
from tests.simulation.ledger import Ledger, Sent
from tests.simulation.ports import Broke
from tests.simulation.stage import CASTS, Cast
from tests.simulation.world import Host, Lost, World

T = TypeVar("T")
_AGAIN_S = 20.0
_LEASE_S = 300
_TWICE = 0.05
# More documents than one sender sends.
_MANY = 10_000
_AT_ONCE = 0.2
_LOOKS_AFTER = 0.25


@dataclass(slots=True, kw_only=True)
class Crowd:
    """All callers. `busy` counts those in the middle of something; `ends` lets them begin nothing new."""

    world: World
    ledger: Ledger
    pause_s: float
    hangs_up: float = 0.0
    ends: bool = False
    busy: int = 0
    numbered_by_node: frozenset[str] = frozenset()
    """Agencies whose issuing books the node numbers."""
    left_to_clerks: float = 0.0
    """Share of arrivals that receivers fetch, and clerks work on."""
    casts: list[Cast] = field(default_factory=lambda: list(CASTS))
    """Agencies that may be written to; a program may add some."""
    started: list[asyncio.Task[None]] = field(default_factory=list)
    """Callers that a program started."""
    has_archivists: bool | None = None
    """Whether offices have keepers of records; the seed decides for None."""
    acts: dict[str, int] = field(default_factory=dict)
    makers: Mapping[tuple[str, str], Callable[[Crowd, Cast], Caller]] = field(default_factory=dict)
    """Other programs of agencies, by role and code."""

    def programs(self, codes: frozenset[str]) -> list[Caller]:
        """Make a receiver for every agency, and a sender for each of these; for all where none is named."""
        senders = [cast for cast in CASTS if not codes or cast.code in codes]
        return [
            *(self.makers.get(("sender", cast.code), Sender)(self, cast) for cast in senders),
            *(self.makers.get(("receiver", cast.code), Receiver)(self, cast) for cast in CASTS),
        ]

    def calm_senders(self, codes: frozenset[str]) -> list[Sender]:
        """Make the senders that go on once every fault is over."""
        casts = [cast for cast in self.casts if not codes or cast.code in codes]
        return [Sender(self, cast, sent_before=_MANY) for cast in casts]


class Caller:
    """One program of an agency."""

    role = ""

    def __init__(self, crowd: Crowd, cast: Cast) -> None:
        self.crowd, self.cast = crowd, cast
        self.host: Host = crowd.world.hosts[cast.node]
        self.chance: Random = crowd.world.chance(f"{self.role} {cast.code}")
        self.scope = AgencyScope(
            agency_id=self.host.site.agencies[cast.code], principal_id=f"{self.role} {cast.code}"
        )

    async def run(self) -> None:
        raise NotImplementedError

    def tell(self, act_name: str, words: str) -> None:
        self.crowd.acts[act_name] = self.crowd.acts.get(act_name, 0) + 1
        self.crowd.world.tell(f"{self.role}.{act_name}", self.cast.code, words)

    async def ask(self, name: str, make: Callable[[OpenNode], Awaitable[T]]) -> T:
        """Make a call until it is answered. Clash, Refused and NotFound are answers too; anything unforeseen is a broken
        promise."""
        while True:
            try:
                return await self._once(make)
            except (Lost, TimeoutError, Broke):
                self.crowd.ledger.lost_answers += 1
            except (Clash, Refused, NotFound) as answer:
                if getattr(answer, "code", "") not in ("GW-IDEM-RUNNING", "GW-STALE"):
                    raise
            except GatewayError as error:  # the node cannot at this moment, and says so
                self.tell("put_off", f"{name} {error.code}")
            except Exception as error:  # reason: what is unforeseen is what is looked for
                self.crowd.world.broken(f"{self.role} {self.cast.code} {name}: {error!r}", error)
                raise
            await asyncio.sleep(_AGAIN_S * self.chance.uniform(0.5, 3.0))

    async def _once(self, make: Callable[[OpenNode], Awaitable[T]]) -> T:
        """Call; sometimes hang up before the answer: after a time, or before any turn of the loop."""
        kind = self.chance.random()
        if kind >= self.crowd.hangs_up:
            return await self.host.call(make)
        if kind < self.crowd.hangs_up / 4:
            async with asyncio.timeout(self.chance.expovariate(1.0) * 0.01):
                return await self.host.call(make)
        loop = self.crowd.world.loop
        call: asyncio.Task[T] = loop.create_task(self.host.call(make))
        loop.at_turn(int(self.chance.expovariate(1.0) * self.chance.choice((8, 40, 200))), call.cancel)
        try:
            return await call
        except asyncio.CancelledError:
            if call.cancelled():
                raise TimeoutError from None
            raise


class Sender(Caller):
    """Sends documents, and sometimes takes one back, replaces, updates or cancels it."""

    role = "sender"

    def __init__(self, crowd: Crowd, cast: Cast, *, sent_before: int = 0) -> None:
        """`sent_before`: an earlier sender of the agency sent so many documents at most."""
        super().__init__(crowd, cast)
        self._sent_before = sent_before

    async def run(self) -> None:
        n = self._sent_before
        while not self.crowd.ends:
            await asyncio.sleep(self.chance.expovariate(1.0) * self.crowd.pause_s)
            if self.crowd.ends:
                return
            # Sometimes many at one moment, which share what they write.
            many = self.chance.randint(2, 6) if self.chance.random() < _AT_ONCE else 1
            n += many
            self.crowd.busy += 1
            try:
                await asyncio.gather(*(self.try_one(number) for number in range(n - many + 1, n + 1)))
            finally:
                self.crowd.busy -= 1

    async def try_one(self, n: int) -> None:
        """Send one document, and perhaps change it."""
        try:
            await self._send_one(n)
        except (Clash, Refused, NotFound) as answer:
            self.tell("refused", f"{n} {answer.code} {answer}")

    def new_letter(self, n: int) -> Letter:
        chance = self.chance
        other_codes = [cast.code for cast in self.crowd.casts if cast.code != self.cast.code]
        count = chance.choice((1, 1, 1, 2, 3))
        sizes = [chance.choice((900, 2_000, 20_000, 90_000)) for _ in range(chance.choice((1, 1, 2)))]
        return Letter(
            key=f"{self.cast.code}-{n}",
            number="" if self.cast.code in self.crowd.numbered_by_node else str(n),
            recipients=tuple(chance.sample(other_codes, count)),
            sizes=tuple(sizes),
            is_urgent=chance.random() < 0.15,
        )

    async def _send_one(self, n: int) -> None:
        letter, chance = self.new_letter(n), self.chance
        document = await self._send(letter)
        if chance.random() < _TWICE:
            await self._send(letter)
        if document is None:
            return
        if chance.random() < _LOOKS_AFTER:
            await self._look_after(letter, document)
        elif chance.random() < 0.4:
            await asyncio.sleep(chance.choice((0.01, 2.0, 60.0, 300.0, 1500.0)) * chance.random())
            kinds = ("recall", "take_back", "update", "replace", "cancel", "cancel")
            await self._change(letter, document, chance.choice(kinds))

    async def _look_after(self, letter: Letter, sent: Sent) -> None:
        """Look several times whether a letter has left, as a clerk does who waits for it, and cancel one that has not."""
        for pause_s in (1.0, 10.0, 60.0):
            await asyncio.sleep(self.chance.expovariate(1.0) * pause_s)
            if not await self.ask("look", lambda node: _has_unsent(node, self.scope, sent.id)):
                return
            await self._change(letter, sent, "cancel")

    async def send_last(self, recipient: str, *, n: int = 0, size: int = 2_000) -> None:
        """Send one letter, without a change of it afterwards."""
        number = "" if self.cast.code in self.crowd.numbered_by_node else f"{3 * _MANY + n}"
        letter = Letter(
            key=f"{self.cast.code}-last-{n}", number=number, recipients=(recipient,), sizes=(size,)
        )
        try:
            await self._send(letter)
        except (Clash, Refused, NotFound) as answer:
            self.tell("refused", f"{letter.key} {answer.code} {answer}")

    async def _send(self, letter: Letter) -> Sent | None:
        self.crowd.ledger.tried += 1
        accepted = await self.ask("send", lambda node: send(node, self.scope, letter))
        id = (
            accepted.document.id
            if accepted.document
            else json.loads((accepted.replayed or (0, "{}"))[1])["id"]
        )
        self.tell("sent", f"{letter.key} {id} to {','.join(letter.recipients)}")
        sent = Sent(
            key=letter.key,
            id=id,
            sender=self.cast.code,
            recipients=letter.recipients,
            files={name: hashlib.sha256(raw).hexdigest() for name, raw in letter.files()},
        )
        return self.crowd.ledger.accepted(sent)

    async def _change(self, letter: Letter, sent: Sent, kind: str) -> None:
        try:
            if kind == "cancel":
                sent.may_be_cancelled = True
                await self.ask(kind, lambda node: manage.cancel(node.out, self.scope, sent.id, why="Nhầm"))
                sent.is_cancelled = True
            elif kind in ("recall", "take_back"):
                await self.ask(
                    kind,
                    lambda node: recall.recall(
                        node.out,
                        self.scope,
                        sent.id,
                        reason="Gửi nhầm",
                        approved_by="Giám đốc Mẫu",
                        notice_no=f"{letter.key}/TB",
                        take_back=kind == "take_back",
                    ),
                )
            else:
                await self._send_changed(letter, sent, kind)
        except (Clash, Refused, NotFound) as answer:
            self.tell("not_changed", f"{kind} {sent.id} {answer.code} {answer}")
        else:
            self.tell(kind, sent.id)

    async def _send_changed(self, letter: Letter, sent: Sent, kind: str) -> None:
        document: OutgoingDocument = await self.ask(
            "read", lambda node: _read_sent(node, self.scope, sent.id)
        )
        number = document.draft.number if kind == "update" else letter.number and f"9{letter.number}"
        change = DocumentChange(reason="Sửa", target=document.document_id)
        if kind == "replace":
            change = DocumentChange(reason="Thay", replaces=((document.document_id, letter.recipients),))
        changed = Letter(
            key=f"{letter.key}-{kind}",
            number=number,
            recipients=letter.recipients,
            sizes=(1_500,),
            kind=Kind.UPDATE if kind == "update" else Kind.REPLACEMENT,
            parent_id=sent.id,
            change=change,
        )
        await self._send(changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A document before it is sent; the same at every try."""

    key: str
    number: str
    recipients: tuple[str, ...]
    sizes: tuple[int, ...]
    is_urgent: bool = False
    kind: Kind = Kind.DOCUMENT
    parent_id: str | None = None
    change: DocumentChange | None = None

    def files(self) -> list[tuple[str, bytes]]:
        seed = int.from_bytes(hashlib.sha256(self.key.encode()).digest()[:4], "big")
        return [(f"{n}-{self.key}.pdf", content(size, seed + n)) for n, size in enumerate(self.sizes)]


async def send(node: OpenNode, scope: AgencyScope, letter: Letter) -> Accepted:
    """Send a letter as the API does: files first, then the order under its key."""
    order = Order(
        draft=draft_of(node, letter), kind=letter.kind, parent_id=letter.parent_id, change=letter.change
    )
    once = Once(
        owner=scope.principal_id,
        key=letter.key,
        method="POST",
        path="/messages",
        meta=letter.key,
        render=_render,
    )
    async with intake.receive_files(node.out) as request_files:
        await add_files(request_files, letter)
        return await accept.accept(node.out, scope, order, request_files, once)


def draft_of(node: OpenNode, letter: Letter) -> Draft:
    return Draft(
        # Half of them are known by the key of their call alone.
        external_id=letter.key if letter.key[-1] in "13579" else None,
        number=letter.number,
        symbol="STD-VP",
        issued_on=local(node.clock.now()).date(),
        type_name="Công văn",
        subject=f"Về việc {letter.key}",
        urgency=Urgency.EXPRESS if letter.is_urgent else Urgency.NORMAL,
        signer=Signer(name="Nguyễn Văn Mẫu"),
        recipients=tuple(Recipient(code=code) for code in letter.recipients),
        reply_required=False,
    )


async def add_files(request_files: RequestFiles, letter: Letter) -> None:
    for n, (name, raw) in enumerate(letter.files()):
        role = FileRole.APPENDIX if n else FileRole.LEAD
        await request_files.add(role, name, role, _chunks(raw))


def _render(accepted: Accepted) -> tuple[int, str]:
    return 202, json.dumps({"id": accepted.document.id if accepted.document else ""})


async def _chunks(raw: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(raw), 65_536):
        yield raw[at : at + 65_536]


async def _read_sent(node: OpenNode, scope: AgencyScope, id: str) -> OutgoingDocument:
    async with node.store.read(scope) as work:
        return await work.outgoing.get(id)


async def _has_unsent(node: OpenNode, scope: AgencyScope, id: str) -> bool:
    async with node.store.read(scope) as work:
        deliveries = await work.deliveries.of_document(id)
    return any(delivery.state in (State.QUEUED, State.SENDING) for delivery in deliveries)


class Receiver(Caller):
    """Fetches documents under a lease, gives each a status, acknowledges it, and works on it until it is done."""

    role = "receiver"

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.chance.expovariate(1.0) * self.crowd.pause_s * 0.5)
            self.crowd.busy += 1
            try:
                while await self._fetch():
                    pass
            finally:
                self.crowd.busy -= 1

    async def _fetch(self) -> bool:
        documents = await self.ask(
            "fetch",
            lambda node: handover.lease(node.inn, self.scope, self.scope.principal_id, 5, _LEASE_S),
        )
        if self.chance.random() < _AT_ONCE:
            await asyncio.gather(*(self._work_on(document) for document in documents))
        else:
            for document in documents:
                await self._work_on(document)
        return bool(documents)

    async def _work_on(self, document: IncomingDocument) -> None:
        await self._attempt(document.id, self._take_in(document))
        await self.ask("ack", lambda node: self._ack(node, document.id))
        self.crowd.ledger.acked.add((self.cast.code, document.id))
        self.tell("acked", document.id)

    async def _attempt(self, id: str, act: Coroutine[Any, Any, None]) -> None:
        try:
            await act
        except (Clash, Refused, NotFound) as answer:
            self.tell("stopped", f"{id} {answer.code} {answer}")

    async def _ack(self, node: OpenNode, id: str) -> bool:
        return await handover.ack(node.inn, self.scope, id, self.scope.principal_id)

    async def _take_in(self, document: IncomingDocument) -> None:
        """Answer a request; give a document 03, or 02, and what follows from it. Some are left to clerks."""
        if not document.kind.is_whole:
            await self._set(document.id, StatusCall(code=self.chance.choice(("15", "15", "16"))))
            return
        if self.crowd.left_to_clerks and self.chance.random() < self.crowd.left_to_clerks:
            return
        if self.chance.random() < 0.08:
            await self._set(document.id, StatusCall(code="02", reason="BAD_FORM"))
            return
        number = None if self.cast.numbering is NumberingMode.B else f"{int(document.id[-6:], 36) % 10**8}"
        await self._set(document.id, StatusCall(code="03", register_no=number))
        if self.chance.random() < _AT_ONCE:
            # Two programs of the agency act on the document at one moment.
            pair = self.chance.sample(("04", "05", "06"), 2)
            await asyncio.gather(*(self._attempt(document.id, self._set_next(document.id, c)) for c in pair))
        for code in ("04", "05", "06"):
            if self.chance.random() < 0.4:
                return
            await self._set_next(document.id, code)

    async def _set_next(self, id: str, code: str) -> None:
        assignment = Assignment(lead_unit="Phòng Mẫu") if code == "04" else None
        await self._set(id, StatusCall(code=code, assignment=assignment))

    async def _set(self, id: str, call: StatusCall) -> None:
        result = await self.ask(
            f"status {call.code}", lambda node: act.set_status(node.inn, self.scope, id, call)
        )
        self.crowd.ledger.statuses.setdefault((self.cast.code, id), []).append(call.code)
        if call.code == "03" and result.register_no is not None:
            self.crowd.ledger.numbered(self.cast.code, id, result.register_no)
        self.tell(f"set_{call.code}", f"{id} {result.register_no or ''}")
