"""This node cosigns the logs of other nodes (C2SP: tlog-witness). In: a checkpoint with the proof that its log grew from
the one that was cosigned last. Out: cosignatures, once the new checkpoint is on disk; or the one that is on record. Where
both cannot be of one log that only grew, both stay on record, an event says so, and that log gets no cosignature until a
person settles it. One log gets one cosignature in each round, so no log can flood this node."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from gateway import log
from gateway.domain.event import EventKind
from gateway.domain.notes import (
    ORIGIN,
    NoteKey,
    SignedCheckpoint,
    read_checkpoint,
    read_keys,
)
from gateway.domain.witness import (
    Growth,
    KeyedNote,
    Letter,
    LetterKind,
    WitnessRequest,
    is_rested,
    judge_growth,
    read_keyed_note,
    read_request,
)
from gateway.errors import Clash, InvalidProof, NotFound
from gateway.ports.services import Clock, Pool
from gateway.store import witnesses
from gateway.store.store import SqlStore
from gateway.store.witnesses import LogNews, WitnessedLog
from gateway.trust.note_keys import LogSigner, signing_keys
from gateway.witnessing.letters import NodeLetters

MOST_LOGS = 8
"""Most logs of one node; a node has one, and another after its database was made anew."""
ROUND_SHARE = 0.8
"""Share of a round after which a log may come again: clocks and waiting times differ."""
TRIES = 12
"""So many questions of one log in a round are read."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CosigningResult:
    """Answer to a request: the checkpoint that was held before, and the cosignatures if the log grew or stood still.
    `is_same_size`: both checkpoints are over as many leaves."""

    growth: Growth
    latest: SignedCheckpoint | None
    cosigned: SignedCheckpoint | None = None
    is_same_size: bool = False


@dataclass(slots=True, kw_only=True)
class Cosigner:
    """Witness of other logs. `open_signer` takes the id of this node's own log."""

    store: SqlStore
    every: timedelta
    open_signer: Callable[[str], LogSigner]
    clock: Clock
    pool: Pool
    _signer: LogSigner | None = None

    async def take_request(self, letter: Letter, letters: NodeLetters) -> None:
        """Judge a letter and answer it. InvalidProof for one that does not hold; one that comes too early is ignored."""
        note = read_keyed_note(letter.body, ORIGIN)
        request = read_request(note.text)
        if note.keys[0].name != request.signed.checkpoint.origin:
            raise InvalidProof(f"the keys in the letter of {letter.node} are not of the log that it is about")
        verdict = await self._judge(request, note.keys, letter)
        if verdict is None:
            log.action(_log, "witness.early", node=letter.node)
        elif verdict.cosigned is not None:
            answer = KeyedNote(keys=(await self.signer()).keys, text=verdict.cosigned.to_text())
            await letters.send(LetterKind.COSIGNATURE, letter.node, answer.to_text())
        else:
            latest = verdict.latest.to_text() if verdict.latest is not None else ""
            await letters.send(LetterKind.LATEST, letter.node, latest)

    async def cosign(self, request: WitnessRequest) -> CosigningResult:
        """Judge a request that comes without a letter: only of a log whose keys were stored before. NotFound for another
        log, InvalidProof where none of its keys signed."""
        stored = await witnesses.find_witnessed(self.store, request.signed.checkpoint.origin)
        if stored is None:
            raise NotFound(f"the log {request.signed.checkpoint.origin} is not known here")
        verdict = await self._judge(request, read_keys(stored.keys), None)
        if verdict is None:
            raise Clash("another request of this log was stored meanwhile", code="GW-WITNESS-BUSY")
        return verdict

    async def add(self, keys: Sequence[NoteKey]) -> None:
        """Store the keys of a log that asks without letters. Clash where it is known already."""
        now, words = self.clock.now(), "\n".join(map(str, keys))
        row = WitnessedLog(
            origin=keys[0].name,
            node="",
            code="",
            keys=words,
            note="",
            size=0,
            first_at=now,
            asked_at=now,
            said_at=now,
        )
        if not await witnesses.record_witnessed(self.store, self.clock, row, None, [_known_log(row)]):
            raise Clash(f"the log {keys[0].name} is known here already", code="GW-WITNESS-KNOWN")

    async def settle_histories(self, origin: str, reason: str, *, takes_other: bool) -> WitnessedLog:
        """Hold one of a log's two histories from now on. NotFound where the log has one history."""
        stored = await witnesses.find_witnessed(self.store, origin)
        if stored is None or not stored.other_history:
            raise NotFound(f"no log {origin} with two histories is known here")
        note = stored.other_history if takes_other else stored.note
        size = read_checkpoint(note).checkpoint.size
        settled = replace(stored, note=note, size=size, other_history="", fault="")
        data = {"node": stored.node, "log": origin, "held_size": stored.size, "size": size, "reason": reason}
        news = LogNews(kind=EventKind.WITNESSED_SETTLED, subject=origin, data=data)
        if not await witnesses.record_witnessed(self.store, self.clock, settled, stored, [news]):
            raise Clash(f"the log {origin} was stored anew meanwhile; look again", code="GW-WITNESS-BUSY")
        return settled

    async def signer(self) -> LogSigner:
        if self._signer is None:
            log_id = (await self.store.log.head()).log_id
            if not log_id:
                raise NotFound("this node has no log yet, and so no name as a witness")
            self._signer = await self.pool.run(partial(self.open_signer, log_id))
        return self._signer

    async def _judge(
        self, request: WitnessRequest, keys: Sequence[NoteKey], letter: Letter | None
    ) -> CosigningResult | None:
        """Compare with the checkpoint that was cosigned last, and store the outcome before anything is signed. None for a
        request that comes too early, or is older than one before."""
        now, checkpoint, signer = self.clock.now(), request.signed.checkpoint, await self.signer()
        need = len(keys) if letter is not None else 1
        if len(await self.pool.run(partial(signing_keys, request.signed, keys))) < need:
            raise InvalidProof(f"the keys of {checkpoint.origin} did not sign the checkpoint")
        stored = await witnesses.find_witnessed(self.store, checkpoint.origin)
        if letter is not None and (stored is None or stored.node != letter.node):
            await self._check_new(stored, letter)
        latest = read_checkpoint(stored.note) if stored is not None and stored.note else None
        growth = judge_growth(latest.checkpoint if latest is not None else None, request)
        if stored is not None and letter is not None and self._is_early(stored, letter, growth, now):
            return None
        row, news = self._row(stored, request, keys, letter, growth, now)
        if growth.is_other_history and letter is None:
            # Any program may send a wrong proof: only a letter names its sender.
            same = latest is not None and latest.checkpoint.size == checkpoint.size
            return CosigningResult(growth, latest, is_same_size=same)
        if not await witnesses.record_witnessed(self.store, self.clock, row, stored, news):
            return None
        if growth not in (Growth.GREW, Growth.SAME) or row.other_history:
            return CosigningResult(growth, latest)
        return CosigningResult(
            growth, request.signed, await self.pool.run(partial(signer.sign, checkpoint, now))
        )

    async def _check_new(self, stored: WitnessedLog | None, letter: Letter) -> None:
        """Refuse a log that another node showed, and more logs of one node than it can have."""
        if stored is not None and stored.node:
            raise InvalidProof(f"the node {letter.node} shows the log of {stored.node}")
        logs = [row for row in await witnesses.list_witnessed(self.store) if row.node == letter.node]
        if len(logs) >= MOST_LOGS:
            raise InvalidProof(f"the node {letter.node} showed {len(logs)} logs; no more are taken")

    def _is_early(self, stored: WitnessedLog, letter: Letter, growth: Growth, now: datetime) -> bool:
        if letter.at <= stored.said_at or not is_rested(stored.asked_at, self.every / TRIES, now):
            return True
        return growth is Growth.GREW and not is_rested(stored.cosigned_at, self.every * ROUND_SHARE, now)

    def _row(
        self,
        stored: WitnessedLog | None,
        request: WitnessRequest,
        keys: Sequence[NoteKey],
        letter: Letter | None,
        growth: Growth,
        now: datetime,
    ) -> tuple[WitnessedLog, list[LogNews]]:
        """Return the row of the log after this request, and the events about it."""
        checkpoint, words = request.signed.checkpoint, "\n".join(map(str, keys))
        said_at = letter.at if letter is not None else now
        row = stored or WitnessedLog(
            origin=checkpoint.origin,
            node=letter.node if letter is not None else "",
            code=letter.code if letter is not None else "",
            keys="",
            note="",
            size=0,
            first_at=now,
            asked_at=now,
            said_at=said_at,
        )
        row = replace(row, asked_at=now, said_at=said_at)
        if letter is not None:
            row = replace(row, node=letter.node, code=letter.code)
        news = []
        if row.keys != words:
            row = replace(row, keys=words)
            news.append(_known_log(row))
        if growth.is_other_history:
            if not row.other_history:
                news.append(_histories(row, request.signed))
                log.action(_log, "witness.histories", node=row.node, held=row.size, size=checkpoint.size)
            return replace(row, other_history=request.signed.to_text(), fault=growth), news
        if growth is Growth.OTHER_START:
            return replace(row, fault=growth), news
        if row.other_history:
            return row, news
        if growth is Growth.GREW:
            row = replace(row, note=request.signed.to_text(), size=checkpoint.size, cosigned_at=now)
        return replace(row, fault=""), news


def _known_log(row: WitnessedLog) -> LogNews:
    keys = [key.id.hex() for key in read_keys(row.keys)]
    data = {"node": row.node, "code": row.code, "log": row.origin, "keys": keys}
    return LogNews(kind=EventKind.WITNESSED_LOG, subject=row.origin, data=data)


def _histories(row: WitnessedLog, other: SignedCheckpoint) -> LogNews:
    latest = read_checkpoint(row.note).checkpoint
    data = {
        "node": row.node,
        "code": row.code,
        "log": row.origin,
        "held_size": latest.size,
        "held_root": latest.root.hex(),
    }
    data |= {"size": other.checkpoint.size, "root": other.checkpoint.root.hex()}
    return LogNews(kind=EventKind.WITNESSED_HISTORIES, subject=row.origin, data=data)
