"""Makes registry feeds of this node's registry, and compares two. In: the registry and a feed key; or two snapshot files.
Out: a signed snapshot, the signed changes from an earlier one, or the differences one by one. Everything is streamed;
what was made is read again as a receiver reads it before it gets its name. Starter rows are left out: they only warn."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError
from sqlalchemy import Row, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.event import ACTIVE
from gateway.domain.registry import RowSource
from gateway.domain.registry_change import RECORD_FIELDS
from gateway.ports.services import EnvelopeSigner
from gateway.registry import feed_file, feed_judge
from gateway.registry.feed_file import (
    AgencyLine,
    Ends,
    FeedDraft,
    FeedKind,
    FeedRefused,
    Header,
    ProposalLine,
)
from gateway.registry.feed_judge import FeedRoom
from gateway.registry.feed_stage import AT_ONCE
from gateway.registry.tables import AGENCY, BINDING, aware, stored
from gateway.whole_files import new_file

AnyLine: TypeAlias = AgencyLine | ProposalLine

# By the bytes of the code, as a feed is ordered, whatever the database's own order is.
_COLLATION = {"postgresql": "C", "sqlite": "BINARY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One line that two snapshots do not share. Its fields with their older and newer text; all of one side are empty
    where only one of them has it."""

    code: str
    is_proposal: bool
    older: bool
    newer: bool
    fields: Mapping[str, tuple[str | None, str | None]]


async def write_snapshot(
    room: FeedRoom, target: Path, signer: EnvelopeSigner, sequence: int, base: Header | None
) -> Header:
    """The whole registry as a signed file. `base` is the header of the list that this issuer gave before."""
    now, draft = room.clock.now().replace(microsecond=0), await room.pool.run(partial(FeedDraft, target))
    try:
        async with room.reader.connect() as connection:
            await _write_agencies(connection, room, draft)
            await _write_proposals(connection, room, draft, now)
        header = Header(
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
        )
        await room.pool.run(partial(_finish, draft, header, signer, target))
    finally:
        await room.pool.run(draft.discard)
    return header


def write_changes(older: Path, newer: Path, target: Path, signer: EnvelopeSigner) -> Header:
    """What leads from one snapshot to a later one, signed. FeedRefused where the later one has lost a row: only a
    snapshot can say that. Sync."""
    before, after = whole(older), whole(newer)
    if before.header.sequence >= after.header.sequence:
        raise FeedRefused(f"{older.name} is not older than {newer.name}", code="FEED-ROLLED-BACK")
    draft = FeedDraft(target)
    try:
        draft.add(_changed_lines(older, before, newer, after))
        header = after.header.model_copy(
            update={
                "kind": FeedKind.CHANGES,
                "base": before.header.sequence,
                "base_digest": before.header.digest,
                "rows": draft.rows,
                "bytes": draft.size,
                "body": draft.digest,
            }
        )
        _finish(draft, Header.model_validate(header.model_dump()), signer, target)
    finally:
        draft.discard()
    return header


def beside(target: Path) -> Path:
    """A name of its own in the same folder, for what is made on the way."""
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}")


def whole(path: Path) -> Ends:
    """The ends of a snapshot whose body is the stated one. Its signature is not looked at. Sync."""
    found = feed_file.ends(path)
    if found.header.kind is not FeedKind.SNAPSHOT:
        raise FeedRefused(f"{path.name} holds changes; two snapshots are compared", code="FEED-FORM")
    feed_file.check_body(path, found)
    return found


def differences(older: Path, newer: Path) -> Iterator[Difference]:
    """Line by line in the order of the codes; agencies first, then proposals. Sync."""
    for one, other in _paired(older, whole(older), newer, whole(newer)):
        if one != other:
            yield _difference(one, other)


async def _write_agencies(connection: AsyncConnection, room: FeedRoom, draft: FeedDraft) -> None:
    order = AGENCY.c.code.collate(_COLLATION[connection.dialect.name])
    columns = [AGENCY.c[name] for name in RECORD_FIELDS]
    query = select(*columns).where(AGENCY.c.source != RowSource.STARTER.value).order_by(order)
    async with connection.stream(query) as result:
        async for part in result.partitions(AT_ONCE):
            await room.pool.run(partial(draft.add, map(_agency, part)))


async def _write_proposals(
    connection: AsyncConnection, room: FeedRoom, draft: FeedDraft, now: datetime
) -> None:
    """Every certificate that speaks for a code of ours now or later: to others it is a proposal."""
    collation = _COLLATION[connection.dialect.name]
    live = or_(BINDING.c.valid_to.is_(None), BINDING.c.valid_to > stored(now))
    listed = select(AGENCY.c.code).where(AGENCY.c.source != RowSource.STARTER.value)
    query = (
        select(BINDING)
        .where(BINDING.c.state == ACTIVE, live, BINDING.c.code.in_(listed))
        .order_by(BINDING.c.code.collate(collation), BINDING.c.fingerprint.collate(collation))
    )
    async with connection.stream(query) as result:
        async for part in result.partitions(AT_ONCE):
            await room.pool.run(partial(draft.add, map(_proposal, part)))


def _finish(draft: FeedDraft, header: Header, signer: EnvelopeSigner, target: Path) -> None:
    """Signed, read again as a receiver would, then under its name."""
    line = feed_file.encoded(header)
    with new_file(target) as file:
        draft.copy_between(line, feed_judge.seal_of(line, signer), file)
        made = Path(file.name)
        found = feed_file.ends(made)
        certificate = x509.load_der_x509_certificate(signer.certificate_der)
        feed_judge.check_seal({found.seal.certificate: certificate}, found, header.made_at)
        for _ in feed_file.lines(made, found):
            pass


def _issuer(signer: EnvelopeSigner) -> str:
    issuer = feed_judge.issuer_of(x509.load_der_x509_certificate(signer.certificate_der))
    if not issuer:
        raise FeedRefused("the feed certificate has not exactly one common name", code="FEED-ISSUER")
    return issuer


def _agency(row: Row[Any]) -> bytes:
    """The row as a line. FeedRefused for one that no receiver would take."""
    try:
        return feed_file.encoded(AgencyLine(**{name: getattr(row, name) for name in RECORD_FIELDS}))
    except ValidationError as cause:
        field = cause.errors(include_url=False, include_input=False)[0]
        raise FeedRefused(
            f"{row.code} cannot stand in a feed: {field['loc']}: {field['msg']}; correct it with an import",
            code="FEED-ROWS",
        ) from cause


def _proposal(row: Row[Any]) -> bytes:
    der = x509.load_pem_x509_certificate(row.certificate_pem.encode()).public_bytes(Encoding.DER)
    return feed_file.encoded(
        ProposalLine(
            proposal=row.code,
            sha256=row.fingerprint,
            certificate=base64.b64encode(der).decode(),
            valid_from=row.valid_from and aware(row.valid_from),
            valid_to=row.valid_to and aware(row.valid_to),
        )
    )


def _changed_lines(older: Path, before: Ends, newer: Path, after: Ends) -> Iterator[bytes]:
    for one, other in _paired(older, before, newer, after):
        if other is None and isinstance(one, AgencyLine):
            raise FeedRefused(
                f"{one.code} is no longer in the list: changes cannot say that, give a snapshot",
                code="FEED-ROWS",
            )
        if other is not None and one != other:
            yield feed_file.encoded(other)


def _paired(
    older: Path, before: Ends, newer: Path, after: Ends
) -> Iterator[tuple[AnyLine | None, AnyLine | None]]:
    """Both lists side by side, by their common order."""
    left, right = feed_file.lines(older, before), feed_file.lines(newer, after)
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and feed_file.place(one) < feed_file.place(other)):
            yield one, None
            one = next(left, None)
        elif one is None or feed_file.place(other) < feed_file.place(one):
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)


def _difference(one: AnyLine | None, other: AnyLine | None) -> Difference:
    line = one or other
    older: dict[str, Any] = one.model_dump(mode="json") if one else {}
    newer: dict[str, Any] = other.model_dump(mode="json") if other else {}
    proposal = isinstance(line, ProposalLine)
    return Difference(
        code=line.proposal if isinstance(line, ProposalLine) else line.code if line else "",
        is_proposal=proposal,
        older=one is not None,
        newer=other is not None,
        fields={
            name: (older.get(name), newer.get(name))
            for name in newer or older
            if older.get(name) != newer.get(name) and name != "certificate"
        },
    )
