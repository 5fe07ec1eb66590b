"""Implements the axis port over a foreign axis called over HTTP. Sending: the ledger makes sure that a parcel is handed
over once; after an unknown outcome the axis is asked before it is sent again. Receiving: packets listed by the axis are
fetched into a queue in this node's folder (`shelf`), from which takers lease them; `done` is reported only when all
takers have stored a packet. Until then the axis lists it again, so a kill at any point costs only a second fetch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import BinaryIO, Self, TypeVar

from gateway.domain.forms import Form, Handed
from gateway.domain.registry import fold_code
from gateway.errors import TransportFailure
from gateway.log import warn
from gateway.ports.axis import Arrival, AxisState, DeadParcel, Fate, Outcome, Parcel, Promises, SystemAnswer
from gateway.ports.services import Clock, Pool
from gateway.transport.parcel import too_large
from gateway_foreign.rest.agency_list import read_agencies
from gateway_foreign.rest.dialect import DOCUMENTS, STATUSES, Dialect, ListedAgency
from gateway_foreign.rest.doubt import Doubt, ReadFields, unknown_outcome
from gateway_foreign.rest.fetched_queue import FetchedQueue
from gateway_foreign.rest.fetcher import Fetcher
from gateway_foreign.rest.ledger import ASKED_PERSON, SENT, TRYING, Ledger, SentFile
from gateway_foreign.rest.line import (
    CallFailed,
    Lost,
    NoRights,
    NotSent,
    OddAnswer,
    OddAnswerError,
    Refused,
)
from gateway_foreign.rest.systems import System, Systems

_log = logging.getLogger(__name__)
T = TypeVar("T")
FOREIGN = Promises(
    urgent_lane=False,
    unroutable_return=False,
    parts=False,
    node_identity=False,
    byte_identity=False,
    resends=False,
    needs_signature=False,
)


_ASK_S, _QUIET_S = 5.0, 60.0
NOT_FOR_ALL, SENT_BEFORE = "axis-not-for-all", "axis-not-again"
Shapes = Callable[[Parcel], "tuple[Parcel, Handed] | None"]
"""Returns the parcel with its file in the wanted form, and a description of that file; None where no other form exists."""


def as_it_is(parcel: Parcel) -> tuple[Parcel, Handed] | None:
    """Keep the parcel's own form."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOptions:
    """Settings of a foreign axis. `poll_s`: how often it is asked for packets; `resend`: send again after an unknown
    outcome without asking a person, where the axis cannot be asked; `to_all`: let a file go to all its recipients where
    only some are routed to this axis and it cannot restrict them; `settle_s`: how long the axis may take to list a file
    that it accepted."""

    max_bytes: int
    poll_s: float = 60.0
    resend: bool = False
    to_all: bool = False
    settle_s: float = 300.0


class RestAxis:
    """Foreign axis as a `ManagedAxis` and a `ForeignAxis`; `promises` tells which of its guarantees the axis keeps."""

    def __init__(
        self,
        dialect: Dialect,
        systems: Systems,
        shelf: FetchedQueue,
        ledger: Ledger,
        reads: ReadFields,
        clock: Clock,
        pool: Pool,
        options: RestOptions,
        shapes: Shapes = as_it_is,
    ) -> None:
        self._dialect, self._systems, self._shelf, self._ledger = dialect, systems, shelf, ledger
        self._reads, self._clock, self._pool, self._options = reads, clock, pool, options
        self._shapes = shapes
        self._since: datetime | None = None
        self._asked_at: datetime | None = None
        self._down: datetime | None = None
        self._alarmed: datetime | None = None
        self._why = ""
        self._fetcher = Fetcher(
            dialect, systems, shelf, ledger, reads, clock, pool, self._note_answer, options.poll_s
        )
        self._doubt = Doubt(
            dialect, self._fetcher.has_identity, resend=options.resend, settle_s=options.settle_s
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._fetcher.close()
        await self._dialect.close()
        await self._shelf.close()
        await self._pool.run(self._ledger.close)

    def promises(self) -> Promises:
        return FOREIGN

    # --- out ---------------------------------------------------------------------------------------------------

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """Send the parcel to all open routes in one call, and return one outcome per route. The same bytes go to a
        recipient once, however often they are published, because the hub would take a second copy for a second document.
        """
        if parcel.size > self._options.max_bytes:
            return dict.fromkeys(routes, too_large(parcel.size, self._options.max_bytes))
        folded = {route: fold_code(route) for route in routes}
        tries = await self._pool.run(partial(self._ledger.sent, parcel.digest, list(folded.values())))
        open_routes = [route for route in routes if not _is_sent(tries.get(folded[route]))]
        outcomes = {route: _delivered(tries[folded[route]]) for route in routes if route not in open_routes}
        if not open_routes:
            return outcomes
        system = self._systems.system_for(parcel.sender)
        if system is None:
            outcome = Outcome(
                fate=Fate.RETRY, code="no-credentials", detail=self._systems.why_not(parcel.sender)
            )
        else:
            shaped, handed = await self._in_form(parcel)
            marks = [folded[route] for route in open_routes]
            outcome = await self._hand_over(system, shaped, handed, open_routes, marks, tries)
        return outcomes | dict.fromkeys(open_routes, outcome)

    async def _in_form(self, parcel: Parcel) -> tuple[Parcel, Handed | None]:
        """Return the parcel in its route's form, with a description of the file unless that is the standard one."""
        if parcel.form is Form.STANDARD:
            return parcel, None
        return await self._pool.run(partial(self._shapes, parcel)) or (parcel, None)

    async def _hand_over(
        self,
        system: System,
        parcel: Parcel,
        handed: Handed | None,
        routes: Sequence[str],
        marks: Sequence[str],
        tries: Mapping[str, SentFile],
    ) -> Outcome:
        """Send the parcel, after asking about earlier tries with unknown outcome; return one outcome for all routes."""
        if parcel.size > self._options.max_bytes:
            return too_large(parcel.size, self._options.max_bytes)
        kind = STATUSES if parcel.kind == "status" else DOCUMENTS
        facts = await self._pool.run(partial(self._reads, parcel.open))
        other_marks = {fold_code(m) for m in facts.recipients} - set(marks) if facts is not None else set()
        only = list(routes) if other_marks else []
        if other_marks and not self._dialect.names_recipients and kind == DOCUMENTS:
            if not self._options.to_all:
                return Outcome(fate=Fate.NEVER, code=NOT_FOR_ALL, detail=_not_for_all_detail(routes))
            marks, only = [*marks, *sorted(other_marks)], []  # then every recipient named in the file gets it
        unsure = any(route in parcel.trails and parcel.trails[route].unsure for route in routes)
        tried = [tries[m].at for m in marks if m in tries and (unsure or tries[m].state == TRYING)]
        if unsure:
            tried.append(0.0)  # tried by another machine of this node, or before its ledger was lost

        async def is_others(doc_id: str) -> bool:
            # Where calls name only some recipients, the axis may have the file for others already.
            if not only or kind != DOCUMENTS:
                return False
            has_it = await self._pool.run(partial(self._ledger.has_it, doc_id))
            return bool(has_it) and not set(marks) & set(has_it)

        try:
            if tried:
                ago = self._now() - max(tried)
                answer = await self._doubt.search(system, facts, kind, routes, ago, is_others)
                if isinstance(answer, Outcome):
                    if answer.fate is Fate.NEVER:
                        await self._pool.run(
                            partial(self._ledger.mark, parcel.digest, marks, ASKED_PERSON, self._now())
                        )
                    return answer
                if answer is not None:
                    # An earlier try sent it, in the form noted then.
                    handed = next((tries[m].handed for m in marks if m in tries), handed)
                    return await self._note_sent(parcel, marks, answer, handed)
        except CallFailed as why:
            self._note_failure(system, why)
            return unknown_outcome(f"it may be there already: {why}")
        doc_id = await self._send(system, parcel, handed, kind, only, marks)
        if isinstance(doc_id, Outcome):
            return doc_id
        if await is_others(doc_id):
            await self._pool.run(partial(self._ledger.unmark, parcel.digest, marks))
            return Outcome(fate=Fate.NEVER, code=SENT_BEFORE, detail=_not_again_detail(doc_id))
        return await self._note_sent(parcel, marks, doc_id, handed)

    async def _send(
        self,
        system: System,
        parcel: Parcel,
        handed: Handed | None,
        kind: str,
        only: Sequence[str],
        marks: Sequence[str],
    ) -> str | Outcome:
        """Send the parcel, and return the service's id for it, or the outcome of a failure."""
        await self._note_try(parcel, marks, handed)
        try:
            file_digest = await self._pool.run(partial(self._dialect.digest, parcel.open))
            doc_id = await self._dialect.send(system, parcel, kind, only, file_digest)
        except (Lost, OddAnswerError) as why:
            # The try is noted with the present time, because a long file may have been on its way for minutes.
            await self._note_try(parcel, marks, handed)
            self._note_failure(system, why)
            return unknown_outcome(str(why))
        except CallFailed as why:
            await self._pool.run(partial(self._ledger.unmark, parcel.digest, marks))
            self._note_failure(system, why)
            return self._refusal(system, why)
        self._note_answer()
        return doc_id

    async def _note_try(self, parcel: Parcel, marks: Sequence[str], handed: Handed | None) -> None:
        mark = partial(self._ledger.mark, parcel.digest, marks, TRYING, self._now(), handed=handed)
        await self._pool.run(mark)

    async def _note_sent(
        self, parcel: Parcel, marks: Sequence[str], doc_id: str, handed: Handed | None
    ) -> Outcome:
        at = self._now()
        await self._pool.run(partial(self._ledger.mark, parcel.digest, marks, SENT, at, doc_id, handed))
        return _delivered(SentFile(state=SENT, at=at, doc_id=doc_id, handed=handed))

    def _refusal(self, system: System, why: CallFailed) -> Outcome:
        """Return the outcome of a call that surely had no effect."""
        if isinstance(why, NoRights):
            return Outcome(fate=Fate.RETRY, code="no-credentials", detail=self._systems.alarm())
        if isinstance(why, Refused):
            final = self._dialect.final(why.word)
            return Outcome(
                fate=Fate.NEVER if final else Fate.RETRY, code=f"axis-{why.word}"[:40], detail=str(why)
            )
        return Outcome(fate=Fate.RETRY, code=why.code, detail=str(why))

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        """Return None, because the axis does not say who receives. Before its first answer, ask it whether it works."""
        if self._since is None:
            await self._probe()
        return None

    # --- in ----------------------------------------------------------------------------------------------------

    async def host(self, codes: Sequence[str]) -> None:
        await self._shelf.host(codes)
        self._fetcher.host([code for code in codes if not code.startswith("@")])

    def hosts(self, codes: Sequence[str]) -> None:
        self._fetcher.host(codes)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        self._fetcher.start()
        arrivals = await self._shelf.take(limit, lease_s)
        return [await self._with_session(a) for a in arrivals]

    async def _with_session(self, arrival: Arrival) -> Arrival:
        """Add the session that vouches for the arrival: of the system that stands for the recipient, where several
        fetched it. The node is None, because no node published it."""
        fetchers = await self._pool.run(partial(self._ledger.list_fetchers, arrival.packet_id))
        own_ids = self._systems.ids_for(arrival.recipient)
        system = next((id for id in fetchers if id in own_ids), next(iter(fetchers), ""))
        return replace(arrival, node=None, session=f"{self._dialect.name}:{system}")

    async def settle(self, arrival: Arrival, *, is_done: bool) -> None:
        await self._shelf.settle(arrival, is_done=is_done)
        if is_done:
            self._fetcher.note_settled(arrival.packet_id)

    async def put_aside(self, arrival: Arrival) -> None:
        await self._shelf.put_aside(arrival)

    async def wait(self, timeout_s: float) -> None:
        self._fetcher.start()
        await self._shelf.wait(timeout_s)

    async def look(self) -> None:
        """Fetch now all that the axis has for this node, and report all that is settled."""
        await self._fetcher.look()

    # --- for persons -------------------------------------------------------------------------------------------

    def state(self) -> AxisState:
        """Return the state; it is partly down while the axis refuses some systems and answers others."""
        alarm, servers = self._systems.alarm(), (self._dialect.name,)
        if self._why or (alarm and not self._systems.all()):
            self._down = self._down or self._clock.now()
            return AxisState(down_since=self._down, reason=self._why or alarm, servers=servers)
        self._alarmed = (self._alarmed or self._clock.now()) if alarm else None
        down = self._alarmed if self._since is not None else None
        return AxisState(connected_since=self._since, down_since=down, reason=alarm, servers=servers)

    async def counts(self) -> Mapping[str, int]:
        """Count the queue and the ledger. A process that does not fetch asks the axis now and then whether it answers."""
        quiet = timedelta(seconds=max(2 * self._options.poll_s, _QUIET_S))
        if self._asked_at is None or self._clock.now() - self._asked_at > quiet:
            await self._probe()
        counts = dict(await self._shelf.counts())
        return counts | dict(await self._pool.run(self._ledger.counts))

    async def oldest(self) -> datetime | None:
        return None

    def in_hand(self) -> Mapping[str, int]:
        return {}

    async def dead_list(self) -> Sequence[DeadParcel]:
        return await self._shelf.dead_list()

    async def dead_open(self, id: str) -> BinaryIO:
        return await self._shelf.dead_open(id)

    async def dead_retry(self, id: str) -> None:
        await self._shelf.dead_retry(id)

    async def dead_drop(self, id: str, reason: str) -> None:
        """Drop a dead parcel, and report to the axis that it failed here."""
        packet_id = next((dead.packet_id for dead in await self._shelf.dead_list() if dead.id == id), "")
        await self._shelf.dead_drop(id, reason)
        await self._fetcher.note_end(packet_id, "fail")

    async def odd_answers(self) -> Sequence[tuple[int, float, str, int, str, bytes]]:
        """List the kept odd answers, newest first."""
        return await self._pool.run(self._ledger.odd)

    async def agencies(self, item: Callable[[ListedAgency], None]) -> None:
        """Pass every agency that the axis knows to `item`, asked with the node's first usable system."""
        systems = self._systems.all()
        if not systems:
            raise NotSent(self._systems.alarm() or "there are no credentials")
        await self._dialect.agencies(systems[0], item)
        self._note_answer()

    async def read_agencies(self) -> tuple[bytes, int]:
        return await read_agencies(self.agencies, self._pool)

    async def ask(self) -> Mapping[str, SystemAnswer]:
        answers: dict[str, SystemAnswer] = {}
        for system in self._systems.all():
            if not self._systems.may(system):
                continue
            try:
                if self._fetcher.hosted:
                    await self._dialect.list_waiting(system, DOCUMENTS, sweep=False, item=lambda _: None)
                answers[system.id] = SystemAnswer()
                self._note_answer()
            except CallFailed as why:
                self._note_answer(why, system)
                answers[system.id] = SystemAnswer(why=str(why))
        answers |= {
            id: SystemAnswer(why=why, mend=file) for id, (why, file) in self._systems.refused().items()
        }
        if fault := self._systems.fault():
            answers["credentials"] = SystemAnswer(why=fault, mend=self._systems.source)
        return answers

    async def _probe(self) -> None:
        """Ask one short question, whose outcome `state` then shows."""
        if not (systems := self._systems.all()):
            return  # `alarm` tells why
        try:
            async with asyncio.timeout(_ASK_S):
                try:
                    await self._ask_kind(systems[0], STATUSES)
                except (NoRights, Lost, NotSent):
                    raise
                except CallFailed:  # documents may still have a list
                    await self._ask_kind(systems[0], DOCUMENTS)
            self._note_answer()
        except TimeoutError:
            self._note_answer(Lost(f"no answer in {_ASK_S:.0f} s"), systems[0])
        except CallFailed as why:
            self._note_answer(why, systems[0])

    async def _ask_kind(self, system: System, kind: str) -> None:
        await self._dialect.list_waiting(system, kind, sweep=False, item=lambda _: None)

    def _note_answer(self, why: CallFailed | None = None, system: System | None = None) -> None:
        """Note how a question ended that did not concern a single packet."""
        self._asked_at = self._clock.now()
        if why is not None:
            self._note_failure(system, why, of_all=True)
            return
        self._since = self._since or self._clock.now()
        self._down, self._why = None, ""

    def _note_failure(self, system: System | None, why: CallFailed, *, of_all: bool = False) -> None:
        if isinstance(why, NoRights) and system is not None:
            # The axis answers; `state` names the refused systems.
            self._systems.refuse(system, str(why), with_login=why.of_login)
            self._note_answer()
            return
        if isinstance(why, Refused) and not isinstance(why, NoRights) and not of_all:
            return  # the axis answers, and refused one packet only
        if self._down is None:
            warn(_log, "axis.down", str(why), axis=self._dialect.name, code=why.code)
        self._down, self._why, self._since = self._down or self._clock.now(), str(why), None

    def _now(self) -> float:
        return self._clock.now().timestamp()


def keeper(ledger: Ledger, clock: Clock) -> Callable[[OddAnswer], None]:
    """Return a function that stores odd answers in the ledger. A failure to store one does not fail the call."""

    def keep(odd: OddAnswer) -> None:
        with contextlib.suppress(TransportFailure):
            ledger.keep_odd(clock.now().timestamp(), odd.operation, odd.status, odd.why, odd.head)

    return keep


def _not_for_all_detail(routes: Sequence[str]) -> str:
    return (
        f"of its recipients only {', '.join(routes[:10])} would go over this axis, and no call of it can say so: "
        "everybody whom the file names would get it. Send it to these by itself"
    )


def _is_sent(sent: SentFile | None) -> bool:
    return sent is not None and sent.state == SENT


def _not_again_detail(doc_id: str) -> str:
    return (
        f"the axis answered with {doc_id}, the id of what other recipients had from it before: it takes a document once, "
        "so these do not have it. Send to them by another axis, or on paper"
    )


def _delivered(sent: SentFile) -> Outcome:
    return Outcome(fate=Fate.DELIVERED, detail=f"with the axis as {sent.doc_id}", handed=sent.handed)
