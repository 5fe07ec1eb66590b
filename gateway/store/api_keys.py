"""Rows of API keys and of the principals that have them. In: the caller's transaction. Out: keys by their secrets,
certificates and systems, and the rows that store them. Of a secret only its SHA-256 is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway import errors
from gateway.domain.account import ApiKey, ApiScope, ClientCertificate, KeyAuth, Principal, PrincipalKind
from gateway.store.row import equal, from_json, to_json, value_of
from gateway.store.tables_node import ApiKeyAgencyRow, ApiKeyRow, PrincipalRow
from gateway.store.transaction import Transaction

NO_SECRET = "certificate "  # noqa: S105 - stands where there is no secret
"""Prefix of `secret_hash` for a key that has no secret and is opened by its certificate alone."""


async def load_keys(tx: Transaction, condition: ColumnElement[bool]) -> dict[str, ApiKey]:
    """Load the keys that meet a condition, by the hash of their secret, the oldest first."""
    query = select(ApiKeyRow).where(condition).order_by(col(ApiKeyRow.created_at), col(ApiKeyRow.id))
    rows = await tx.rows(ApiKeyRow, query)
    key_ids = select(col(ApiKeyRow.id)).where(condition)
    owners = select(PrincipalRow).where(
        col(PrincipalRow.id).in_(select(col(ApiKeyRow.principal_id)).where(condition))
    )
    principals = {row.id: to_principal(row) for row in await tx.rows(PrincipalRow, owners)}
    served: dict[str, list[str]] = {row.id: [] for row in rows}
    links = select(ApiKeyAgencyRow).where(col(ApiKeyAgencyRow.key_id).in_(key_ids))
    for link in await tx.rows(ApiKeyAgencyRow, links.order_by(col(ApiKeyAgencyRow.agency_id))):
        served[link.key_id].append(link.agency_id)
    return {row.secret_hash: to_key(row, principals[row.principal_id], served[row.id]) for row in rows}


async def load_secrets(tx: Transaction, condition: ColumnElement[bool]) -> Mapping[str, ApiKey]:
    """Load the keys that meet a condition, by the hash of each secret. With its earlier secret a key ends as that does."""
    keys = await load_keys(tx, condition)
    earlier = select(col(ApiKeyRow.secret_hash), col(ApiKeyRow.earlier_hash)).where(
        condition, col(ApiKeyRow.earlier_hash).is_not(None)
    )
    with_earlier = dict(keys)
    for present_hash, earlier_hash in await tx.tuples(earlier):
        key = keys[present_hash]
        ends = [at for at in (key.expires_at, key.earlier_ends_at) if at is not None]
        with_earlier[earlier_hash] = replace(key, expires_at=min(ends))
    return with_earlier


async def keys_by_secret(connection: AsyncConnection) -> Mapping[str, ApiKey]:
    return await load_secrets(Transaction(connection, shared=False), true())


async def keys_by_certificate(connection: AsyncConnection) -> Mapping[str, Sequence[ApiKey]]:
    """Load the keys, also ended ones, that a certificate alone opens, by its SHA-256; the oldest first."""
    keys: dict[str, list[ApiKey]] = {}
    alone = col(ApiKeyRow.way) == KeyAuth.CERTIFICATE.value
    for key in (await load_keys(Transaction(connection, shared=False), alone)).values():
        if key.certificate is not None:
            keys.setdefault(key.certificate.sha256, []).append(key)
    return keys


async def keys_by_system(connection: AsyncConnection) -> Mapping[str, Sequence[ApiKey]]:
    """Load the credentials of document systems by system, the newest first."""
    keys: dict[str, list[ApiKey]] = {}
    all_keys = await load_keys(Transaction(connection, shared=False), col(ApiKeyRow.system).is_not(None))
    for key in reversed(list(all_keys.values())):
        keys.setdefault(key.system or "", []).append(key)
    return keys


async def bind_certificate(
    tx: Transaction, id: str, auth: KeyAuth, certificate: ClientCertificate | None, now: datetime
) -> ApiKey:
    """Change how a key is opened, and return it. NotFound when there is no such key; Clash when it does not allow this."""
    ((secret_hash, key),) = (await load_keys(tx, col(ApiKeyRow.id) == id)).items() or (("", None),)
    if key is None:
        raise errors.NotFound(f"there is no API key {id}")
    if key.has_ended(now) or key.system is not None:
        raise errors.Clash(
            "a key that has ended, or is a document system's, takes no certificate", code="GW-CERT-KEY"
        )
    if auth is not KeyAuth.CERTIFICATE and secret_hash.startswith(NO_SECRET):
        raise errors.Clash(
            "this key was made without a secret and opens by a certificate alone; make another key",
            code="GW-CERT-SECRET",
        )
    bound = replace(key, way=auth, certificate=certificate)
    await check_certificate_free(tx, bound, now)
    await tx.change(update(ApiKeyRow).where(col(ApiKeyRow.id) == id).values(**_certificate_columns(bound)))
    return bound


async def load_program_scopes(
    tx: Transaction, principal_id: str, agency_id: str, now: datetime
) -> frozenset[ApiScope] | None:
    """Return the scopes that a program's valid keys have for the agency now; None for a principal that is no program."""
    mine = and_(
        col(ApiKeyRow.principal_id) == col(PrincipalRow.id),
        col(ApiKeyRow.revoked_at).is_(None),
        or_(col(ApiKeyRow.expires_at).is_(None), col(ApiKeyRow.expires_at) > now),
        exists().where(
            col(ApiKeyAgencyRow.key_id) == col(ApiKeyRow.id), equal(ApiKeyAgencyRow, agency_id=agency_id)
        ),
    )
    is_program = equal(PrincipalRow, id=principal_id, kind=PrincipalKind.PROGRAM.value)
    rows = await tx.tuples(
        select(col(ApiKeyRow.scopes)).select_from(PrincipalRow).outerjoin(ApiKeyRow, mine).where(is_program)
    )
    return frozenset().union(*(_scopes(row[0]) for row in rows if row[0])) if rows else None


async def check_certificate_free(tx: Transaction, key: ApiKey, now: datetime) -> None:
    """Check that the key has a certificate if it needs one, and that no other valid key is opened by this certificate
    alone, because a call with only the certificate could mean either key. Clash otherwise."""
    if (key.way is KeyAuth.SECRET) != (key.certificate is None):
        raise errors.Clash("a certificate is bound where one is asked for, and nowhere else")
    if key.way is not KeyAuth.CERTIFICATE or key.certificate is None:
        return
    sha256 = key.certificate.sha256
    await tx.hold("client certificate", sha256)
    same = (col(ApiKeyRow.certificate_sha256) == sha256) & (col(ApiKeyRow.way) == KeyAuth.CERTIFICATE.value)
    other_keys = await load_keys(tx, same & (col(ApiKeyRow.id) != key.id))
    if key_ids := [k.id for k in other_keys.values() if not k.has_ended(now)]:
        raise errors.Clash(
            f"this certificate alone opens the key {key_ids[0]} already; revoke that one, or ask for both",
            code="GW-CERT-TAKEN",
        )


def to_principal(row: PrincipalRow) -> Principal:
    return value_of(Principal, row, agency_id=row.owner or None)


def to_key(row: ApiKeyRow, principal: Principal, agency_ids: Sequence[str]) -> ApiKey:
    return value_of(
        ApiKey,
        row,
        principal=principal,
        agency_ids=tuple(agency_ids),
        scopes=_scopes(row.scopes),
        certificate=_certificate(row),
    )


def _scopes(text: str) -> frozenset[ApiScope]:
    """Parse scopes, leaving out those of older versions that no longer exist."""
    names = from_json(frozenset[str], text)
    return frozenset(scope for scope in ApiScope if scope.value in names)


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


def key_row(key: ApiKey, secret_hash: str | None) -> ApiKeyRow:
    """Return the row of a key. For a key without a secret the hash is a text that no secret can have."""
    return ApiKeyRow.from_value(
        key,
        principal_id=key.principal.id,
        scopes=to_json(tuple[ApiScope, ...], tuple(sorted(key.scopes))),
        secret_hash=secret_hash or f"{NO_SECRET}{key.id}",
        earlier_hash=None,
        **_certificate_columns(key),
    )


def _certificate_columns(key: ApiKey) -> dict[str, str | datetime | None]:
    bound = key.certificate
    return {
        "way": key.way.value,
        "certificate_sha256": bound.sha256 if bound else None,
        "certificate_name": bound.name if bound else None,
        "certificate_begins_at": bound.begins_at if bound else None,
        "certificate_ends_at": bound.ends_at if bound else None,
    }
