"""Writes registry feeds of this node's registry, and compares two. In: the registry and a feed key; or two snapshot
files. Out: a signed snapshot, the signed changes from an earlier one, or the differences one by one. Everything is
streamed; a new file is read back as a receiver reads it before it gets its name. Starter rows are left out, because they
only warn."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError
from sqlalchemy import Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import random_source
from gateway.atomic_files import new_file
from gateway.domain.delegated import EXCHANGE
from gateway.domain.event import ACTIVE, WITHDRAWN
from gateway.domain.registry import DEFAULT_SCHEME, RowSource
from gateway.domain.registry_change import RECORD_FIELDS
from gateway.ports.services import EnvelopeSigner
from gateway.registry.tables import AGENCY, BINDING
from gateway.registry_authoring import feed_file, feed_judge
from gateway.registry_authoring.feed_file import (
    FORM_1,
    FORM_2,
    AgencyLine,
    BodyLine,
    Ends,
    FeedDraft,
    FeedKind,
    FeedRefused,
    Header,
    ProposalLine,
    TrustLine,
    code_of,
)
from gateway.registry_authoring.feed_judge import FeedRoom
from gateway.registry_authoring.feed_stage import AT_ONCE

AnyLine: TypeAlias = BodyLine

# A feed is ordered by the bytes of the code, whatever the database's own order.
_COLLATION = {"postgresql": "C", "sqlite": "BINARY"}
# A feed lists codes of Decision 20/2020 alone: its receivers refuse others. Starter rows are each node's own.
_LISTED = (AGENCY.c.source != RowSource.STARTER.value, AGENCY.c.scheme == DEFAULT_SCHEME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One line in which two snapshots differ, with the older and newer text of its differing fields; where only one
    snapshot has the line, the other side is empty."""

    code: str
    is_proposal: bool
    older: bool
    newer: bool
    fields: Mapping[str, tuple[str | None, str | None]]


async def write_snapshot(
    room: FeedRoom,
    target: Path,
    signer: EnvelopeSigner,
    sequence: int,
    base: Header | None,
    *,
    with_trust: bool = False,
) -> Header:
    """Write the whole registry as a signed file. `base` is the header of the issuer's previous list. `with_trust`: in form
    2, which officers can sign and which names revoked certificates; earlier nodes refuse it."""
    now, draft = room.clock.now().replace(microsecond=0), await room.pool.run(partial(FeedDraft, target))
    try:
        async with room.reader.connect() as connection:
            await _write_agencies(connection, room, draft)
            await _write_certificates(connection, room, draft, now, with_trust=with_trust)
        header = Header(
            format=FORM_2 if with_trust else FORM_1,
            kind=FeedKind.SNAPSHOT,
            issuer=_issuer(signer),
            sequence=sequence,
            digest=draft.digest,
            base=base.sequence if base else None,
            base_digest=base.digest if base else None,
            made_at=now,
            rows=draft.rows,
            bytes=draft.size,
            body=draft.digest,
            trust=draft.trust.hexdigest() if with_trust else None,
            trust_rows=draft.trust.rows if with_trust else None,
        )
        await room.pool.run(partial(_finish, draft, header, signer, target))
    finally:
        await room.pool.run(draft.discard)
    return header


def write_changes(older: Path, newer: Path, target: Path, signer: EnvelopeSigner) -> Header:
    """Write the signed changes from one snapshot to a later one. FeedRefused where the later one lacks a row, which only
    a snapshot can express. Sync."""
    older_ends, newer_ends = check(older), check(newer)
    if older_ends.header.sequence >= newer_ends.header.sequence:
        raise FeedRefused(f"{older.name} is not older than {newer.name}", code="FEED-ROLLED-BACK")
    draft = FeedDraft(target)
    try:
        draft.add(_changed_lines(older, older_ends, newer, newer_ends, draft))
        has_trust = newer_ends.header.format == FORM_2
        header = newer_ends.header.model_copy(
            update={
                "kind": FeedKind.CHANGES,
                "base": older_ends.header.sequence,
                "base_digest": older_ends.header.digest,
                "rows": draft.rows,
                "bytes": draft.size,
                "body": draft.digest,
                "trust": draft.trust.hexdigest() if has_trust else None,
                "trust_rows": draft.trust.rows if has_trust else None,
            }
        )
        _finish(draft, Header.model_validate(header.model_dump()), signer, target)
    finally:
        draft.discard()
    return header


def sign_as_officer(path: Path, signer: EnvelopeSigner) -> Header:
    """Add an officer's signature to a list of form 2, whose rows are checked before. An earlier signature of the same
    certificate is replaced. Sync."""
    feed_ends = feed_file.ends(path)
    if feed_ends.header.format != FORM_2:
        raise FeedRefused("officers sign lists of form 2; export it with --trust", code="FEED-FORM")
    for _ in feed_file.lines(path, feed_ends):
        pass
    mine = feed_judge.officer_line(feed_ends.header_line, signer)
    other_signatures = [line for line in feed_ends.officers if line.officer != mine.officer]
    officers = sorted((*other_signatures, mine), key=lambda line: line.officer)
    if len(officers) > feed_file.MOST_OFFICERS:
        raise FeedRefused(f"at most {feed_file.MOST_OFFICERS} officers sign a list", code="FEED-LIMIT")
    body_end = len(feed_ends.header_line) + feed_ends.header.bytes
    with new_file(path) as file:
        with path.open("rb") as source:
            feed_file.copy_piece(source, file, body_end)
        for line in (*officers, feed_ends.seal):
            file.write(feed_file.encode(line))
        file.flush()
        feed_file.ends(Path(file.name))
    return feed_ends.header


def draft_path(target: Path) -> Path:
    """Return a unique name in the same folder, for an intermediate file."""
    return target.with_name(f".{target.name}.{random_source.token_hex(8)}")


def check(path: Path) -> Ends:
    """Return the ends of a snapshot whose body has the stated digest. Its signature is not checked. Sync."""
    feed_ends = feed_file.ends(path)
    if feed_ends.header.kind is not FeedKind.SNAPSHOT:
        raise FeedRefused(f"{path.name} holds changes; two snapshots are compared", code="FEED-FORM")
    feed_file.check_body(path, feed_ends)
    return feed_ends


def differences(older: Path, newer: Path) -> Iterator[Difference]:
    """Yield the differing lines in the order of the codes; agencies first, then proposals. Sync."""
    for old, new in _pair(older, check(older), newer, check(newer)):
        if old != new:
            yield _difference(old, new)


async def _write_agencies(connection: AsyncConnection, room: FeedRoom, draft: FeedDraft) -> None:
    order = AGENCY.c.code.collate(_COLLATION[connection.dialect.name])
    columns = [AGENCY.c[name] for name in RECORD_FIELDS]
    foreign_codes = select(AGENCY.c.code).where(AGENCY.c.scheme != DEFAULT_SCHEME)
    omitted = frozenset((await connection.execute(foreign_codes)).scalars())
    query = select(*columns).where(*_LISTED).order_by(order)
    async with connection.stream(query) as result:
        async for part in result.partitions(AT_ONCE):
            await room.pool.run(partial(draft.add, map(partial(_agency, omitted), part)))


async def _write_certificates(
    connection: AsyncConnection, room: FeedRoom, draft: FeedDraft, now: datetime, *, with_trust: bool
) -> None:
    """Write every certificate bound to a code of ours now or later: for receivers it is a proposal. With trust, also those
    that were withdrawn and would not be over yet."""
    collation = _COLLATION[connection.dialect.name]
    live = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > now)
    bound = and_(BINDING.c.state == ACTIVE, live)
    revoked = BINDING.c.state == WITHDRAWN
    listed = select(AGENCY.c.code).where(*_LISTED)
    query = (
        select(BINDING)
        .where(or_(bound, revoked) if with_trust else bound, BINDING.c.code.in_(listed))
        .order_by(BINDING.c.code.collate(collation), BINDING.c.fingerprint.collate(collation))
    )
    async with connection.stream(query) as result:
        async for part in result.partitions(AT_ONCE):
            write = partial(_trust, draft) if with_trust else _proposal
            await room.pool.run(partial(draft.add, map(write, part)))


def _finish(draft: FeedDraft, header: Header, signer: EnvelopeSigner, target: Path) -> None:
    """Sign the draft, read it back as a receiver would, then give it its name."""
    line = feed_file.encode(header)
    with new_file(target) as file:
        draft.copy_between(line, feed_judge.seal_of(line, signer), file)
        draft_path = Path(file.name)
        feed_ends = feed_file.ends(draft_path)
        certificate = x509.load_der_x509_certificate(signer.certificate_der)
        feed_judge.check_seal({feed_ends.seal.certificate: certificate}, feed_ends, header.made_at)
        for _ in feed_file.lines(draft_path, feed_ends):
            pass


def _issuer(signer: EnvelopeSigner) -> str:
    issuer = feed_judge.issuer_of(x509.load_der_x509_certificate(signer.certificate_der))
    if not issuer:
        raise FeedRefused("the feed certificate has not exactly one common name", code="FEED-ISSUER")
    return issuer


def _agency(omitted: Collection[str], row: Row[Any]) -> bytes:
    """Return a row as a line, without its link to a code that the feed leaves out. FeedRefused for a row that no receiver
    would accept."""
    cells = {name: getattr(row, name) for name in AgencyLine.model_fields}
    cells |= {name: None for name in ("parent", "successor") if cells[name] in omitted}
    try:
        return feed_file.encode(AgencyLine(**cells))
    except ValidationError as cause:
        field = cause.errors(include_url=False, include_input=False)[0]
        raise FeedRefused(
            f"{row.code} cannot stand in a feed: {field['loc']}: {field['msg']}; correct it with an import",
            code="FEED-ROWS",
        ) from cause


def _proposal(row: Row[Any]) -> bytes:
    der = x509.load_pem_x509_certificate(row.certificate_pem.encode()).public_bytes(Encoding.DER)
    return feed_file.encode(
        ProposalLine(
            proposal=row.code,
            sha256=row.fingerprint,
            certificate=base64.b64encode(der).decode(),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
        )
    )


def _trust(draft: FeedDraft, row: Row[Any]) -> bytes:
    """Return a bound or withdrawn certificate as a row of form 2, and add it to the draft's digest."""
    der = x509.load_pem_x509_certificate(row.certificate_pem.encode()).public_bytes(Encoding.DER)
    is_revoked = row.state == WITHDRAWN
    line = TrustLine(
        trust=row.code,
        kind=EXCHANGE,
        sha256=row.fingerprint,
        certificate=None if is_revoked else base64.b64encode(der).decode(),
        valid_from=None if is_revoked else row.valid_from,
        valid_to=None if is_revoked else row.valid_to,
        revoked_at=row.valid_to if is_revoked else None,
    )
    draft.trust.add(line)
    return feed_file.encode(line)


def _changed_lines(
    older: Path, older_ends: Ends, newer: Path, newer_ends: Ends, draft: FeedDraft
) -> Iterator[bytes]:
    for old, new in _pair(older, older_ends, newer, newer_ends):
        if new is None and isinstance(old, AgencyLine):
            raise FeedRefused(
                f"{old.code} is no longer in the list: changes cannot say that, give a snapshot",
                code="FEED-ROWS",
            )
        if new is not None and old != new:
            if isinstance(new, TrustLine):
                draft.trust.add(new)
            yield feed_file.encode(new)


def _pair(
    older: Path, older_ends: Ends, newer: Path, newer_ends: Ends
) -> Iterator[tuple[AnyLine | None, AnyLine | None]]:
    """Yield the lines of both lists side by side, by their common order."""
    old_lines, new_lines = feed_file.lines(older, older_ends), feed_file.lines(newer, newer_ends)
    old, new = next(old_lines, None), next(new_lines, None)
    while old is not None or new is not None:
        if new is None or (old is not None and feed_file.place(old) < feed_file.place(new)):
            yield old, None
            old = next(old_lines, None)
        elif old is None or feed_file.place(new) < feed_file.place(old):
            yield None, new
            new = next(new_lines, None)
        else:
            yield old, new
            old, new = next(old_lines, None), next(new_lines, None)


def _difference(old: AnyLine | None, new: AnyLine | None) -> Difference:
    line = old or new
    older: dict[str, Any] = old.model_dump(mode="json") if old else {}
    newer: dict[str, Any] = new.model_dump(mode="json") if new else {}
    return Difference(
        code=code_of(line) if line is not None else "",
        is_proposal=line is not None and not isinstance(line, AgencyLine),
        older=old is not None,
        newer=new is not None,
        fields={
            name: (older.get(name), newer.get(name))
            for name in newer or older
            if older.get(name) != newer.get(name) and name != "certificate"
        },
    )
