"""Who is hosted on this node and who may act: agencies, principals, API keys. In: what an operator enters. Out: the
same, for the front doors; what an agency that leaves would leave undone. Each call is a transaction of its own;
none of them is about one agency's documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache, partial

from sqlalchemy import ColumnElement, bindparam, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from gateway import errors
from gateway.domain.account import (
    ApiKey,
    ApiScope,
    ClientCertificate,
    HostedAgency,
    KeyAuth,
    Network,
    Principal,
    PrincipalKind,
)
from gateway.domain.document import UNDECIDED
from gateway.domain.hold import OPEN
from gateway.domain.status import REQUESTED
from gateway.ports.services import Clock
from gateway.store import jobs
from gateway.store.memory import Memory
from gateway.store.outbox import WAITING
from gateway.store.row import from_json, to_json, value_of
from gateway.store.systems import begin
from gateway.store.tables import DeliveryRow, HoldRow, InboxRow, IncomingRow, JobRow, OutboxRow
from gateway.store.tables_node import ApiKeyAgencyRow, ApiKeyRow, HostedAgencyRow, PrincipalRow
from gateway.store.transaction import Open, Transaction

_TOUCHED = timedelta(minutes=1)
_THERE = select(col(HostedAgencyRow.body)).where(col(HostedAgencyRow.id) == bindparam("id"))
_STAYING = _THERE.with_for_update(read=True)


class HostedAccounts:
    """Part of the store; get it as `store.accounts`."""

    def __init__(self, writing: Open, reading: Open, clock: Clock, memory: Memory) -> None:
        self._writing = writing
        self._reading = reading
        self._clock = clock
        self._memory = memory
        # Of each key, when this process last wrote down that it is in use.
        self._used: dict[str, datetime] = {}

    async def add_hosted(self, agency: HostedAgency) -> HostedAgency:
        """The agency as it is kept: one that left and comes back is the same as before, with its documents. Clash when
        the id or the code is hosted already."""
        async with self._writing() as tx:
            if not await tx.put_new(to_hosted_row(agency)):
                agency = replace(agency, id=(await _that_left(tx, agency)).id)
                await _save(tx, agency)
            await tx.commit()
        return agency

    async def leave(self, id: str) -> Mapping[str, int]:
        """It is hosted here no longer, unless work of it is open: that is told then, and nothing changed. Its documents
        stay. NotFound when it is not hosted."""
        async with self._writing() as tx:
            agency = await _known(tx, col(HostedAgencyRow.id) == id)
            if agency is None or agency.left_at is not None:
                raise errors.NotFound(f"no agency {id} is hosted here")
            # Counted after whatever was being accepted for it has ended, and before anything more is.
            if work := await open_work(tx, id):
                return work
            await _save(tx, replace(agency, left_at=self._clock.now()))
            await tx.commit()
        return {}

    async def hosted(self) -> Sequence[HostedAgency]:
        """Every hosted agency, by code. Asked for every packet, and remembered."""
        return await self._memory.ask(("hosted",), _hosted)

    async def hosted_by_code(self, code: str) -> HostedAgency | None:
        """By its present code or an alias; letter case aside. A present code goes before an alias."""
        wanted = code.casefold()
        known = await self.hosted()
        by_code = next((one for one in known if one.code.casefold() == wanted), None)
        if by_code is not None:
            return by_code
        return next((one for one in known if wanted in (alias.casefold() for alias in one.aliases)), None)

    async def principal_for(self, kind: PrincipalKind, name: str, agency_id: str | None = None) -> Principal:
        """The principal of that kind, name and agency; made on first asking."""
        owner = agency_id or ""
        row = PrincipalRow(id=self._clock.new_id("prn_"), kind=kind.value, name=name, owner=owner)
        this = (
            col(PrincipalRow.kind) == kind.value,
            col(PrincipalRow.name) == name,
            col(PrincipalRow.owner) == owner,
        )
        async with self._writing() as tx:
            if not await tx.put_new(row):
                row = await tx.first(PrincipalRow, select(PrincipalRow).where(*this)) or row
            await tx.commit()
        return _to_principal(row)

    async def add_key(
        self,
        *,
        secret_hash: str | None,
        principal: Principal,
        agency_ids: Sequence[str],
        scopes: Collection[ApiScope],
        expires_at: datetime | None = None,
        prefix: str = "",
        networks: Sequence[Network] = (),
        way: KeyAuth = KeyAuth.SECRET,
        certificate: ClientCertificate | None = None,
    ) -> ApiKey:
        """Keeps only the SHA-256 of the secret. A plain hash is right here: the secret is 256 random bits, so there is
        nothing to guess, and a slow hash would only slow every request. Without one a certificate alone opens the key.
        Clash for a hash, agency or certificate that cannot be."""
        key = ApiKey(
            id=self._clock.new_id("key_"),
            principal=principal,
            agency_ids=tuple(agency_ids),
            scopes=frozenset(scopes),
            created_at=self._clock.now(),
            expires_at=expires_at,
            prefix=prefix,
            networks=tuple(networks),
            way=way,
            certificate=certificate,
        )
        async with self._writing() as tx:
            await _refuse_taken(tx, key, key.created_at)
            if not await tx.put_new(_key_row(key, secret_hash)):
                raise errors.Clash("a key with this secret exists already; make a new secret")
            tx.put(*(ApiKeyAgencyRow(agency_id=id, key_id=key.id) for id in key.agency_ids))
            await tx.commit()
        return key

    async def add_system_key(self, key: ApiKey, *, until: datetime | None = None) -> None:
        """The credential of a document system. Where it has one already: Clash, unless `until` says how long that one is
        good yet. Two of one name never stand side by side otherwise."""
        async with self._writing() as tx:
            name = key.system or ""
            await tx.hold("systems", name)
            now = self._clock.now()
            known = (await _keys(tx, col(ApiKeyRow.system) == name)).values()
            live = [each.id for each in known if not each.has_ended(now)]
            if live and until is None:
                raise errors.Clash(
                    f"the system {name} has a credential already",
                    code="GW-SYSTEM-KNOWN",
                    hint=f"give it another secret with: gateway compat rotate {name}",
                )
            if live and until is not None:
                later = or_(col(ApiKeyRow.expires_at).is_(None), col(ApiKeyRow.expires_at) > until)
                mine = update(ApiKeyRow).where(col(ApiKeyRow.id).in_(live), later)
                await tx.change(mine.values(expires_at=until))
            # Nothing has this digest: no bearer of a text is let in by it.
            tx.put(_key_row(key, f"system {key.id}"))
            tx.put(*(ApiKeyAgencyRow(agency_id=id, key_id=key.id) for id in key.agency_ids))
            for id in key.agency_ids:
                await begin(tx, id, name)
            await tx.commit()

    async def keys_of_system(self, system: str) -> Sequence[ApiKey]:
        """Every credential of that document system, also those that ended; the newest first. Remembered."""
        return (await self._memory.ask(("systems",), _keys_by_system)).get(system, ())

    async def touch(self, key: ApiKey) -> None:
        """It is in use; written down once a minute."""
        now = self._clock.now()
        used_at = self._used.get(key.id, key.used_at)
        if used_at is None or now - used_at >= _TOUCHED:
            self._used[key.id] = now
            async with self._writing() as tx:
                await tx.change(update(ApiKeyRow).where(col(ApiKeyRow.id) == key.id).values(used_at=now))
                await tx.commit()

    async def find_key(self, secret_hash: str) -> ApiKey | None:
        """The key with this secret, if it is neither revoked nor expired now. Asked for every call, and remembered. That it
        is in use is written down once a minute."""
        key, now = (await self._memory.ask(("keys",), _keys_by_secret)).get(secret_hash), self._clock.now()
        if key is None or key.has_ended(now):
            return None
        key = replace(key, used_at=self._used.get(key.id, key.used_at))
        await self.touch(key)
        return key

    async def ended_key(self, secret_hash: str) -> ApiKey | None:
        """The key with this secret that was revoked or has expired."""
        now = self._clock.now()
        found = await self._keys(col(ApiKeyRow.secret_hash) == secret_hash)
        return next((key for key in found if key.has_ended(now)), None)

    async def keys_of_certificate(self, sha256: str) -> Sequence[ApiKey]:
        """Every key that the certificate alone opens or opened, the oldest first. Asked for every call that brings nothing
        else, and remembered."""
        return (await self._memory.ask(("certificates",), _keys_by_certificate)).get(sha256, ())

    async def bind_certificate(self, id: str, way: KeyAuth, certificate: ClientCertificate | None) -> ApiKey:
        """The key opens so from now on. NotFound; Clash for a key or a certificate that cannot."""
        async with self._writing() as tx:
            bound = await _bind(tx, id, way, certificate, self._clock.now())
            await tx.commit()
        return bound

    async def revoke_key(self, id: str) -> bool:
        """True when this call revoked it; False when it was revoked before. NotFound when there is none."""
        live = (col(ApiKeyRow.id) == id, col(ApiKeyRow.revoked_at).is_(None))
        async with self._writing() as tx:
            revoked = await tx.change(update(ApiKeyRow).where(*live).values(revoked_at=self._clock.now()))
            await tx.commit()
        if not revoked and not await self._keys(col(ApiKeyRow.id) == id):
            raise errors.NotFound(f"there is no API key {id}")
        return revoked == 1

    async def list_keys(self) -> Sequence[ApiKey]:
        """Every key, oldest first, revoked and expired ones too."""
        return await self._keys(true())

    async def _keys(self, condition: ColumnElement[bool]) -> list[ApiKey]:
        async with self._reading() as tx:
            return list((await _keys(tx, condition)).values())


async def _hosted(connection: AsyncConnection) -> Sequence[HostedAgency]:
    query = select(HostedAgencyRow).order_by(col(HostedAgencyRow.code))
    rows = await Transaction(connection, shared=False).rows(HostedAgencyRow, query)
    every = (from_json(HostedAgency, row.body) for row in rows)
    return tuple(agency for agency in every if agency.left_at is None)


async def _save(tx: Transaction, agency: HostedAgency) -> None:
    values = to_hosted_row(agency).values("id")
    this = col(HostedAgencyRow.id) == agency.id
    if await tx.change(update(HostedAgencyRow).where(this).values(**values)) != 1:
        raise errors.NotFound(f"no agency {agency.id} is hosted here")


async def _that_left(tx: Transaction, agency: HostedAgency) -> HostedAgency:
    known = await _known(tx, col(HostedAgencyRow.code) == agency.code)
    if known is None or known.left_at is None:
        raise errors.Clash(f"the agency {agency.id} or its code {agency.code} is hosted here already")
    return known


async def _known(tx: Transaction, this: ColumnElement[bool]) -> HostedAgency | None:
    """Nobody accepts anything for it until this transaction ends."""
    row = await tx.first(HostedAgencyRow, select(HostedAgencyRow).where(this).with_for_update())
    return None if row is None else from_json(HostedAgency, row.body)


async def staying(tx: Transaction, id: str) -> HostedAgency:
    """The agency, which cannot leave before this writing transaction ends; NotFound when it left, or was never hosted. Many
    may hold it so at once; one that only reads holds nothing."""
    found = await tx.tuples(_STAYING if tx.is_shared else _THERE, id=id)
    agency = _hosted_as(found[0][0]) if found else None
    if agency is None or agency.left_at is not None:
        raise errors.NotFound(f"this node does not host agency {id}")
    return agency


# Asked for by every unit that accepts or admits something.
_hosted_as = lru_cache(maxsize=256)(partial(from_json, HostedAgency))


def to_hosted_row(agency: HostedAgency) -> HostedAgencyRow:
    return HostedAgencyRow.of(agency, body=to_json(HostedAgency, agency))


# Not yet with the axis, or asked of a recipient and not answered.
_OPEN_DELIVERIES = ("queued", "sending", *sorted(REQUESTED))
# Not yet judged, or waiting for a person.
_OPEN_PACKETS = ("landed", "waiting", "held", "quarantined", "malformed")
# A question about signatures that is asked again later binds nobody.
_NO_WORK = "signatures"


async def open_work(tx: Transaction, agency_id: str) -> Mapping[str, int]:
    """`deliveries`, `packets`, `documents` (no clerk has decided), `answers` (still to be sent), `jobs`, `holds` (not
    decided, or not brought to their end); only those there are."""
    parts: Mapping[str, tuple[type, ColumnElement[bool]]] = {
        "deliveries": (DeliveryRow, col(DeliveryRow.state).in_(_OPEN_DELIVERIES)),
        "packets": (InboxRow, col(InboxRow.state).in_(_OPEN_PACKETS)),
        "documents": (IncomingRow, col(IncomingRow.state).in_([*map(str, UNDECIDED)])),
        "answers": (OutboxRow, col(OutboxRow.state) == WAITING),
        "jobs": (JobRow, (col(JobRow.kind) != _NO_WORK) & jobs.is_open()),
        "holds": (HoldRow, col(HoldRow.state).in_(OPEN) | col(HoldRow.is_settled).is_(False)),
    }
    found: dict[str, int] = {}
    for name, (table, is_open) in parts.items():
        owner: ColumnElement[bool] = table.agency_id == agency_id  # type: ignore[attr-defined]  # every tenant table has it
        counted = await tx.tuples(select(func.count()).select_from(table).where(owner, is_open))
        if counted[0][0]:
            found[name] = counted[0][0]
    return found


_NO_SECRET = "certificate "  # noqa: S105 - stands where there is none
"""With which stands, instead of a digest, what nobody's secret has: the key opens by its certificate alone."""


async def _keys(tx: Transaction, condition: ColumnElement[bool]) -> dict[str, ApiKey]:
    """By the hash of the secret; oldest first."""
    wanted = select(ApiKeyRow).where(condition).order_by(col(ApiKeyRow.created_at), col(ApiKeyRow.id))
    rows = await tx.rows(ApiKeyRow, wanted)
    known = select(col(ApiKeyRow.id)).where(condition)
    owners = select(PrincipalRow).where(
        col(PrincipalRow.id).in_(select(col(ApiKeyRow.principal_id)).where(condition))
    )
    principals = {row.id: _to_principal(row) for row in await tx.rows(PrincipalRow, owners)}
    served: dict[str, list[str]] = {row.id: [] for row in rows}
    links = select(ApiKeyAgencyRow).where(col(ApiKeyAgencyRow.key_id).in_(known))
    for link in await tx.rows(ApiKeyAgencyRow, links.order_by(col(ApiKeyAgencyRow.agency_id))):
        served[link.key_id].append(link.agency_id)
    return {row.secret_hash: to_key(row, principals[row.principal_id], served[row.id]) for row in rows}


async def _keys_by_secret(connection: AsyncConnection) -> Mapping[str, ApiKey]:
    return await _keys(Transaction(connection, shared=False), true())


async def _keys_by_certificate(connection: AsyncConnection) -> Mapping[str, Sequence[ApiKey]]:
    """Those that a certificate alone opens, ended ones too, by its SHA-256; oldest first."""
    found: dict[str, list[ApiKey]] = {}
    alone = col(ApiKeyRow.way) == KeyAuth.CERTIFICATE.value
    for each in (await _keys(Transaction(connection, shared=False), alone)).values():
        if each.certificate is not None:
            found.setdefault(each.certificate.sha256, []).append(each)
    return found


async def _keys_by_system(connection: AsyncConnection) -> Mapping[str, Sequence[ApiKey]]:
    """Newest first."""
    found: dict[str, list[ApiKey]] = {}
    every = await _keys(Transaction(connection, shared=False), col(ApiKeyRow.system).is_not(None))
    for each in reversed(list(every.values())):
        found.setdefault(each.system or "", []).append(each)
    return found


async def _bind(
    tx: Transaction, id: str, way: KeyAuth, certificate: ClientCertificate | None, now: datetime
) -> ApiKey:
    """The key as it opens from now on. NotFound; Clash for a key that cannot open so."""
    ((secret_hash, key),) = (await _keys(tx, col(ApiKeyRow.id) == id)).items() or (("", None),)
    if key is None:
        raise errors.NotFound(f"there is no API key {id}")
    if key.has_ended(now) or key.system is not None:
        raise errors.Clash(
            "a key that has ended, or is a document system's, takes no certificate", code="GW-CERT-KEY"
        )
    if way is not KeyAuth.CERTIFICATE and secret_hash.startswith(_NO_SECRET):
        raise errors.Clash(
            "this key was made without a secret and opens by a certificate alone; make another key",
            code="GW-CERT-SECRET",
        )
    bound = replace(key, way=way, certificate=certificate)
    await _refuse_taken(tx, bound, now)
    await tx.change(update(ApiKeyRow).where(col(ApiKeyRow.id) == id).values(**_opened_by(bound)))
    return bound


async def _refuse_taken(tx: Transaction, key: ApiKey, now: datetime) -> None:
    """Clash where the certificate would open two keys: a call that brings nothing else could mean either."""
    if (key.way is KeyAuth.SECRET) != (key.certificate is None):
        raise errors.Clash("a certificate is bound where one is asked for, and nowhere else")
    if key.way is not KeyAuth.CERTIFICATE or key.certificate is None:
        return
    sha256 = key.certificate.sha256
    await tx.hold("client certificate", sha256)
    same = (col(ApiKeyRow.certificate_sha256) == sha256) & (col(ApiKeyRow.way) == KeyAuth.CERTIFICATE.value)
    others = await _keys(tx, same & (col(ApiKeyRow.id) != key.id))
    if taken := [each.id for each in others.values() if not each.has_ended(now)]:
        raise errors.Clash(
            f"this certificate alone opens the key {taken[0]} already; revoke that one, or ask for both",
            code="GW-CERT-TAKEN",
        )


def _to_principal(row: PrincipalRow) -> Principal:
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


def _key_row(key: ApiKey, secret_hash: str | None) -> ApiKeyRow:
    """Without the digest of a secret no bearer of a text is let in."""
    return ApiKeyRow.of(
        key,
        principal_id=key.principal.id,
        scopes=to_json(tuple[ApiScope, ...], tuple(sorted(key.scopes))),
        secret_hash=secret_hash or f"{_NO_SECRET}{key.id}",
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
