"""Follows the registry feed of an issuer, and serves the operators' commands on feeds. In: a file, a scratch folder.
Out: the registry brought in line with its issuer's list, or a stored refusal with the last good list still in force.
Each call is one transaction or none; database errors are raised as StoreFailure. A judged feed is applied in one
transaction, to the registry that it was judged on: rows, proposals, the number, the record of the change. Certificate
bindings are never touched: a feed's certificates become proposals, and what changes who speaks for a code is held, for two
people or their policy (K6)."""

from __future__ import annotations

import asyncio
import base64
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Row, Select, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import log
from gateway.domain.delegated import EXCHANGE
from gateway.domain.identity import Digest
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import RegistryChange
from gateway.domain.wall_clock import local
from gateway.errors import NotFound, StoreFailure
from gateway.ports.services import EnvelopeSigner
from gateway.registry.tables import AGENCY, BINDING, FEED, IN_FORCE, PROPOSAL, REFUSAL, failures_named
from gateway.registry_authoring import feed_file, feed_judge, lists
from gateway.registry_authoring.feed_file import Ends, FeedKind, FeedRefused, Header, TrustLine
from gateway.registry_authoring.feed_judge import FeedRoom, JudgedFeed, RegistryMark, mark_of
from gateway.registry_authoring.feed_stage import CertificateLine, FeedStage, StagedRow
from gateway.registry_authoring.held_rows import HeldChanges
from gateway.registry_authoring.rows import CODES_KEPT, lock_table, record_change, row_values, update_rows
from gateway.store.row import value_of

if TYPE_CHECKING:
    from gateway.registry_authoring.receipts import SqlReceipts

REFUSALS_KEPT = 200  # any node on the axis can cause refusals; the oldest are dropped
LONGEST_REASON = 2000
T = TypeVar("T")
TRIES = 3  # for the case that an import changes the registry while a feed is judged
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _RecordTally:
    """Counts of the written rows, for the record of the change."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("added", "changed", "closed"), 0))
    codes: dict[str, list[str]] = field(default_factory=lambda: {"added": [], "changed": [], "closed": []})

    def add(self, kind: str, code: str) -> None:
        self.counts[kind] += 1
        if len(self.codes[kind]) < CODES_KEPT:
            self.codes[kind].append(code)


async def apply_feed(room: FeedRoom, judged: JudgedFeed, by: str) -> FeedOutcome:
    """Apply a judged feed. StoreFailure when the registry changed since it was judged: then judge it again."""
    header, stage = judged.header, judged.stage
    if stage is None or judged.mark is None:
        await lists.add_signatures(room, judged.ends)
        return FeedOutcome(verdict="repeat", issuer=header.issuer, sequence=header.sequence)
    now, tally, change_id = room.clock.now(), _RecordTally(), room.clock.new_id()
    async with room.writer.begin() as connection:
        await lock_table(connection, "agency")
        await _refuse_moved_ground(connection, judged.mark)
        changes = HeldChanges(connection, now)
        await changes.load()
        # A code is never deleted (R82): its last day is the one before the snapshot that lacks it.
        last_day = local(header.made_at).date() - timedelta(days=1)
        for rows in (stage.changed, partial(stage.missing, last_day)):
            async for part in _parts(room, rows):
                await _write(connection, room, await changes.keep_back(part), now, tally)
        held = await changes.store(header, stage)
        proposed = await _propose(connection, room, stage, judged.ends, by, held)
        summary: dict[str, object] = {
            **tally.counts,
            "codes": tally.codes,
            "proposed": proposed,
            "held": held,
        }
        summary["feed"] = {"issuer": header.issuer, "sequence": header.sequence, "kind": str(header.kind)}
        await record_change(
            connection,
            RegistryChange(id=change_id, at=now, by=by, source_digest=Digest(header.digest), summary=summary),
        )
        await _put_in_force(connection, header, by, change_id, now)
    return FeedOutcome(
        verdict="applied",
        issuer=header.issuer,
        sequence=header.sequence,
        added=tally.counts["added"],
        changed=tally.counts["changed"],
        closed=tally.counts["closed"],
        proposed=proposed,
        held=held,
    )


async def keep_refusal(room: FeedRoom, refused: FeedRefused, header: Header | None, by: str) -> None:
    """Store the refusal durably; only the newest REFUSALS_KEPT stay."""
    values = {
        "id": room.clock.new_id(),
        "at": room.clock.now(),
        "code": refused.code,
        "reason": str(refused)[:LONGEST_REASON],
        "issuer": header and header.issuer,
        "sequence": header and header.sequence,
        "by_principal": by,
    }
    newest = select(REFUSAL.c.id).order_by(REFUSAL.c.at.desc(), REFUSAL.c.id.desc()).limit(REFUSALS_KEPT)
    async with room.writer.begin() as connection:
        if refused.code == "FEED-CONFLICT" and header is not None:
            await lists.tell_split(connection, room, header, by)
        await connection.execute(insert(REFUSAL).values(values))
        await connection.execute(delete(REFUSAL).where(REFUSAL.c.id.not_in(newest)))


async def _refuse_moved_ground(connection: AsyncConnection, mark: RegistryMark) -> None:
    """Raise StoreFailure where the registry changed since the feed was judged."""
    if await mark_of(connection) != mark:
        raise StoreFailure(
            "the registry changed while the feed was judged; nothing was written: take it again"
        )


async def _parts(room: FeedRoom, start: Callable[[], Iterator[T]]) -> Any:
    """Yield the parts of an iterator over the stage, each read in the pool."""
    parts = start()
    while (part := await room.pool.run(partial(next, parts, None))) is not None:
        yield part


async def _write(
    connection: AsyncConnection, room: FeedRoom, part: Sequence[StagedRow], now: datetime, tally: _RecordTally
) -> None:
    rows = await room.pool.run(partial(_values, part, now))
    for row in part:
        tally.add("added" if row.is_new else "closed" if row.closes else "changed", row.line.code)
    if new := [values for row, values in zip(part, rows, strict=True) if row.is_new]:
        await connection.execute(insert(AGENCY), new)
    for values in rows:
        # A list names no persons and no other table of codes: what was written here stays.
        del values["contact"], values["scheme"]
    await update_rows(connection, [values for row, values in zip(part, rows, strict=True) if not row.is_new])


def _values(part: Sequence[StagedRow], now: datetime) -> list[dict[str, Any]]:
    return [row_values(row.line.record(), RowSource.SYNCED, now) for row in part]


async def _propose(
    connection: AsyncConnection, room: FeedRoom, stage: FeedStage, feed_ends: Ends, by: str, held: int
) -> int:
    """Store the certificates as proposals, and the list of them; return their number. Those of a snapshot replace all
    others, those of changes are added. `held`: the number of held rows."""
    header, content = feed_ends.header, lists.ListContent()
    key = await room.pool.run(partial(feed_judge.issuer_key, room.issuers, feed_ends))
    if header.kind is FeedKind.SNAPSHOT:
        await connection.execute(delete(PROPOSAL))
    count = 0
    async for part in _parts(room, partial(stage.certificates, header)):
        values = await room.pool.run(partial(_proposal_rows, part, header, room.clock.now(), content))
        if header.kind is FeedKind.CHANGES:
            same = (PROPOSAL.c.code == bindparam("_code"), PROPOSAL.c.fingerprint == bindparam("_sha256"))
            keys = [{"_code": feed_file.code_of(line), "_sha256": line.sha256} for line in part]
            await connection.execute(delete(PROPOSAL).where(*same), keys)
        if values:
            await connection.execute(insert(PROPOSAL), values)
        count += len(values)
    await lists.keep_list(connection, feed_ends, content, key, by, room.clock.now(), held)
    return count


def _proposal_rows(
    part: Sequence[CertificateLine], header: Header, now: datetime, content: lists.ListContent
) -> list[dict[str, Any]]:
    """Return the rows of proposed certificates, and add all lines to the list's content."""
    content.add(part)
    return [
        {
            "code": feed_file.code_of(line),
            "fingerprint": line.sha256,
            "certificate_pem": x509.load_der_x509_certificate(base64.b64decode(line.certificate))
            .public_bytes(Encoding.PEM)
            .decode(),
            "valid_from": line.valid_from,
            "valid_to": line.valid_to,
            "issuer": header.issuer,
            "sequence": header.sequence,
            "at": now,
            "kind": line.kind if isinstance(line, TrustLine) else EXCHANGE,
        }
        for line in part
        if line.certificate is not None
    ]


async def _put_in_force(
    connection: AsyncConnection, header: Header, by: str, change_id: str, now: datetime
) -> None:
    await connection.execute(delete(FEED).where(FEED.c.id == IN_FORCE))
    await connection.execute(
        insert(FEED).values(
            id=IN_FORCE,
            issuer=header.issuer,
            sequence=header.sequence,
            digest=header.digest,
            kind=header.kind.value,
            made_at=header.made_at,
            applied_at=now,
            by_principal=by,
            change_id=change_id,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """List in force, and its record. `receipt_state` is what its issuer was told last, `receipt_fault` why it was not."""

    issuer: str
    sequence: int
    digest: str
    kind: str
    made_at: datetime
    applied_at: datetime
    by: str
    receipt_state: str | None
    receipt_at: datetime | None
    receipt_fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Feed that was refused. Issuer and number are as the feed states them."""

    id: str
    at: datetime
    code: str
    reason: str
    issuer: str | None
    sequence: int | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedProposal:
    """Certificate that the issuer proposes for a code, not yet bound."""

    code: str
    fingerprint: str
    certificate_der: bytes
    valid_from: datetime | None
    valid_to: datetime | None
    issuer: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOutcome:
    """Outcome of a registry feed: `applied`, `repeat` (its list is in force already) or `refused` with code and reason.
    Issuer and number of a refused feed are as it states them, or empty."""

    verdict: str
    code: str = ""
    reason: str = ""
    issuer: str = ""
    sequence: int = 0
    added: int = 0
    changed: int = 0
    closed: int = 0
    proposed: int = 0
    held: int = 0


class SqlFeed:
    """Keeps the registry in line with its issuer's list, feed after feed; it never binds a certificate."""

    def __init__(self, room: FeedRoom) -> None:
        self._room = room
        self._turn = asyncio.Lock()

    @property
    def receipts(self) -> SqlReceipts:
        """Receipts of issued lists, and of the list in force."""
        from gateway.registry_authoring.receipts import SqlReceipts

        return SqlReceipts(self._room.writer, self._room.reader, self._room.clock)

    async def accept(self, path: Path, by: str) -> FeedOutcome:
        """Take a feed: on return either the whole feed is durable, or only its refusal with the reason. StoreFailure
        when the node's own storage failed; then neither is. The same feed again is a repeat and changes nothing."""
        async with self._turn:
            try:
                with _failures_named():
                    return _log_outcome(await self._take(path, by), by)
            except FeedRefused as refused:
                with _failures_named():
                    header = await self._room.pool.run(partial(_header_of, path))
                    await keep_refusal(self._room, refused, header, by)
                return _log_outcome(_outcome(refused, header), by)

    async def check(self, path: Path) -> FeedOutcome:
        """Return what `accept` would return now, without writing anything."""
        try:
            with _failures_named():
                async with feed_judge.judge_feed(self._room, path) as judged_feed:
                    verdict = "repeat" if judged_feed.stage is None else "acceptable"
                    return FeedOutcome(
                        verdict=verdict,
                        issuer=judged_feed.header.issuer,
                        sequence=judged_feed.header.sequence,
                    )
        except FeedRefused as refused:
            return _outcome(refused, await self._room.pool.run(partial(_header_of, path)))

    async def in_force(self) -> InForce | None:
        """Return the list in force; None before the first."""
        with _failures_named():
            async with self._room.reader.connect() as connection:
                row = await feed_judge.in_force(connection)
        return None if row is None else value_of(InForce, row, by=row.by_principal)

    async def refusals(self, limit: int = 20) -> Sequence[Refusal]:
        """Return the stored refusals, newest first."""
        query = select(REFUSAL).order_by(REFUSAL.c.at.desc(), REFUSAL.c.id.desc()).limit(limit)
        return [value_of(Refusal, row, by=row.by_principal) for row in await self._rows(query)]

    async def proposals(
        self, limit: int = 100, fingerprint: str | None = None, kind: str = EXCHANGE
    ) -> Sequence[FeedProposal]:
        """Return proposals of a kind that are not bound yet, by code. One that was bound and withdrawn is not offered
        again."""
        same = (BINDING.c.code == PROPOSAL.c.code) & (BINDING.c.fingerprint == PROPOSAL.c.fingerprint)
        query = select(PROPOSAL).where(PROPOSAL.c.kind == kind, ~select(BINDING.c.id).where(same).exists())
        if fingerprint is not None:
            query = query.where(PROPOSAL.c.fingerprint == fingerprint)
        query = query.order_by(PROPOSAL.c.code, PROPOSAL.c.fingerprint).limit(limit)
        return [
            value_of(FeedProposal, row, certificate_der=_der(row.certificate_pem))
            for row in await self._rows(query)
        ]

    async def proposal(self, code: str, fingerprint: str) -> FeedProposal:
        """Return the open proposal of this certificate for this code."""
        for candidate in await self.proposals(fingerprint=fingerprint.strip().lower()):
            if candidate.code == code.strip().upper():
                return candidate
        raise NotFound(
            f"no certificate {fingerprint} is proposed for {code}, or it was bound before",
            hint="list them with: gateway registry feed proposals",
        )

    async def export(
        self,
        target: Path,
        signer: EnvelopeSigner,
        *,
        sequence: int = 1,
        since: Path | None = None,
        with_trust: bool = False,
        by: str = "operator",
    ) -> Header:
        """Write a signed snapshot of the registry; `since` is an earlier one, whose number it follows. `with_trust`: in the
        form that officers sign. The list is recorded, so that receipts of it are taken."""
        from gateway.registry_authoring import snapshot

        with _failures_named():
            base = (await self._room.pool.run(partial(snapshot.check, since))).header if since else None
            number = sequence if base is None else base.sequence + 1
            header = await snapshot.write_snapshot(
                self._room, target, signer, number, base, with_trust=with_trust
            )
            await self.receipts.note_issued(header, by)
        return header

    async def export_changes(
        self,
        target: Path,
        signer: EnvelopeSigner,
        since: Path,
        *,
        with_trust: bool = False,
        by: str = "operator",
    ) -> Header:
        """Write the signed changes since an earlier snapshot, which lead from it to the present list."""
        from gateway.registry_authoring import snapshot

        between = snapshot.draft_path(target)
        try:
            await self.export(between, signer, since=since, with_trust=with_trust, by=by)
            work = partial(snapshot.write_changes, since, between, target, signer)
            with _failures_named():
                return await self._room.pool.run(work)
        finally:
            await self._room.pool.run(partial(between.unlink, missing_ok=True))

    async def hosts(self) -> Sequence[str]:
        """Return the nodes that the registry names."""
        present = select(AGENCY.c.host).where(AGENCY.c.host.is_not(None)).distinct()
        planned = select(AGENCY.c.next_host.label("host")).where(AGENCY.c.next_host.is_not(None)).distinct()
        return sorted({row.host for query in (present, planned) for row in await self._rows(query)})

    async def _rows(self, query: Select[Any]) -> list[Row[Any]]:
        with _failures_named():
            async with self._room.reader.connect() as connection:
                return list(await connection.execute(query))

    async def _take(self, path: Path, by: str) -> FeedOutcome:
        """Judge and apply a feed, again where the registry changed meanwhile."""
        for _ in range(TRIES - 1):
            try:
                return await self._once(path, by)
            except StoreFailure as failure:
                log.action(_log, "feed.again", str(failure))
        return await self._once(path, by)

    async def _once(self, path: Path, by: str) -> FeedOutcome:
        async with feed_judge.judge_feed(self._room, path) as judged_feed:
            return await apply_feed(self._room, judged_feed, by)


@contextmanager
def _failures_named() -> Iterator[None]:
    """Raise errors of the database and of feed files as StoreFailure."""
    try:
        with failures_named():
            yield
    except (OSError, sqlite3.Error) as cause:
        raise StoreFailure(
            f"a file of the feed could not be read or written ({type(cause).__name__}: {cause}); nothing was changed:"
            " check the disk and the folder"
        ) from cause


def _header_of(path: Path) -> Header | None:
    """Return the file's header, or None where it is unreadable."""
    try:
        return feed_file.ends(path).header
    except FeedRefused:
        return None


def _outcome(refused: FeedRefused, header: Header | None) -> FeedOutcome:
    return FeedOutcome(
        verdict="refused",
        code=refused.code,
        reason=str(refused),
        issuer=header.issuer if header else "",
        sequence=header.sequence if header else 0,
    )


def _log_outcome(outcome: FeedOutcome, by: str) -> FeedOutcome:
    log.action(
        _log,
        f"feed.{outcome.verdict}",
        outcome.reason,
        issuer=outcome.issuer,
        sequence=outcome.sequence,
        code=outcome.code,
        by=by,
    )
    return outcome


def _der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
