"""The hot folders of this node's agencies, looked through now and then. In: the root that the operator set, the clock of
this process. Out: what lay in `out/` sent or refused, statuses said, incoming documents handed over and acknowledged,
events written. One process at a time works in a folder; no sign of a change is waited for, since a share gives none. An
idle look costs a listing or two. What is wrong with one entry or one agency's folder holds up no other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from gateway import log, meters
from gateway.api.problems import BadCall, RequestFault
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.wall_clock import local
from gateway.errors import Clash, GatewayError, NotFound, StoreFailure
from gateway.folder import filing, handing, layout, statuses, told
from gateway.folder.attempts import FIRST_REST_S, MOST_TRIES, Attempts
from gateway.folder.giving import Giving, taken_away
from gateway.folder.handing import OWNER, StillWritten
from gateway.folder.layout import ERROR, IN, OUT, SENT, FolderRules
from gateway.folder.places import CODE, Place
from gateway.folder.statuses import StatusFile, StatusFiles
from gateway.folder.telling import Telling, WordsOf
from gateway.folder.waiting import Entry, Look, Waiting
from gateway.incoming.desk import InDesk
from gateway.outgoing.desk import OutDesk
from gateway.policy.folder_names import REASON, RECEIPT

_log = logging.getLogger(__name__)
# What a process that was killed held is free again after so long.
TURN = timedelta(seconds=20)
# After so long within one turn it is given back, so that it never runs out while somebody works.
_TURN_WORK_S = 8.0
# Incoming mail is looked for with an event of it, and otherwise so often.
_GIVE_EVERY_S = 60.0
_REMOVE_EVERY_S = 3600.0
# A folder that does not work is tried again after so long.
_REST_S = FIRST_REST_S
# Batches of events in one turn.
_MOST_TOLD = 10


@dataclass(slots=True)
class _Agency:
    """What is remembered of one agency's folder between looks."""

    agency: HostedAgency
    scope: AgencyScope
    waiting: Waiting
    statuses: StatusFiles
    giving: Giving
    telling: Telling
    rest_until: float = 0.0
    said: str = ""
    given_at: float | None = None
    removed_at: float | None = None
    attempts: Attempts = field(default_factory=Attempts)


@dataclass(frozen=True, slots=True)
class _Found:
    """What one look at the disk gave."""

    out: Look
    statuses: list[StatusFile]
    has_plans: bool
    has_taken: bool


class FolderLoop:
    """One per process."""

    def __init__(
        self,
        rules: FolderRules,
        out: OutDesk,
        inn: InDesk,
        words: WordsOf,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._out = out
        self._inn = inn
        self._words = words
        self._now_s = now_s
        self._next_s = 0.0
        self._known: dict[str, _Agency] = {}

    def is_due(self, now: datetime) -> bool:
        """By this process's own count of seconds: the clock on the wall may be set."""
        return self._now_s() >= self._next_s

    async def step(self) -> bool:
        """True when there is more to do at once. The node's own store is the loop's trouble: it is raised once every
        agency had its turn."""
        if self._now_s() < self._next_s:
            return False
        more = False
        store_failures: list[StoreFailure] = []
        for agency in await self._out.store.hosted():
            if self._rules.has_folder(agency):
                try:
                    more |= await self._guarded(self._remembered(agency))
                except StoreFailure as failure:
                    store_failures.append(failure)
        if store_failures:
            raise store_failures[0]
        if not more:
            self._next_s = self._now_s() + self._rules.look_s
        return more

    def _remembered(self, agency: HostedAgency) -> _Agency:
        one = self._known.get(agency.id)
        if one is None:
            scope, rules = AgencyScope(agency_id=agency.id, principal_id=OWNER), self._rules
            one = self._known[agency.id] = _Agency(
                agency,
                scope,
                Waiting(settle_s=rules.settle_s, wait_s=rules.wait_s, now_s=self._now_s),
                StatusFiles(settle_s=rules.settle_s, now_s=self._now_s),
                Giving(desk=self._inn, scope=scope, most=rules.most_in, attempts=Attempts(now_s=self._now_s)),
                Telling(store=self._out.store, pool=self._out.pool, clock=self._out.clock, words=self._words),
                attempts=Attempts(now_s=self._now_s),
            )
        one.agency = agency
        return one

    async def _guarded(self, one: _Agency) -> bool:
        """Look at one agency's folder. Its trouble, foreseen or not, is logged once and stops no other agency."""
        if self._now_s() < one.rest_until:
            return False
        try:
            with log.bound(agency=one.agency.code):
                more = await self._look(one)
        except Exception as error:  # reason: each agency's folder is a failure domain of its own
            if isinstance(error, StoreFailure) and error.code != CODE and not error.permanent:
                raise
            one.rest_until = self._now_s() + _REST_S
            self._log_once(one, error)
            return False
        if one.said:
            log.action(_log, "folder.works_again", agency=one.agency.code)
            one.said = ""
        return more

    @staticmethod
    def _log_once(one: _Agency, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}"
        if words == one.said:
            return
        one.said = words
        if isinstance(error, GatewayError):
            log.action(_log, "folder.broken", str(error), agency=one.agency.code, code=error.code)
        else:
            _log.error(
                "the hot folder of an agency broke the program; it is tried again",
                exc_info=error,
                extra={"action": "folder.broken", "agency": one.agency.code},
            )

    async def _look(self, one: _Agency) -> bool:
        pool = self._out.pool
        found = await pool.run(partial(self._on_disk, one))
        self._forget_gone(one, found)
        entries = [entry for entry in found.out.whole if one.attempts.is_due(entry.name)]
        said = [file for file in found.statuses if one.attempts.is_due(file.name)]
        await self._remove_old(one)
        gives = one.given_at is None or self._now_s() - one.given_at >= _GIVE_EVERY_S
        is_quiet = not (entries or said or gives or found.has_plans or found.has_taken)
        if is_quiet and not await one.telling.has_news(one.agency):
            return False
        return await self._in_turn(one, entries, said)

    async def _remove_old(self, one: _Agency) -> None:
        """Remove what was put away longer ago than it is kept."""
        rules, now_s = self._rules, self._now_s()
        keeps_all = not rules.sent_days and not rules.error_days
        if keeps_all or (one.removed_at is not None and now_s - one.removed_at < _REMOVE_EVERY_S):
            return
        one.removed_at = now_s
        removed = await self._out.pool.run(partial(self._remove_aged, one))
        if removed:
            log.action(_log, "folder.removed_old", agency=one.agency.code, removed=removed)

    def _remove_aged(self, one: _Agency) -> int:
        now, rules = self._out.clock.now(), self._rules
        with layout.opened(rules.root, one.agency.code) as base:
            return filing.remove_old(
                base, now, local(now).date(), sent_days=rules.sent_days, error_days=rules.error_days
            )

    @staticmethod
    def _forget_gone(one: _Agency, found: _Found) -> None:
        one.attempts.keep_only(
            {entry.name for entry in found.out.whole} | {file.name for file in found.statuses}
        )

    def _on_disk(self, one: _Agency) -> _Found:
        """Sync: one hop to the pool for all that an idle look needs."""
        layout.know_root(self._rules.root, self._rules.note)
        with layout.opened(self._rules.root, one.agency.code, make=True) as base:
            layout.claim(base, self._rules.node)
            with base.within(OUT) as out:
                look = one.waiting.look(out)
            return _Found(look, list(one.statuses.look(base)), filing.has_left(base), bool(taken_away(base)))

    # --- what is decided here -----------------------------------------------------------------------------------

    async def _in_turn(self, one: _Agency, entries: list[Entry], said: list[StatusFile]) -> bool:
        """Of several processes one at a time. What each does is harmless done twice; this spares the work."""
        until = self._out.clock.now() + TURN
        if not await self._take_turn(one, until):
            return False
        try:
            return await self._decide(one, entries, said)
        finally:
            async with self._out.store.begin(one.scope) as work:
                await work.idempotency.release(OWNER, "turn", until)
                await work.commit()

    async def _take_turn(self, one: _Agency, until: datetime) -> bool:
        try:
            async with self._out.store.begin(one.scope) as work:
                other = await work.idempotency.begin(OWNER, "turn", "turn", until)
                await work.commit()
        except Clash:
            return False
        return other is None

    async def _decide(self, one: _Agency, entries: list[Entry], said: list[StatusFile]) -> bool:
        """No more at once than was set: another agency's folder waits."""
        pool, ends = self._out.pool, self._now_s() + _TURN_WORK_S
        base = await pool.run(partial(_entered, self._rules.root, one.agency.code))
        with base:
            await pool.run(partial(filing.finish_left, base))
            if entries or said:
                await pool.run(partial(layout.probe, base))
            more = await self._both_ways(one, base)
            left = self._rules.batch
            for file in said:
                if left == 0 or self._now_s() >= ends:
                    return True
                left -= 1
                await self._status(one, base, file)
            with await pool.run(partial(base.within, OUT)) as out:
                for entry in entries:
                    if left == 0 or self._now_s() >= ends:
                        return True
                    left -= 1
                    await self._entry(one, base, out, entry)
        return more

    async def _entry(self, one: _Agency, base: Place, out: Place, entry: Entry) -> None:
        name = entry.name
        try:
            answer = await handing.hand_in(self._out, one.scope, out, entry)
        except StillWritten:
            one.waiting.begin_anew(entry)
            return
        except (GatewayError, BadCall) as error:
            if self._comes_again(one, name, error):
                return
            if isinstance(error, GatewayError) and error.code == CODE:
                error = BadCall(
                    "bad-folder", RequestFault(code="folder-unread", params={"name": _shown(name)})
                )
            await self._refused(base, (OUT,), entry, error, "send")
        except Exception as error:  # reason: one entry that the program did not foresee stops no other
            if self._broke(one, name, error) < MOST_TRIES:
                return
            await self._refused(base, (OUT,), entry, told.broken(_shown(name), error), "send")
        else:
            now = self._out.clock.now()
            write = partial(told.receipt, answer.told, at=now, repeated=answer.repeated)
            await self._out.pool.run(
                partial(
                    filing.put_away,
                    base,
                    (OUT,),
                    entry.parts,
                    _dated(now),
                    RECEIPT,
                    lambda kept: write(kept=kept),
                )
            )
            meters.FOLDER_TAKEN.add(result="repeated" if answer.repeated else "sent")
            log.action(_log, "folder.sent", document=str(answer.told.get("id", "")), entry=_shown(name))
        one.attempts.clear(name)

    async def _status(self, one: _Agency, base: Place, file: StatusFile) -> None:
        pool, now = self._out.pool, self._out.clock.now()
        try:
            raw = await pool.run(partial(statuses.read, base, file))
            answer = await statuses.say(self._inn, one.scope, file, raw)
        except NotFound as error:
            if not await pool.run(partial(_is_there, base, file.name)):
                return
            await self._refused(base, (IN,), file, error, "status")
        except (GatewayError, BadCall) as error:
            if self._comes_again(one, file.name, error):
                return
            await self._refused(base, (IN,), file, error, "status")
        except Exception as error:  # reason: as above
            if self._broke(one, file.name, error) < MOST_TRIES:
                return
            await self._refused(base, (IN,), file, told.broken(_shown(file.name), error), "status")
        else:
            write = partial(told.receipt, answer, at=now, repeated=bool(answer["repeated"]))
            await pool.run(
                partial(
                    filing.put_away,
                    base,
                    (IN,),
                    file.parts,
                    _dated(now),
                    RECEIPT,
                    lambda kept: write(kept=kept),
                )
            )
            meters.FOLDER_TAKEN.add(result="status")
        one.attempts.clear(file.name)

    def _comes_again(self, one: _Agency, name: str, error: GatewayError | BadCall) -> bool:
        """What may heal stays where it lies. The node's own storage is everybody's trouble, and so the loop's."""
        if isinstance(error, BadCall):
            return False
        has_tries = one.attempts.count(name) < MOST_TRIES
        if error.code == CODE:  # this one file: the folder itself took something a moment ago
            waits = has_tries
        elif isinstance(error, StoreFailure) and not error.permanent:
            raise error
        elif error.code == "GW-IDEM-RUNNING":  # another request under the same key ends soon
            waits = True
        elif isinstance(error, Clash) and error.code == Clash.code:
            waits = has_tries
        else:
            waits = not error.permanent
        if waits:
            one.attempts.add(name, FIRST_REST_S)
            log.action(_log, "folder.later", str(error), entry=_shown(name), code=error.code)
        return waits

    def _broke(self, one: _Agency, name: str, error: Exception) -> int:
        """Count an error that nobody foresaw as a try, and return how many there were."""
        meters.FOLDER_TAKEN.add(result="broke")
        _log.error(
            "an entry of a hot folder broke the program",
            exc_info=error,
            extra={"action": "folder.broke", "entry": _shown(name)},
        )
        return one.attempts.add(name)

    async def _refused(
        self,
        base: Place,
        source: tuple[str, ...],
        entry: Entry | StatusFile,
        error: GatewayError | BadCall,
        act: str,
    ) -> None:
        now = self._out.clock.now()

        def write(kept: Mapping[str, str]) -> str:
            return told.reason(error, _shown(entry.name), kept, now, act)

        await self._out.pool.run(partial(filing.put_away, base, source, entry.parts, (ERROR,), REASON, write))
        meters.FOLDER_TAKEN.add(result="refused")
        code = told.problem_of(error, "en").code
        log.action(_log, "folder.refused", entry=_shown(entry.name), code=code)

    # --- what comes in, and what is told ------------------------------------------------------------------------

    async def _both_ways(self, one: _Agency, base: Place) -> bool:
        """True when there is more of it."""
        has_mail, rows = False, 1
        for _ in range(_MOST_TOLD):
            rows, is_mail = await one.telling.tell(base, one.agency)
            has_mail |= is_mail
            if not rows:
                break
        await one.giving.acknowledge(base)
        now, given = self._now_s(), 0
        if has_mail or one.given_at is None or now - one.given_at >= _GIVE_EVERY_S:
            given = await one.giving.give(base, self._rules.batch)
            # What was not laid there in one go is asked for at once.
            one.given_at = now if given < self._rules.batch else None
        return rows > 0 or given == self._rules.batch


def _entered(root: Path, code: str) -> Place:
    with Place.at(root) as top:
        return top.within(code)


def _is_there(base: Place, name: str) -> bool:
    with base.within(IN) as inn:
        return inn.mark(name) is not None


def _dated(at: datetime) -> tuple[str, ...]:
    day = local(at)
    return (SENT, f"{day:%Y}", f"{day:%m}", f"{day:%d}")


def _shown(name: str) -> str:
    return "".join(each if each.isprintable() else "\ufffd" for each in name)[:200]
