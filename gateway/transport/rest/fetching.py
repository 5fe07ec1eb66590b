"""Brings what waits at a foreign axis onto the shelf, and tells the axis what became of it. In: the codes hosted here.
Out: packets on the shelf, each once as long as the ledger knows it; the axis told `done` or `fail` after nobody here
needs it any more. One process of a machine asks at a time. A packet that cannot be fetched stops no other one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from gateway import meters
from gateway.domain.document import Lane
from gateway.domain.registry import fold_code
from gateway.errors import TransportFailure
from gateway.log import action, warn
from gateway.ports.services import Clock, Pool
from gateway.transport.rest.dialect import DOCUMENTS, KINDS, Dialect, Listed
from gateway.transport.rest.doubt import Reads
from gateway.transport.rest.ledger import Ledger, Taken
from gateway.transport.rest.line import CallFailed, Lost, NoRights, NotSent, Turned
from gateway.transport.rest.shelf import Draft, Shelf
from gateway.transport.rest.systems import System, Systems

_log = logging.getLogger(__name__)
_MOST_LISTED = 20_000  # ids in memory; what is listed beyond comes with the next look
_MOST_WAITING = 500  # on the shelf; what is beyond stays at the axis
_FIRST_PAUSE_S, _LAST_PAUSE_S = 30.0, 3600.0
_SWEPT, _NOT_SWEPT = timedelta(days=1), timedelta(hours=1)
_PLAIN_KIND = {DOCUMENTS: "document"}


class Fetcher:
    """Looks every `poll_s` from `start` on; whoever made it calls `close`."""

    def __init__(
        self,
        dialect: Dialect,
        systems: Systems,
        shelf: Shelf,
        ledger: Ledger,
        reads: Reads,
        clock: Clock,
        pool: Pool,
        heard: Callable[..., None],
        poll_s: float,
    ) -> None:
        self._dialect, self._systems, self._shelf, self._ledger = dialect, systems, shelf, ledger
        self._reads, self._clock, self._pool, self._heard = reads, clock, pool, heard
        self._poll_s = poll_s
        self.hosted: Sequence[str] = ()
        self._task: asyncio.Task[None] | None = None
        self._bell, self._looking = asyncio.Event(), asyncio.Lock()
        self._put_off: dict[str, tuple[float, float]] = {}
        self._sweeps: dict[tuple[str, str, str], datetime] = {}

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

    def settled(self, doc_id: str) -> None:
        """Somebody here is done with it: the axis is told soon, if nobody else needs it."""
        self._bell.set()

    async def ended(self, doc_id: str, word: str) -> None:
        if doc_id and not await self._shelf.has(doc_id):
            for one in await self._pool.run(partial(self._ledger.of_document, doc_id)):
                await self._pool.run(partial(self._ledger.ended, one, word))
            self._bell.set()

    async def _run(self) -> None:
        due = 0.0
        while True:
            self._bell.clear()
            try:
                await self._tell()
                if self.hosted and time.monotonic() >= due:
                    await self._look()
                    due = time.monotonic() + self._poll_s
            except TransportFailure as why:
                warn(_log, "axis.look_failed", str(why), axis=self._dialect.name, code=why.code)
                due = time.monotonic() + self._poll_s
            except Exception:  # reason: a look that breaks must not end all looking
                _log.exception("a look at the axis broke", extra={"action": "axis.look_broke"})
                due = time.monotonic() + self._poll_s
            left = max(due - time.monotonic(), 0.0) if self.hosted else self._poll_s
            # Not wait_for: before 3.12 that forgets a cancellation which comes together with the bell.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._bell.wait()

    async def look(self) -> None:
        """Now, and the axis told of what is over."""
        await self._tell()
        await self._look()
        await self._tell()

    async def _look(self) -> None:
        """One look with every system, at both kinds. An axis that lists one of them answers, whatever else it says."""
        async with self._looking, self._shelf.alone() as alone:
            if not alone:
                return
            self._forget_put_off()
            listed = False
            refused: CallFailed | None = None
            for system in self._systems.all():
                if not self._systems.may(system):
                    continue
                for seat in self._dialect.seats(system, self._hosted_of(system)):
                    try:
                        said_no = await self._of_seat(system, seat)
                    except CallFailed as why:
                        self._heard(why, system)
                        continue
                    listed |= len(said_no) < len(KINDS)
                    refused = refused or next(iter(said_no), None)
            if refused is not None and not listed:
                self._heard(refused)

    def _hosted_of(self, system: System) -> list[str]:
        return [code for code in self.hosted if system.speaks_for(code)]

    async def _of_seat(self, system: System, seat: str) -> Sequence[CallFailed]:
        """What it says in the place of a list, for each kind. NoRights, Lost, NotSent: there is no asking it now."""
        said_no = []
        for kind in KINDS:
            try:
                await self._of_kind(system, seat, kind)
            except (NoRights, Lost, NotSent):
                raise
            except CallFailed as why:  # it answers: of the other kind there may be a list
                action(_log, "axis.no_list", str(why), system=system.id, axis=self._dialect.name)
                said_no.append(why)
        return said_no

    async def _of_kind(self, system: System, seat: str, kind: str) -> None:
        """A long list that fails keeps nothing back: the next look asks for the short one, and an hour later it is tried
        again. What has no room now is asked for at once when there is."""
        found: dict[str, Listed] = {}

        def note(line: Listed) -> None:
            if line.doc_id and len(found) < _MOST_LISTED:
                found.setdefault(line.doc_id, line)

        name, now = (system.id, seat, kind), self._clock.now()
        due = self._sweeps.get(name, now)
        sweep = due <= now or due - now > _SWEPT  # a clock may have been ahead
        if sweep:
            self._sweeps[name] = now + _NOT_SWEPT
        await self._dialect.waiting(system, kind, seat, sweep=sweep, item=note)
        self._heard()
        for line in found.values():
            if not await self._one(system, seat, kind, line, sweep=sweep):
                if sweep:
                    self._sweeps.pop(name, None)
                return
        if sweep and len(found) == _MOST_LISTED:
            self._sweeps.pop(name, None)
        elif sweep and not any(doc_id in self._put_off for doc_id in found):
            self._sweeps[name] = now + _SWEPT

    async def _one(self, system: System, seat: str, kind: str, line: Listed, *, sweep: bool) -> bool:
        """False where there is no room for more now. What is known is only told again: to an axis that heard it, with a
        sweep, because some list for ever what is over."""
        name = f"{system.id}/{seat}" if seat else system.id
        known = await self._pool.run(partial(self._ledger.taken, name, kind, line.doc_id))
        if known is not None:
            if known.ended and (sweep or not known.told):
                await self._say(known)  # the axis did not hear it, or forgot
            return True
        put_off, _ = self._put_off.get(line.doc_id, (0.0, 0.0))
        if time.monotonic() < put_off:
            return True
        counts = await self._shelf.counts()
        if counts["waiting"] + counts["leased"] >= _MOST_WAITING:
            return False
        try:
            await self._fetch(system, name, seat, kind, line)
            self._put_off.pop(line.doc_id, None)
        except NoRights:
            raise
        except (CallFailed, ValueError) as why:  # ValueError: what it says cannot even be written down
            _, pause = self._put_off.get(line.doc_id, (0.0, _FIRST_PAUSE_S / 2))
            pause = min(2 * pause, _LAST_PAUSE_S)
            self._put_off[line.doc_id] = (time.monotonic() + min(pause, 10 * self._poll_s), pause)
            action(_log, "axis.fetch_failed", str(why), packet=line.doc_id, axis=self._dialect.name)
        return True

    async def _fetch(self, system: System, name: str, seat: str, kind: str, line: Listed) -> None:
        draft = Draft(self._shelf.drafts)
        try:
            await self._dialect.fetch(system, line.doc_id, seat, lambda: draft.begin().write)
            digest = await self._pool.run(draft.flushed)
            told = await self._pool.run(partial(self._reads, draft.open))
            to = self._recipients(system, seat, line, told.recipients if told is not None else ())
            if not to:
                return  # nobody here: it stays with the axis
            lane = Lane.URGENT if told is not None and told.is_urgent else Lane.NORMAL
            what = told.kind if told is not None else _PLAIN_KIND.get(kind, kind)
            sender = line.sender or (told.sender if told is not None else "")
            if told is not None and fold_code(sender) == fold_code(system.id):
                sender = told.sender
            # Before it can be taken: whoever takes it asks by whom it came.
            await self._pool.run(partial(self._ledger.coming, line.doc_id, name))
            if await self._shelf.put(line.doc_id, what, sender, lane, draft, to):
                now = self._clock.now().timestamp()
                await self._pool.run(partial(self._ledger.took, name, kind, line.doc_id, digest, now))
                meters.AXIS_FETCHED.add(kind=kind)
        finally:
            await asyncio.shield(self._pool.run(draft.discard))  # also for who is cancelled once more

    def _recipients(self, system: System, seat: str, line: Listed, named: Sequence[str]) -> list[str]:
        """Those hosted here: whom the file names, else whom the list names, else whoever the system stands for, so that
        a file that cannot be read is seen by somebody."""
        mine = {fold_code(code): code for code in self._hosted_of(system)}
        if seat:
            mine = {key: code for key, code in mine.items() if key == fold_code(seat)}
        found = [mine[fold_code(code)] for code in named if fold_code(code) in mine]
        if not found and fold_code(line.to) in mine:
            found = [mine[fold_code(line.to)]]
        return list(dict.fromkeys(found)) or list(mine.values())[:1]

    async def _tell(self) -> None:
        """Of what nobody here needs any more."""
        # Before the shelf is asked: what is put on it meanwhile is not among these.
        if ours := await self._pool.run(self._ledger.open_ones):
            there = await self._shelf.ids()
            for one in ours:
                if one.doc_id not in there:
                    await self._pool.run(partial(self._ledger.ended, one, "done"))
        for one in await self._pool.run(self._ledger.untold):
            try:
                if not await self._say(one):
                    return  # with the next ring: whoever cannot be told may still be asked what waits
            except NoRights:
                continue  # there may be another system

    def _forget_put_off(self) -> None:
        """What is not listed any more."""
        long_ago = time.monotonic() - _LAST_PAUSE_S
        self._put_off = {key: each for key, each in self._put_off.items() if each[0] > long_ago}

    async def _say(self, one: Taken) -> bool:
        """False where the axis cannot be told anything now. NoRights."""
        id, _, seat = one.system.partition("/")
        system = next((each for each in self._systems.all() if each.id == id), None)
        word = one.ended or "done"
        if system is None:
            return True
        put_off, pause = self._put_off.get(f"say {one.doc_id}", (0.0, 1.0))
        if time.monotonic() < put_off:
            return True
        try:
            await self._dialect.settle(system, one.doc_id, seat, word)
        except CallFailed as why:
            pause = min(2 * pause, _LAST_PAUSE_S)
            self._put_off[f"say {one.doc_id}"] = (time.monotonic() + min(pause, 10 * self._poll_s), pause)
            if not isinstance(why, Turned) or isinstance(why, NoRights):
                self._heard(why, system)
            action(_log, "axis.settle_failed", str(why), packet=one.doc_id, axis=self._dialect.name)
            if isinstance(why, NoRights):
                raise
            return isinstance(why, Turned)
        self._put_off.pop(f"say {one.doc_id}", None)
        meters.AXIS_TOLD.add(status=word)
        await self._pool.run(partial(self._ledger.told, one, self._clock.now().timestamp()))
        return True

    async def says(self, system: System, doc_id: str, agency: str, identity: str) -> bool:
        """Whether the axis's packet of that id is the one we mean."""
        draft = Draft(self._shelf.drafts)
        try:
            await self._dialect.fetch(system, doc_id, agency, lambda: draft.begin().write)
            await self._pool.run(draft.flushed)
            told = await self._pool.run(partial(self._reads, draft.open))
            return told is not None and told.identity == identity
        finally:
            await asyncio.shield(self._pool.run(draft.discard))  # also for who is cancelled once more
