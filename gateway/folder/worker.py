"""Looks through the hot folders of this node's agencies at intervals. In: the root that the operator set, and this
process's own count of seconds. Out: entries of `out/` sent or refused, statuses recorded, incoming documents handed over
and acknowledged, events written. One process at a time works in a folder, and polls it, since a share gives no sign of
changes. An idle look costs a listing or two. A fault in one entry or one agency's folder holds up no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from gateway import log, meters, time_source
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.domain.wall_clock import local
from gateway.errors import Clash, GatewayError, NotFound, StoreFailure
from gateway.folder import filing, layout, statuses, submit, texts
from gateway.folder.attempts import FIRST_REST_S, MOST_TRIES, Attempts
from gateway.folder.entries import Entry, Look, WaitingEntries
from gateway.folder.event_lines import EventLines, WordsOf
from gateway.folder.handover import Handover, list_removed
from gateway.folder.layout import ERROR, IN, OUT, SENT, FolderRules
from gateway.folder.places import CODE, Place
from gateway.folder.statuses import StatusFile, StatusFiles
from gateway.folder.submit import OWNER, StillWritten
from gateway.incoming.services import IncomingServices
from gateway.outgoing.services import OutgoingServices
from gateway.policy.folder_names import REASON, RECEIPT

_log = logging.getLogger(__name__)
# The turn of a killed process becomes free after this time.
TURN = timedelta(seconds=20)
# A turn is given back after this time, so that it never expires during work.
_TURN_WORK_S = 8.0
# Incoming mail is looked for after an event about it, and otherwise at this interval.
_GIVE_EVERY_S = 60.0
_REMOVE_EVERY_S = 3600.0
# A folder that does not work is tried again after this time.
_REST_S = FIRST_REST_S
# The most batches of events that are written in one turn.
_MOST_EVENT_BATCHES = 10


@dataclass(slots=True)
class _AgencyFolder:
    """One agency's folder, with its state in memory between looks."""

    agency: HostedAgency
    scope: AgencyScope
    waiting: WaitingEntries
    statuses: StatusFiles
    handover: Handover
    event_lines: EventLines
    rest_until: float = 0.0
    last_error: str = ""
    given_at: float | None = None
    removed_at: float | None = None
    attempts: Attempts = field(default_factory=Attempts)


@dataclass(frozen=True, slots=True)
class _DiskState:
    """Result of one look at the disk."""

    out: Look
    statuses: list[StatusFile]
    has_plans: bool
    has_taken: bool


class FolderLoop:
    """Loop over all hot folders; each process has one."""

    def __init__(
        self,
        rules: FolderRules,
        out: OutgoingServices,
        inn: IncomingServices,
        words: WordsOf,
        now_s: Callable[[], float] = time_source.monotonic,
    ) -> None:
        self._rules = rules
        self._out = out
        self._inn = inn
        self._words = words
        self._now_s = now_s
        self._next_s = 0.0
        self._folders: dict[str, _AgencyFolder] = {}

    def is_due(self, now: datetime) -> bool:
        """Tell whether to look now, by this process's own count of seconds, since the system clock may be set."""
        return self._now_s() >= self._next_s

    async def step(self) -> bool:
        """Look at every folder; return True when there is more to do at once. A failure of the node's own store is raised
        after the last agency."""
        if self._now_s() < self._next_s:
            return False
        more = False
        store_failures: list[StoreFailure] = []
        for agency in await self._out.store.hosted():
            if self._rules.has_folder(agency):
                try:
                    more |= await self._look_safely(self._folder_of(agency))
                except StoreFailure as failure:
                    store_failures.append(failure)
        if store_failures:
            raise store_failures[0]
        if not more:
            self._next_s = self._now_s() + self._rules.look_s
        return more

    def _folder_of(self, agency: HostedAgency) -> _AgencyFolder:
        folder = self._folders.get(agency.id)
        if folder is None:
            scope, rules = AgencyScope(agency_id=agency.id, principal_id=OWNER), self._rules
            folder = self._folders[agency.id] = _AgencyFolder(
                agency,
                scope,
                WaitingEntries(settle_s=rules.settle_s, wait_s=rules.wait_s, now_s=self._now_s),
                StatusFiles(settle_s=rules.settle_s, now_s=self._now_s),
                Handover(
                    services=self._inn, scope=scope, most=rules.most_in, attempts=Attempts(now_s=self._now_s)
                ),
                EventLines(
                    store=self._out.store, pool=self._out.pool, clock=self._out.clock, words=self._words
                ),
                attempts=Attempts(now_s=self._now_s),
            )
        folder.agency = agency
        return folder

    async def _look_safely(self, folder: _AgencyFolder) -> bool:
        """Look at one agency's folder; return True when there is more to do. Its errors are logged once, and stop no
        other."""
        if self._now_s() < folder.rest_until:
            return False
        try:
            with log.bound(agency=folder.agency.code):
                more = await self._look(folder)
        except Exception as error:  # reason: each agency's folder is a failure domain of its own
            if isinstance(error, StoreFailure) and error.code != CODE and not error.permanent:
                raise
            folder.rest_until = self._now_s() + _REST_S
            self._log_once(folder, error)
            return False
        if folder.last_error:
            log.action(_log, "folder.works_again", agency=folder.agency.code)
            folder.last_error = ""
        return more

    @staticmethod
    def _log_once(folder: _AgencyFolder, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}"
        if words == folder.last_error:
            return
        folder.last_error = words
        if isinstance(error, GatewayError):
            log.action(_log, "folder.broken", str(error), agency=folder.agency.code, code=error.code)
        else:
            _log.error(
                "the hot folder of an agency broke the program; it is tried again",
                exc_info=error,
                extra={"action": "folder.broken", "agency": folder.agency.code},
            )

    async def _look(self, folder: _AgencyFolder) -> bool:
        """Read the disk, and do the work of a turn if there is any; return whether more is left."""
        pool = self._out.pool
        disk = await pool.run(partial(self._read_disk, folder))
        self._forget_missing(folder, disk)
        entries = [entry for entry in disk.out.complete if folder.attempts.is_due(entry.name)]
        files = [file for file in disk.statuses if folder.attempts.is_due(file.name)]
        await self._remove_old(folder)
        is_giving_due = folder.given_at is None or self._now_s() - folder.given_at >= _GIVE_EVERY_S
        is_quiet = not (entries or files or is_giving_due or disk.has_plans or disk.has_taken)
        if is_quiet and not await folder.event_lines.has_news(folder.agency):
            return False
        return await self._run_turn(folder, entries, files)

    async def _remove_old(self, folder: _AgencyFolder) -> None:
        """Remove accepted and refused entries that are older than the set days, once an hour."""
        rules, now_s = self._rules, self._now_s()
        keeps_all = not rules.sent_days and not rules.error_days
        if keeps_all or (folder.removed_at is not None and now_s - folder.removed_at < _REMOVE_EVERY_S):
            return
        folder.removed_at = now_s
        removed = await self._out.pool.run(partial(self._remove_aged, folder))
        if removed:
            log.action(_log, "folder.removed_old", agency=folder.agency.code, removed=removed)

    def _remove_aged(self, folder: _AgencyFolder) -> int:
        now, rules = self._out.clock.now(), self._rules
        with layout.open_base(rules.root, folder.agency.code) as base:
            return filing.remove_old(
                base, now, local(now).date(), sent_days=rules.sent_days, error_days=rules.error_days
            )

    @staticmethod
    def _forget_missing(folder: _AgencyFolder, disk: _DiskState) -> None:
        folder.attempts.keep_only(
            {entry.name for entry in disk.out.complete} | {file.name for file in disk.statuses}
        )

    def _read_disk(self, folder: _AgencyFolder) -> _DiskState:
        """Read everything that an idle look needs, in one call of the thread pool. Blocks."""
        layout.check_and_note_root(self._rules.root, self._rules.note)
        with layout.open_base(self._rules.root, folder.agency.code, make=True) as base:
            layout.claim(base, self._rules.node)
            with base.within(OUT) as out:
                look = folder.waiting.look(out)
            return _DiskState(
                look, list(folder.statuses.list(base)), filing.has_plans(base), bool(list_removed(base))
            )

    # --- work of one turn ------------------------------------------------------------------------------------------

    async def _run_turn(self, folder: _AgencyFolder, entries: list[Entry], files: list[StatusFile]) -> bool:
        """Do the work while holding the folder's turn, so that other processes skip it; repeating it is harmless."""
        turn_end = self._out.clock.now() + TURN
        if not await self._take_turn(folder, turn_end):
            return False
        try:
            return await self._work(folder, entries, files)
        finally:
            async with self._out.store.changing(folder.scope) as work:
                await work.idempotency.release(OWNER, "turn", turn_end)

    async def _take_turn(self, folder: _AgencyFolder, turn_end: datetime) -> bool:
        try:
            async with self._out.store.changing(folder.scope) as work:
                taken_turn = await work.idempotency.begin(OWNER, "turn", "turn", turn_end)
        except Clash:
            return False
        return taken_turn is None

    async def _work(self, folder: _AgencyFolder, entries: list[Entry], files: list[StatusFile]) -> bool:
        """Work through at most one batch, since other agencies' folders wait; return True when there is more to do."""
        pool, ends = self._out.pool, self._now_s() + _TURN_WORK_S
        base = await pool.run(partial(_open_agency, self._rules.root, folder.agency.code))
        with base:
            await pool.run(partial(filing.finish_plans, base))
            if entries or files:
                await pool.run(partial(layout.probe, base))
            more = await self._exchange(folder, base)
            remaining = self._rules.batch
            for file in files:
                if remaining == 0 or self._now_s() >= ends:
                    return True
                remaining -= 1
                await self._record_status(folder, base, file)
            with await pool.run(partial(base.within, OUT)) as out:
                for entry in entries:
                    if remaining == 0 or self._now_s() >= ends:
                        return True
                    remaining -= 1
                    await self._send_entry(folder, base, out, entry)
        return more

    async def _send_entry(self, folder: _AgencyFolder, base: Place, out: Place, entry: Entry) -> None:
        """Send one entry, and put it away with its receipt or the reason of its refusal."""
        name = entry.name
        try:
            answer = await submit.hand_in(self._out, folder.scope, out, entry)
        except StillWritten:
            folder.waiting.forget(entry)
            return
        except (GatewayError, BadCall) as error:
            if self._retries_later(folder, name, error):
                return
            if isinstance(error, GatewayError) and error.code == CODE:
                error = BadCall(
                    "bad-folder", RequestFault(code="folder-unread", params={"name": _printable_name(name)})
                )
            await self._refuse(base, (OUT,), entry, error, "send")
        except Exception as error:  # reason: an unforeseen error in one entry stops no other
            if self._note_crash(folder, name, error) < MOST_TRIES:
                return
            await self._refuse(base, (OUT,), entry, texts.report(_printable_name(name), error), "send")
        else:
            now = self._out.clock.now()
            write = partial(texts.receipt, answer.body, at=now, repeated=answer.is_repeated)
            await self._out.pool.run(
                partial(
                    filing.put_away,
                    base,
                    (OUT,),
                    entry.parts,
                    _dated_folder(now),
                    RECEIPT,
                    lambda names: write(names=names),
                )
            )
            meters.FOLDER_ENTRIES.add(result="repeated" if answer.is_repeated else "sent")
            log.action(
                _log, "folder.sent", document=str(answer.body.get("id", "")), entry=_printable_name(name)
            )
        folder.attempts.clear(name)

    async def _record_status(self, folder: _AgencyFolder, base: Place, file: StatusFile) -> None:
        """Record the status in one file, and put the file away with its result or the reason of its refusal."""
        pool, now = self._out.pool, self._out.clock.now()
        try:
            raw = await pool.run(partial(statuses.read, base, file))
            answer = await statuses.say(self._inn, folder.scope, file, raw)
        except NotFound as error:
            if not await pool.run(partial(_exists, base, file.name)):
                return
            await self._refuse(base, (IN,), file, error, "status")
        except (GatewayError, BadCall) as error:
            if self._retries_later(folder, file.name, error):
                return
            await self._refuse(base, (IN,), file, error, "status")
        except Exception as error:  # reason: an unforeseen error in one file stops no other
            if self._note_crash(folder, file.name, error) < MOST_TRIES:
                return
            await self._refuse(base, (IN,), file, texts.report(_printable_name(file.name), error), "status")
        else:
            write = partial(texts.receipt, answer, at=now, repeated=bool(answer["repeated"]))
            await pool.run(
                partial(
                    filing.put_away,
                    base,
                    (IN,),
                    file.parts,
                    _dated_folder(now),
                    RECEIPT,
                    lambda names: write(names=names),
                )
            )
            meters.FOLDER_ENTRIES.add(result="status")
        folder.attempts.clear(file.name)

    def _retries_later(self, folder: _AgencyFolder, name: str, error: GatewayError | BadCall) -> bool:
        """Plan another attempt for an entry whose error may pass; return False where it is refused. A failure of the
        node's own store is raised."""
        if isinstance(error, BadCall):
            return False
        has_tries = folder.attempts.count(name) < MOST_TRIES
        if error.code == CODE:  # only this file is at fault: writing into the folder worked a moment ago
            is_retried = has_tries
        elif isinstance(error, StoreFailure) and not error.permanent:
            raise error
        elif error.code == "GW-IDEM-RUNNING":  # another request under the same key ends soon
            is_retried = True
        elif isinstance(error, Clash) and error.code == Clash.code:
            is_retried = has_tries
        else:
            is_retried = not error.permanent
        if is_retried:
            folder.attempts.add(name, FIRST_REST_S)
            log.action(_log, "folder.later", str(error), entry=_printable_name(name), code=error.code)
        return is_retried

    def _note_crash(self, folder: _AgencyFolder, name: str, error: Exception) -> int:
        """Log an unforeseen error and count it as an attempt; return the number of attempts."""
        meters.FOLDER_ENTRIES.add(result="broke")
        _log.error(
            "an entry of a hot folder broke the program",
            exc_info=error,
            extra={"action": "folder.broke", "entry": _printable_name(name)},
        )
        return folder.attempts.add(name)

    async def _refuse(
        self,
        base: Place,
        source: tuple[str, ...],
        entry: Entry | StatusFile,
        error: GatewayError | BadCall,
        act: str,
    ) -> None:
        now = self._out.clock.now()

        def write(names: Mapping[str, str]) -> str:
            return texts.reason(error, _printable_name(entry.name), names, now, act)

        await self._out.pool.run(partial(filing.put_away, base, source, entry.parts, (ERROR,), REASON, write))
        meters.FOLDER_ENTRIES.add(result="refused")
        code = texts.problem_of(error, "en").code
        log.action(_log, "folder.refused", entry=_printable_name(entry.name), code=code)

    # --- incoming documents and events -----------------------------------------------------------------------------

    async def _exchange(self, folder: _AgencyFolder, base: Place) -> bool:
        """Write events and hand over documents; return True when more wait."""
        has_mail, rows = False, 1
        for _ in range(_MOST_EVENT_BATCHES):
            rows, is_mail = await folder.event_lines.write(base, folder.agency)
            has_mail |= is_mail
            if not rows:
                break
        await folder.handover.acknowledge(base)
        now, count = self._now_s(), 0
        if has_mail or folder.given_at is None or now - folder.given_at >= _GIVE_EVERY_S:
            count = await folder.handover.hand_over(base, self._rules.batch)
            # A full batch means that more may wait, so the next look hands over again.
            folder.given_at = now if count < self._rules.batch else None
        return rows > 0 or count == self._rules.batch


def _open_agency(root: Path, code: str) -> Place:
    with Place.open_root(root) as top:
        return top.within(code)


def _exists(base: Place, name: str) -> bool:
    with base.within(IN) as inn:
        return inn.mark(name) is not None


def _dated_folder(at: datetime) -> tuple[str, ...]:
    day = local(at)
    return (SENT, f"{day:%Y}", f"{day:%m}", f"{day:%d}")


def _printable_name(name: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in name)[:200]
