"""This node asks the witnesses of its log for cosignatures, once an hour each, all over the same checkpoint. In: seals, the
witnesses of the settings, their answers. Out: cosignatures; the finding that a witness holds another history of this log. A
witness that does not answer stops nothing: it is asked again, and the doctor tells how old its cosignature is."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from gateway import log
from gateway.domain.event import EventKind
from gateway.domain.notes import (
    WITNESS,
    Checkpoint,
    NoteKey,
    SignedCheckpoint,
    checkpoint_of,
    read_checkpoint,
)
from gateway.domain.sealed_log import LeafSpan, PublishedSeal, consistency_spans
from gateway.domain.witness import (
    KeyedNote,
    Letter,
    LetterKind,
    WitnessAddress,
    WitnessRequest,
    is_rested,
    read_keyed_note,
)
from gateway.errors import GatewayError, InvalidProof, StoreFailure, Unreachable
from gateway.http_calls import Bounds, post
from gateway.ports.services import Clock, Pool
from gateway.store import log_reading, witnesses
from gateway.store.log_reading import Prover
from gateway.store.store import SqlStore
from gateway.store.witnesses import OWN_KEYS, OWN_LOG, Cosignature, LogNews, Witness
from gateway.trust.note_keys import LogSigner, signing_keys
from gateway.witnessing.letters import NodeLetters

LOOK_EVERY = timedelta(seconds=20)
RETRIES = 6
"""So often a witness that does not cosign is asked within the time of one round."""
REFUSED, OTHER_START, OTHER_HISTORY = "refused", "start", "history"
_BOUNDS = Bounds(answer_bytes=64 * 1024, seconds=20.0)
_CONFLICT, _OK = 409, 200
_SIZE = re.compile(r"(0|[1-9][0-9]{0,17})\n?")
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class WitnessAsker:
    """Worker that asks the witnesses. Several processes may run one at once. `open_signer` takes the log's id."""

    store: SqlStore
    letters: NodeLetters
    addresses: Sequence[WitnessAddress]
    every: timedelta
    open_signer: Callable[[str], LogSigner]
    clock: Clock
    pool: Pool
    _signer: LogSigner | None = None
    _looked_at: datetime | None = field(default=None)

    def is_due(self, now: datetime) -> bool:
        return is_rested(self._looked_at, LOOK_EVERY, now)

    async def step(self) -> bool:
        """Ask every witness that is due; one that cannot be reached is asked again later."""
        now = self.clock.now()
        if not self.is_due(now):
            return False
        by_name = {witness.name: witness for witness in await witnesses.list_witnesses(self.store)}
        seal = await self._seal_of_round(now)
        for address in self.addresses if seal is not None else ():
            witness = by_name.get(address.name, Witness(name=address.name))
            if seal is not None and self._is_due(witness, seal, now):
                await self._ask(address, witness, seal, now)
        self._looked_at = now
        return False

    async def take_answer(self, letter: Letter) -> None:
        """Take a witness's letter: its cosignatures, or the checkpoint that it holds. InvalidProof for one that does not
        hold."""
        now = self.clock.now()
        by_name = {witness.name: witness for witness in await witnesses.list_witnesses(self.store)}
        witness = by_name.get(letter.node)
        if witness is None or letter.node not in {address.name for address in self.addresses}:
            raise InvalidProof(f"{letter.node} is no witness of this node (log.witnesses)")
        witness = replace(witness, said_at=letter.at)
        if letter.kind is LetterKind.LATEST:
            if letter.body:
                await self._take_held(witness, read_checkpoint(letter.body))
            else:
                empty = replace(witness, held_size=0, fault=OTHER_START)
                await witnesses.record_answer(self.store, self.clock, empty)
            return
        note = read_keyed_note(letter.body, WITNESS)
        await self._take_cosignature(witness, note.keys, read_checkpoint(note.text), now)

    def _is_due(self, witness: Witness, seal: PublishedSeal, now: datetime) -> bool:
        if seal.signed.seal.tree_size <= witness.held_size:
            return False
        return is_rested(witness.asked_at, self.every / RETRIES, now)

    async def _seal_of_round(self, now: datetime) -> PublishedSeal | None:
        """Return the seal that all witnesses are asked about: the last one before this round began, else the first one."""
        seconds = self.every.total_seconds()
        begun = datetime.fromtimestamp(now.timestamp() // seconds * seconds, now.tzinfo)
        return await log_reading.seal_before(self.store, begun)

    async def _ask(
        self, address: WitnessAddress, witness: Witness, seal: PublishedSeal, now: datetime
    ) -> None:
        if not await witnesses.claim_question(self.store, address.name, self.every / RETRIES, now):
            return
        try:
            request = await self._request(witness, seal, now)
            if address.key is None:
                note = KeyedNote(keys=(await self._own_signer(seal)).keys, text=request.to_text())
                await self.letters.send(LetterKind.CHECKPOINT, address.name, note.to_text())
            else:
                await self._ask_over_http(address.url, address.key, witness, request)
        except StoreFailure:
            raise
        except (GatewayError, OSError) as error:
            log.action(_log, "witness.unasked", str(error), witness=address.name)

    async def _request(self, witness: Witness, seal: PublishedSeal, now: datetime) -> WitnessRequest:
        old, new = witness.held_size, seal.signed.seal.tree_size
        proof = await Prover(self.store).hashes(consistency_spans(old, new))
        signer = await self._own_signer(seal)
        signed = await self.pool.run(partial(signer.sign, checkpoint_of(seal), now))
        return WitnessRequest(old_size=old, proof=proof, signed=signed)

    async def _own_signer(self, seal: PublishedSeal) -> LogSigner:
        """Return the signer of the log, and record with which keys it signs whenever these are others than before."""
        if self._signer is None:
            signer = await self.pool.run(partial(self.open_signer, seal.signed.seal.log_id))
            keys = [key.id.hex() for key in signer.keys]
            last = next(iter(await witnesses.newest_events(self.store, OWN_KEYS)), None)
            if last is None or last.data.get("keys") != keys:
                data = {"keys": keys, "public_keys": [*map(str, signer.keys)]}
                news = LogNews(kind=EventKind.LOG_KEYS, subject=OWN_KEYS, data=data)
                await witnesses.record_news(self.store, self.clock, news)
            self._signer = signer
        return self._signer

    async def _ask_over_http(self, url: str, key: NoteKey, witness: Witness, request: WitnessRequest) -> None:
        """Ask a witness by the standard's call. Unreachable where it gives no cosignature."""
        call = f"{url.rstrip('/')}/add-checkpoint"
        status, body = await post(call, request.to_text().encode(), _BOUNDS)
        now, text = self.clock.now(), body.decode(errors="replace")
        witness = replace(witness, said_at=now)
        if status == _CONFLICT and _SIZE.fullmatch(text):
            answer = replace(witness, held_size=int(text), fault=OTHER_START)
            await witnesses.record_answer(self.store, self.clock, answer)
            raise Unreachable(f"{witness.name} holds a checkpoint of {text.strip()} leaves")
        if status != _OK:
            answer = replace(witness, fault=REFUSED)
            await witnesses.record_answer(self.store, self.clock, answer)
            raise Unreachable(f"{witness.name} answered {status}")
        cosigned = read_checkpoint(f"{request.signed.checkpoint.to_text()}\n{text}")
        await self._take_cosignature(witness, (key,), cosigned, now)

    async def _take_held(self, witness: Witness, latest: SignedCheckpoint) -> None:
        """Compare the checkpoint that a witness holds with our log: prove growth from it next time, or tell that there are
        two histories. Only one that our own keys signed counts."""
        seal = await log_reading.seal_numbered(self.store)
        signer, checkpoint = await self._own_signer(seal), latest.checkpoint
        if not await self.pool.run(partial(signing_keys, latest, signer.keys)):
            raise InvalidProof(f"{witness.name} holds a checkpoint that no key of this log signed")
        own = checkpoint_of(seal)
        root = await self._root(checkpoint.size) if checkpoint.size <= own.size else b""
        if checkpoint.origin == own.origin and root == checkpoint.root:
            answer = replace(witness, held_size=checkpoint.size, fault=OTHER_START, other_history="")
            await witnesses.record_answer(self.store, self.clock, answer)
            return
        data = {"witness": witness.name, "size": own.size, "held_size": checkpoint.size}
        data |= {"root": own.root.hex(), "held_root": checkpoint.root.hex()}
        news = [LogNews(kind=EventKind.LOG_HISTORIES, subject=OWN_LOG, data=data)]
        is_new = witness.fault != OTHER_HISTORY
        answer = replace(witness, fault=OTHER_HISTORY, other_history=latest.to_text())
        await witnesses.record_answer(self.store, self.clock, answer, news=news if is_new else ())
        log.action(_log, "log.histories", witness=witness.name, held=checkpoint.size)

    async def _take_cosignature(
        self, witness: Witness, keys: Sequence[NoteKey], cosigned: SignedCheckpoint, now: datetime
    ) -> None:
        """Store a witness's cosignatures. InvalidProof unless each holds, over what our log is at that size."""
        seal, checkpoint = await log_reading.seal_numbered(self.store), cosigned.checkpoint
        if checkpoint.size > seal.signed.seal.tree_size:
            raise InvalidProof(f"{witness.name} cosigned more leaves than the log has")
        own = Checkpoint(checkpoint_of(seal).origin, checkpoint.size, await self._root(checkpoint.size))
        if own != checkpoint or not await self.pool.run(partial(signing_keys, cosigned, keys)):
            raise InvalidProof(f"{witness.name} did not cosign a checkpoint of this log")
        words = "\n".join(map(str, keys))
        news = []
        if words != witness.keys:
            data = {"witness": witness.name, "keys": [key.id.hex() for key in keys]}
            news.append(LogNews(kind=EventKind.WITNESS_KEYS, subject=OWN_LOG, data=data))
        body = "".join(
            str(signature) for signature in cosigned.signatures if any(signature.fits(key) for key in keys)
        )
        cosignature = Cosignature(
            witness=witness.name, tree_size=own.size, day=witnesses.day_of(now), at=now, body=body
        )
        answer = replace(witness, keys=words, held_size=own.size, cosigned_at=now, fault="", other_history="")
        if await witnesses.record_answer(self.store, self.clock, answer, cosignature, news):
            log.action(_log, "log.cosigned", witness=witness.name, size=own.size)

    async def _root(self, size: int) -> bytes:
        (root,) = await Prover(self.store).hashes([LeafSpan(0, size)])
        return root
