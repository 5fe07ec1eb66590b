"""Fetches packets from a foreign axis into the queue, and reports to the axis how they ended. In: the codes hosted here.
Out: queued packets, each once as long as the ledger knows it; the axis told `done` or `fail` when no agency here needs
the packet any more. One process of a machine fetches at a time. A packet that cannot be fetched does not stop the
others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from gateway import meters, time_source
from gateway.domain.document import Lane
from gateway.domain.registry import fold_code
from gateway.errors import TransportFailure
from gateway.log import action, warn
from gateway.ports.services import Clock, Pool
from gateway_foreign.rest.dialect import DOCUMENTS, KINDS, Dialect, Listed
from gateway_foreign.rest.doubt import ReadFields
from gateway_foreign.rest.fetched_queue import FetchedQueue, PartialDownload
from gateway_foreign.rest.ledger import FetchedPacket, Ledger
from gateway_foreign.rest.line import CallFailed, Lost, NoRights, NotSent, Refused
from gateway_foreign.rest.systems import System, Systems

_log = logging.getLogger(__name__)
_MOST_LISTED = 20_000  # limit of ids in memory; further ones come with the next look
_MOST_WAITING = 500  # limit of queued packets; further ones stay at the axis
_FIRST_PAUSE_S, _LAST_PAUSE_S = 30.0, 3600.0
_SWEPT, _NOT_SWEPT = timedelta(days=1), timedelta(hours=1)
_PLAIN_KIND = {DOCUMENTS: "document"}


class Fetcher:
    """Task that looks for packets every `poll_s` once started; its creator calls `close`."""

    def __init__(
        self,
        dialect: Dialect,
        systems: Systems,
        shelf: FetchedQueue,
        ledger: Ledger,
        reads: ReadFields,
        clock: Clock,
        pool: Pool,
        note_answer: Callable[..., None],
        poll_s: float,
    ) -> None:
        self._dialect, self._systems, self._shelf, self._ledger = dialect, systems, shelf, ledger
        self._reads, self._clock, self._pool, self._note_answer = reads, clock, pool, note_answer
        self._poll_s = poll_s
        self.hosted: Sequence[str] = ()
        self._task: asyncio.Task[None] | None = None
        self._bell, self._looking = asyncio.Event(), asyncio.Lock()
        self._put_off: dict[str, tuple[float, float]] = {}
        self._sweeps: dict[tuple[str, str], datetime] = {}

    def host(self, codes: Sequence[str]) -> None:
        self.hosted = tuple(codes)
        self._bell.set()

    def start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="axis-fetcher")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def note_settled(self, doc_id: str) -> None:
        """Wake the task, because the axis may have to be told that the packet is done."""
        self._bell.set()

    async def note_end(self, doc_id: str, word: str) -> None:
        """Note how a packet ended, unless rows of it are still queued."""
        if doc_id and not await self._shelf.has(doc_id):
            for packet in await self._pool.run(partial(self._ledger.of_document, doc_id)):
                await self._pool.run(partial(self._ledger.note_end, packet, word))
            self._bell.set()

    async def _run(self) -> None:
        due = 0.0
        while True:
            self._bell.clear()
            try:
                await self._report_ended()
                if self.hosted and time_source.monotonic() >= due:
                    await self._look()
                    due = time_source.monotonic() + self._poll_s
            except TransportFailure as why:
                warn(_log, "axis.look_failed", str(why), axis=self._dialect.name, code=why.code)
                due = time_source.monotonic() + self._poll_s
            except Exception:  # reason: a failed look must not end all looking
                _log.exception("a look at the axis broke", extra={"action": "axis.look_broke"})
                due = time_source.monotonic() + self._poll_s
            wait_s = max(due - time_source.monotonic(), 0.0) if self.hosted else self._poll_s
            # Not wait_for: before Python 3.12 it loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._bell.wait()

    async def look(self) -> None:
        """Look once now, and report all packets that ended."""
        await self._report_ended()
        await self._look()
        await self._report_ended()

    async def _look(self) -> None:
        """Look once with every system, at both kinds of packets. An axis that lists one kind counts as answering."""
        async with self._looking, self._shelf.alone() as alone:
            if not alone:
                return
            self._forget_put_off()
            listed = False
            refused: CallFailed | None = None
            for system in self._systems.all():
                if not self._systems.may(system) or not self._hosted_of(system):
                    continue
                try:
                    refusals = await self._take_all(system)
                except CallFailed as why:
                    self._note_answer(why, system)
                    continue
                listed |= len(refusals) < len(KINDS)
                refused = refused or next(iter(refusals), None)
            if refused is not None and not listed:
                self._note_answer(refused)

    def _hosted_of(self, system: System) -> list[str]:
        return [code for code in self.hosted if system.speaks_for(code)]

    async def _take_all(self, system: System) -> Sequence[CallFailed]:
        """Fetch both kinds of packets of one system, and return the refusals to list them. NoRights, Lost or NotSent
        are raised, because the axis cannot be asked further then."""
        refusals = []
        for kind in KINDS:
            try:
                await self._take_kind(system, kind)
            except (NoRights, Lost, NotSent):
                raise
            except CallFailed as why:  # the axis answers, and the other kind may have a list
                action(_log, "axis.no_list", str(why), system=system.id, axis=self._dialect.name)
                refusals.append(why)
        return refusals

    async def _take_kind(self, system: System, kind: str) -> None:
        """Fetch the packets of one list. After a failed sweep the next look uses the short list again, and the sweep is
        repeated an hour later. A sweep that found no room for its packets, or too many, is repeated at the next look."""
        lines: dict[str, Listed] = {}

        def note(line: Listed) -> None:
            if line.doc_id and len(lines) < _MOST_LISTED:
                lines.setdefault(line.doc_id, line)

        name, now = (system.id, kind), self._clock.now()
        due = self._sweeps.get(name, now)
        sweep = due <= now or due - now > _SWEPT  # the clock may have been ahead when the time was noted
        if sweep:
            self._sweeps[name] = now + _NOT_SWEPT
        await self._dialect.list_waiting(system, kind, sweep=sweep, item=note)
        self._note_answer()
        for line in lines.values():
            if not await self._take_packet(system, kind, line, sweep=sweep):
                if sweep:
                    self._sweeps.pop(name, None)
                return
        if sweep and len(lines) == _MOST_LISTED:
            self._sweeps.pop(name, None)
        elif sweep and not any(doc_id in self._put_off for doc_id in lines):
            self._sweeps[name] = now + _SWEPT

    async def _take_packet(self, system: System, kind: str, line: Listed, *, sweep: bool) -> bool:
        """Fetch one packet; False where the queue is full. A known packet that has ended is only reported again: where
        the axis was not told, or at a sweep, because some axes list ended packets for ever."""
        packet = await self._pool.run(partial(self._ledger.get_fetched, system.id, kind, line.doc_id))
        if packet is not None:
            if packet.end_word and (sweep or not packet.is_reported):
                await self._report(packet)  # the axis was not told, or forgot
            return True
        put_off, _ = self._put_off.get(line.doc_id, (0.0, 0.0))
        if time_source.monotonic() < put_off:
            return True
        counts = await self._shelf.counts()
        if counts["waiting"] + counts["leased"] >= _MOST_WAITING:
            return False
        # More of a sender without room here is safe at the axis.
        if await self._shelf.has_aside(line.sender):
            self._put_off[line.doc_id] = (time_source.monotonic() + _FIRST_PAUSE_S, _FIRST_PAUSE_S)
            return True
        try:
            await self._fetch(system, kind, line)
            self._put_off.pop(line.doc_id, None)
        except NoRights:
            raise
        except (CallFailed, ValueError) as why:  # ValueError: the answer cannot be written to disk
            _, pause = self._put_off.get(line.doc_id, (0.0, _FIRST_PAUSE_S / 2))
            pause = min(2 * pause, _LAST_PAUSE_S)
            self._put_off[line.doc_id] = (time_source.monotonic() + min(pause, 10 * self._poll_s), pause)
            action(_log, "axis.fetch_failed", str(why), packet=line.doc_id, axis=self._dialect.name)
        return True

    async def _fetch(self, system: System, kind: str, line: Listed) -> None:
        """Download one packet and queue it for its recipients here."""
        draft = PartialDownload(self._shelf.drafts)
        try:
            await self._dialect.fetch(system, line.doc_id, lambda: draft.begin().write)
            digest = await self._pool.run(draft.flushed)
            facts = await self._pool.run(partial(self._reads, draft.open))
            recipients = self._recipients(system, line, facts.recipients if facts is not None else ())
            if not recipients:
                return  # no recipient here: the packet stays at the axis
            lane = Lane.URGENT if facts is not None and facts.is_urgent else Lane.NORMAL
            kind_word = facts.kind if facts is not None else _PLAIN_KIND.get(kind, kind)
            sender = line.sender or (facts.sender if facts is not None else "")
            if facts is not None and fold_code(sender) == fold_code(system.id):
                sender = facts.sender
            # Noted before the packet can be taken, because its taker asks which system fetched it.
            await self._pool.run(partial(self._ledger.note_coming, line.doc_id, system.id))
            if await self._shelf.add(line.doc_id, kind_word, sender, lane, draft, recipients):
                now = self._clock.now().timestamp()
                noting = partial(self._ledger.note_fetched, system.id, kind, line.doc_id, digest, now)
                await self._pool.run(noting)
                meters.AXIS_FETCHED.add(kind=kind)
        finally:
            await asyncio.shield(self._pool.run(draft.discard))  # also when cancelled once more

    def _recipients(self, system: System, line: Listed, codes: Sequence[str]) -> list[str]:
        """Return the recipients hosted here: those in the file, else the one in the list, else the system's first
        agency, so that a person sees even an unreadable file."""
        mine = {fold_code(code): code for code in self._hosted_of(system)}
        recipients = [mine[fold_code(code)] for code in codes if fold_code(code) in mine]
        if not recipients and fold_code(line.to) in mine:
            recipients = [mine[fold_code(line.to)]]
        return list(dict.fromkeys(recipients)) or list(mine.values())[:1]

    async def _report_ended(self) -> None:
        """Report packets to the axis that no agency here needs any more."""
        # Listed before the queue is read: packets queued meanwhile are not among them.
        if open_packets := await self._pool.run(self._ledger.list_open):
            ids_on_shelf = await self._shelf.ids()
            for packet in open_packets:
                if packet.doc_id not in ids_on_shelf:
                    await self._pool.run(partial(self._ledger.note_end, packet, "done"))
        for packet in await self._pool.run(self._ledger.list_unreported):
            try:
                if not await self._report(packet):
                    # Retried at the next wake-up; an axis that takes no reports may still list packets.
                    return
            except NoRights:
                continue  # another system may still be accepted

    def _forget_put_off(self) -> None:
        """Forget postponed packets that were not tried for long."""
        long_ago = time_source.monotonic() - _LAST_PAUSE_S
        self._put_off = {key: t for key, t in self._put_off.items() if t[0] > long_ago}

    async def _report(self, packet: FetchedPacket) -> bool:
        """Report to the axis that a packet ended; False where it takes no reports now. NoRights is raised."""
        system = next((s for s in self._systems.all() if s.id == packet.system), None)
        word = packet.end_word or "done"
        if system is None:
            return True
        put_off, pause = self._put_off.get(f"say {packet.doc_id}", (0.0, 1.0))
        if time_source.monotonic() < put_off:
            return True
        try:
            await self._dialect.settle(system, packet.doc_id, word)
        except CallFailed as why:
            pause = min(2 * pause, _LAST_PAUSE_S)
            self._put_off[f"say {packet.doc_id}"] = (
                time_source.monotonic() + min(pause, 10 * self._poll_s),
                pause,
            )
            if not isinstance(why, Refused) or isinstance(why, NoRights):
                self._note_answer(why, system)
            action(_log, "axis.settle_failed", str(why), packet=packet.doc_id, axis=self._dialect.name)
            if isinstance(why, NoRights):
                raise
            return isinstance(why, Refused)
        self._put_off.pop(f"say {packet.doc_id}", None)
        meters.AXIS_REPORTED.add(status=word)
        await self._pool.run(partial(self._ledger.note_reported, packet, self._clock.now().timestamp()))
        return True

    async def has_identity(self, system: System, doc_id: str, identity: str) -> bool:
        """Tell whether the axis's packet with this id contains the envelope with this identity."""
        draft = PartialDownload(self._shelf.drafts)
        try:
            await self._dialect.fetch(system, doc_id, lambda: draft.begin().write)
            await self._pool.run(draft.flushed)
            facts = await self._pool.run(partial(self._reads, draft.open))
            return facts is not None and facts.identity == identity
        finally:
            await asyncio.shield(self._pool.run(draft.discard))  # also when cancelled once more
