"""API keys as rows: read with their principals and agencies, by what a call can bring; which certificate may be bound to
which key. In: a transaction; values. Out: keys; rows; a Clash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway import errors
from gateway.domain.account import (
    ApiKey,
    ApiScope,
    ClientCertificate,
    KeyWay,
    Network,
    Principal,
    PrincipalKind,
)
from gateway.store.row import from_json, to_json
from gateway.store.tables_node import ApiKeyAgencyRow, ApiKeyRow, PrincipalRow
from gateway.store.transaction import Transaction

_NO_SECRET = "certificate "  # noqa: S105 - stands where there is none
"""With which stands, instead of a digest, what nobody's secret has: the key opens by its certificate alone."""


async def keys(tx: Transaction, condition: ColumnElement[bool]) -> dict[str, ApiKey]:
    """By the hash of the secret; oldest first."""
    wanted = select(ApiKeyRow).where(condition).order_by(col(ApiKeyRow.created_at), col(ApiKeyRow.id))
    rows = await tx.rows(ApiKeyRow, wanted)
    known = select(col(ApiKeyRow.id)).where(condition)
    owners = select(PrincipalRow).where(
        col(PrincipalRow.id).in_(select(col(ApiKeyRow.principal_id)).where(condition))
    )
    principals = {row.id: to_principal(row) for row in await tx.rows(PrincipalRow, owners)}
    served: dict[str, list[str]] = {row.id: [] for row in rows}
    links = select(ApiKeyAgencyRow).where(col(ApiKeyAgencyRow.key_id).in_(known))
    for link in await tx.rows(ApiKeyAgencyRow, links.order_by(col(ApiKeyAgencyRow.agency_id))):
        served[link.key_id].append(link.agency_id)
    return {row.secret_hash: to_key(row, principals[row.principal_id], served[row.id]) for row in rows}


async def by_secret(connection: AsyncConnection) -> Mapping[str, ApiKey]:
    return await keys(Transaction(connection, shared=False), true())


async def by_certificate(connection: AsyncConnection) -> Mapping[str, Sequence[ApiKey]]:
    """Those that a certificate alone opens, ended ones too, by its SHA-256; oldest first."""
    found: dict[str, list[ApiKey]] = {}
    alone = col(ApiKeyRow.way) == KeyWay.CERTIFICATE.value
    for each in (await keys(Transaction(connection, shared=False), alone)).values():
        if each.certificate is not None:
            found.setdefault(each.certificate.sha256, []).append(each)
    return found


async def by_system(connection: AsyncConnection) -> Mapping[str, Sequence[ApiKey]]:
    """Newest first."""
    found: dict[str, list[ApiKey]] = {}
    every = await keys(Transaction(connection, shared=False), col(ApiKeyRow.system).is_not(None))
    for each in reversed(list(every.values())):
        found.setdefault(each.system or "", []).append(each)
    return found


async def bind(
    tx: Transaction, id: str, way: KeyWay, certificate: ClientCertificate | None, now: datetime
) -> ApiKey:
    """The key as it opens from now on. NotFound; Clash for a key that cannot open so."""
    ((secret_hash, key),) = (await keys(tx, col(ApiKeyRow.id) == id)).items() or (("", None),)
    if key is None:
        raise errors.NotFound(f"there is no API key {id}")
    if key.has_ended(now) or key.system is not None:
        raise errors.Clash(
            "a key that has ended, or is a document system's, takes no certificate", code="GW-CERT-KEY"
        )
    if way is not KeyWay.CERTIFICATE and secret_hash.startswith(_NO_SECRET):
        raise errors.Clash(
            "this key was made without a secret and opens by a certificate alone; make another key",
            code="GW-CERT-SECRET",
        )
    bound = replace(key, way=way, certificate=certificate)
    await refuse_taken(tx, bound, now)
    await tx.change(update(ApiKeyRow).where(col(ApiKeyRow.id) == id).values(**_opened_by(bound)))
    return bound


async def refuse_taken(tx: Transaction, key: ApiKey, now: datetime) -> None:
    """Clash where the certificate would open two keys: a call that brings nothing else could mean either."""
    if (key.way is KeyWay.SECRET) != (key.certificate is None):
        raise errors.Clash("a certificate is bound where one is asked for, and nowhere else")
    if key.way is not KeyWay.CERTIFICATE or key.certificate is None:
        return
    sha256 = key.certificate.sha256
    await tx.hold("client certificate", sha256)
    same = (col(ApiKeyRow.certificate_sha256) == sha256) & (col(ApiKeyRow.way) == KeyWay.CERTIFICATE.value)
    others = await keys(tx, same & (col(ApiKeyRow.id) != key.id))
    if taken := [each.id for each in others.values() if not each.has_ended(now)]:
        raise errors.Clash(
            f"this certificate alone opens the key {taken[0]} already; revoke that one, or ask for both",
            code="GW-CERT-TAKEN",
        )


def to_principal(row: PrincipalRow) -> Principal:
    return Principal(id=row.id, kind=PrincipalKind(row.kind), name=row.name, agency_id=row.owner or None)


def to_key(row: ApiKeyRow, principal: Principal, agency_ids: Sequence[str]) -> ApiKey:
    return ApiKey(
        id=row.id,
        principal=principal,
        agency_ids=tuple(agency_ids),
        scopes=_scopes(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        prefix=row.prefix,
        used_at=row.used_at,
        networks=from_json(tuple[Network, ...], row.networks),
        way=KeyWay(row.way),
        certificate=_certificate(row),
        system=row.system,
        sealed=row.sealed,
    )


def _scopes(text: str) -> frozenset[ApiScope]:
    """Those that there still are: a key may be older than the last one that went."""
    kept = from_json(frozenset[str], text)
    return frozenset(each for each in ApiScope if each.value in kept)


def _certificate(row: ApiKeyRow) -> ClientCertificate | None:
    begins_at, ends_at = row.certificate_begins_at, row.certificate_ends_at
    if row.certificate_sha256 is None or begins_at is None or ends_at is None:
        return None
    return ClientCertificate(
        sha256=row.certificate_sha256,
        name=row.certificate_name or "",
        begins_at=begins_at,
        ends_at=ends_at,
    )


def to_row(key: ApiKey, secret_hash: str | None) -> ApiKeyRow:
    """Without the digest of a secret no bearer of a text is let in."""
    return ApiKeyRow.of(
        key,
        principal_id=key.principal.id,
        scopes=to_json(tuple[ApiScope, ...], tuple(sorted(key.scopes))),
        secret_hash=secret_hash or f"{_NO_SECRET}{key.id}",
        networks=to_json(tuple[Network, ...], key.networks),
        **_opened_by(key),
    )


def _opened_by(key: ApiKey) -> dict[str, str | datetime | None]:
    bound = key.certificate
    return {
        "way": key.way.value,
        "certificate_sha256": bound.sha256 if bound else None,
        "certificate_name": bound.name if bound else None,
        "certificate_begins_at": bound.begins_at if bound else None,
        "certificate_ends_at": bound.ends_at if bound else None,
    }
