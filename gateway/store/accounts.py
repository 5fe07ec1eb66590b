"""Hosted agencies with the settings that they choose, principals and API keys of this node. In: agencies and keys as
operators enter them; the secrets and certificates of calls. Out: the stored agencies and keys; the open work of an agency
that leaves. Each call is a transaction of its own, except those about an agency's own settings."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache, partial

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select, true, update
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
    NumberingMode,
    Principal,
    PrincipalKind,
)
from gateway.domain.agency_profile import (
    CALENDAR_KEYS,
    NUMBERING,
    Letterhead,
    ProfileVersion,
    chosen_in_force,
    find_in_force,
    fingerprint,
    letterhead_of,
)
from gateway.domain.document import UNDECIDED
from gateway.domain.hold import OPEN
from gateway.domain.states import IN_QUEUE, REQUESTED
from gateway.ports.services import Clock
from gateway.store import api_keys, jobs
from gateway.store.memory import Memory
from gateway.store.outbox import WAITING
from gateway.store.repository import AgencyRows, OwnTransactions, select_by
from gateway.store.row import Moment, equal, from_json, to_json, value_of
from gateway.store.systems import begin
from gateway.store.tables import DeliveryRow, HoldRow, InboxRow, IncomingRow, JobRow, OutboxRow
from gateway.store.tables_node import (
    AgencyEmblemRow,
    AgencyProfileRow,
    ApiKeyAgencyRow,
    ApiKeyRow,
    HostedAgencyRow,
    PrincipalRow,
)
from gateway.store.transaction import Open, Transaction

_TOUCH_EVERY = timedelta(minutes=1)
_PROFILE = AgencyProfileRow
# The way of numbering in force, where the agency chose one.
_NUMBERING = (
    select(col(_PROFILE.value))
    .where(
        col(_PROFILE.agency_id) == col(HostedAgencyRow.id),
        col(_PROFILE.key) == NUMBERING,
        col(_PROFILE.from_when) <= bindparam("now", type_=Moment),
    )
    .order_by(col(_PROFILE.set_at).desc(), col(_PROFILE.id).desc())
    .limit(1)
    .correlate(HostedAgencyRow)
    .scalar_subquery()
)
_BODY = select(col(HostedAgencyRow.body), _NUMBERING).where(col(HostedAgencyRow.id) == bindparam("id"))
_LOCKED_BODY = _BODY.with_for_update(read=True)
_PICTURE = select(col(AgencyEmblemRow.content)).where(
    col(AgencyEmblemRow.agency_id) == bindparam("agency_id"), col(AgencyEmblemRow.id) == bindparam("id")
)
# Cached, because every unit of work that accepts or admits something needs it.
_parse_hosted = lru_cache(maxsize=256)(partial(from_json, HostedAgency))
_NEWEST_FIRST = ("set_at DESC", "id DESC")
_IN_FORCE = (
    select_by(_PROFILE, ("agency_id", "key"), _NEWEST_FIRST)
    .where(col(_PROFILE.from_when) <= bindparam("now", type_=Moment))
    .limit(1)
)
# States of deliveries that the axis does not have yet, or whose recipient has not answered a request.
_OPEN_DELIVERIES = (*IN_QUEUE, *sorted(REQUESTED))
# States of packets that are not judged yet, or wait for a person.
_OPEN_PACKETS = ("landed", "waiting", "held", "quarantined", "malformed")
# Jobs that check signatures again; they do not keep an agency from leaving.
_NO_WORK = "signatures"


class HostedAccounts(OwnTransactions):
    """Hosted agencies, principals and API keys of the node; get it as `store.accounts`."""

    def __init__(self, writing: Open, reading: Open, clock: Clock, memory: Memory) -> None:
        super().__init__(writing, reading)
        self._clock = clock
        self._memory = memory
        # When this process last stored that a key was used, by key id.
        self._used: dict[str, datetime] = {}

    async def add_hosted(self, agency: HostedAgency) -> HostedAgency:
        """Host an agency and return it as stored: an agency that left and comes back keeps its former id and documents.
        Clash when its id or code is hosted already."""
        async with self._changing() as tx:
            if not await tx.insert_new(to_hosted_row(agency)):
                agency = replace(agency, id=(await _load_former(tx, agency)).id)
                await _save(tx, agency)
        return agency

    async def leave(self, id: str) -> Mapping[str, int]:
        """End the hosting of an agency; its documents stay. If it has open work, return the counts of `open_work` and
        change nothing. NotFound when it is not hosted."""
        async with self._writing() as tx:
            agency = await _find_hosted(tx, col(HostedAgencyRow.id) == id)
            if agency is None or agency.left_at is not None:
                raise errors.NotFound(f"no agency {id} is hosted here")
            # Counted under the agency's lock, so that no new work is accepted for it meanwhile.
            if work := await open_work(tx, id):
                return work
            await _save(tx, replace(agency, left_at=self._clock.now()))
            await tx.commit()
        return {}

    async def hosted(self) -> Sequence[HostedAgency]:
        """Return every hosted agency in the order of codes; cached, because every packet needs them."""
        agencies, versions = await self._memory.ask(("hosted",), _load_hosted)
        if not versions:
            return agencies
        now = self._clock.now()
        return tuple(_numbered(a, find_in_force(versions.get(a.id, ()), NUMBERING, now)) for a in agencies)

    async def with_profile(self, id: str) -> tuple[HostedAgency, Mapping[str, ProfileVersion]]:
        """Return a hosted agency and what it chose and is in force, by setting; in one look, because every document needs
        both. NotFound when it is not hosted."""
        agencies, versions = await self._memory.ask(("hosted",), _load_hosted)
        agency = _find_agency(agencies, id)
        if id not in versions:
            return agency, {}
        chosen = chosen_in_force(versions[id], self._clock.now())
        return _numbered(agency, chosen.get(NUMBERING)), chosen

    async def chosen_by(self, id: str) -> Mapping[str, ProfileVersion]:
        """Return what an agency chose and is in force, by setting; nothing of one that is not hosted."""
        _, versions = await self._memory.ask(("hosted",), _load_hosted)
        return chosen_in_force(versions.get(id, ()), self._clock.now())

    async def letterhead(self, id: str) -> Letterhead:
        """Return the head of the papers that a hosted agency prints, with the picture of its emblem. NotFound when it is
        not hosted."""
        letterhead = letterhead_of(*await self.with_profile(id))
        if not letterhead.emblem:
            return letterhead
        async with self._reading() as tx:
            picture = await tx.scalar(_PICTURE, agency_id=id, id=letterhead.emblem)
        return replace(letterhead, picture=picture or b"")

    async def numbering_at_hosting(self, id: str) -> NumberingMode:
        """Return the way of numbering with which an agency was hosted, which holds where it chose none. NotFound when it is
        not hosted."""
        agencies, _ = await self._memory.ask(("hosted",), _load_hosted)
        return _find_agency(agencies, id).numbering

    async def hosted_by_code(self, code: str) -> HostedAgency | None:
        """Find a hosted agency by its present code, or else by an alias; letter case is ignored."""
        folded = code.casefold()
        agencies = await self.hosted()
        by_code = next((a for a in agencies if a.code.casefold() == folded), None)
        if by_code is not None:
            return by_code
        return next((a for a in agencies if folded in (alias.casefold() for alias in a.aliases)), None)

    async def principal_for(self, kind: PrincipalKind, name: str, agency_id: str | None = None) -> Principal:
        """Return the principal of that kind, name and agency; create it when it does not exist."""
        owner = agency_id or ""
        row = PrincipalRow(id=self._clock.new_id("prn_"), kind=kind.value, name=name, owner=owner)
        is_same = equal(PrincipalRow, kind=kind.value, name=name, owner=owner)
        async with self._changing() as tx:
            if not await tx.insert_new(row):
                row = await tx.first(PrincipalRow, select(PrincipalRow).where(is_same)) or row
        return api_keys.to_principal(row)

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
        """Add a key, of whose secret only the SHA-256 is stored, and return it. A fast hash is safe, because the secret is
        256 random bits; a slow one would only slow every request. A key without a secret is opened by its certificate
        alone. Clash when the secret exists, an agency does not, or the certificate already opens another key."""
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
        async with self._changing() as tx:
            await api_keys.check_certificate_free(tx, key, key.created_at)
            if not await tx.insert_new(api_keys.key_row(key, secret_hash)):
                raise errors.Clash("a key with this secret exists already; make a new secret")
            tx.insert(*(ApiKeyAgencyRow(agency_id=id, key_id=key.id) for id in key.agency_ids))
        return key

    async def add_system_key(self, key: ApiKey, *, old_ends_at: datetime | None = None) -> None:
        """Add the credential of a document system. Clash when the system has a valid one, unless `old_ends_at` is given:
        the old one is then valid until that time, beside the new one."""
        async with self._changing() as tx:
            name = key.system or ""
            await tx.hold("systems", name)
            now = self._clock.now()
            keys = (await api_keys.load_keys(tx, col(ApiKeyRow.system) == name)).values()
            live_ids = [k.id for k in keys if not k.has_ended(now)]
            if live_ids and old_ends_at is None:
                raise errors.Clash(
                    f"the system {name} has a credential already",
                    code="GW-SYSTEM-KNOWN",
                    hint=f"give it another secret with: gateway compat rotate {name}",
                )
            if live_ids and old_ends_at is not None:
                ends_later = or_(col(ApiKeyRow.expires_at).is_(None), col(ApiKeyRow.expires_at) > old_ends_at)
                mine = update(ApiKeyRow).where(col(ApiKeyRow.id).in_(live_ids), ends_later)
                await tx.change(mine.values(expires_at=old_ends_at))
            # No secret has this digest, so the key cannot be used as a bearer token.
            tx.insert(api_keys.key_row(key, f"system {key.id}"))
            tx.insert(*(ApiKeyAgencyRow(agency_id=id, key_id=key.id) for id in key.agency_ids))
            for id in key.agency_ids:
                await begin(tx, id, name)

    async def keys_of_system(self, system: str) -> Sequence[ApiKey]:
        """Return every credential of that document system, also ended ones, the newest first; cached."""
        return (await self._memory.ask(("systems",), api_keys.keys_by_system)).get(system, ())

    async def touch(self, key: ApiKey) -> None:
        """Store that a key is used now, at most once a minute for each key."""
        now = self._clock.now()
        used_at = self._used.get(key.id, key.used_at)
        if used_at is None or now - used_at >= _TOUCH_EVERY:
            self._used[key.id] = now
            await self._change(update(ApiKeyRow).where(col(ApiKeyRow.id) == key.id).values(used_at=now))

    async def find_key(self, secret_hash: str) -> ApiKey | None:
        """Return the key with this secret and store its use; None when it is unknown, revoked or expired. Keys are cached,
        because every call needs one."""
        key, now = (
            (await self._memory.ask(("keys",), api_keys.keys_by_secret)).get(secret_hash),
            self._clock.now(),
        )
        if key is None or key.has_ended(now):
            return None
        key = replace(key, used_at=self._used.get(key.id, key.used_at))
        await self.touch(key)
        return key

    async def ended_key(self, secret_hash: str) -> ApiKey | None:
        """Return the key with this secret if it was revoked or has expired, else None."""
        now = self._clock.now()
        mine = or_(col(ApiKeyRow.secret_hash) == secret_hash, col(ApiKeyRow.earlier_hash) == secret_hash)
        async with self._reading() as tx:
            key = (await api_keys.load_secrets(tx, mine)).get(secret_hash)
        return key if key is not None and key.has_ended(now) else None

    async def keys_of_certificate(self, sha256: str) -> Sequence[ApiKey]:
        """Return every key, also ended ones, that this certificate alone opens, the oldest first. Cached, because every
        call with only a certificate needs them."""
        return (await self._memory.ask(("certificates",), api_keys.keys_by_certificate)).get(sha256, ())

    async def bind_certificate(self, id: str, auth: KeyAuth, certificate: ClientCertificate | None) -> ApiKey:
        """Change how a key is opened (secret, certificate or both), and return it. NotFound when there is no such key;
        Clash when the key or the certificate does not allow it."""
        async with self._changing() as tx:
            return await api_keys.bind_certificate(tx, id, auth, certificate, self._clock.now())

    async def rotate_secret(
        self, id: str, secret_hash: str, prefix: str, earlier_ends_at: datetime
    ) -> ApiKey:
        """Give a key another secret; the present one is valid beside it until that time. NotFound when there is no such
        key; Clash when it has ended, has no secret, or has two that are valid."""
        async with self._changing() as tx:
            ((present, key),) = (await api_keys.load_keys(tx, col(ApiKeyRow.id) == id)).items() or (
                ("", None),
            )
            if key is None:
                raise errors.NotFound(f"there is no API key {id}")
            now = self._clock.now()
            if key.has_ended(now) or key.system is not None or present.startswith(api_keys.NO_SECRET):
                raise errors.Clash("a key that has ended, or has no secret of its own, takes no other secret")
            if key.earlier_ends_at is not None and key.earlier_ends_at > now:
                raise errors.Clash(
                    "the key has two valid secrets",
                    hint=f"end the earlier one with: gateway tokens retire {id}",
                )
            mine = update(ApiKeyRow).where(col(ApiKeyRow.id) == id)
            secrets = {"secret_hash": secret_hash, "prefix": prefix}
            await tx.change(mine.values(**secrets, earlier_hash=present, earlier_ends_at=earlier_ends_at))
        return replace(key, prefix=prefix, earlier_ends_at=earlier_ends_at)

    async def end_earlier_secret(self, id: str) -> bool:
        """End the secret before the present one of a key. Return False when it was not valid any more. NotFound when there
        is no such key."""
        now = self._clock.now()
        valid = update(ApiKeyRow).where(col(ApiKeyRow.id) == id, col(ApiKeyRow.earlier_ends_at) > now)
        is_ended = await self._change(valid.values(earlier_ends_at=now)) == 1
        if not is_ended and not await self._load_keys(col(ApiKeyRow.id) == id):
            raise errors.NotFound(f"there is no API key {id}")
        return is_ended

    async def revoke_key(self, id: str) -> bool:
        """Revoke a key. Return False when it was revoked before. NotFound when there is no such key."""
        live = update(ApiKeyRow).where(equal(ApiKeyRow, id=id, revoked_at=None))
        revoked = await self._change(live.values(revoked_at=self._clock.now()))
        if not revoked and not await self._load_keys(col(ApiKeyRow.id) == id):
            raise errors.NotFound(f"there is no API key {id}")
        return revoked == 1

    async def list_keys(self) -> Sequence[ApiKey]:
        """Return every key, also revoked and expired ones, the oldest first."""
        return await self._load_keys(true())

    async def _load_keys(self, condition: ColumnElement[bool]) -> list[ApiKey]:
        async with self._reading() as tx:
            return list((await api_keys.load_keys(tx, condition)).values())


def _find_agency(agencies: Sequence[HostedAgency], id: str) -> HostedAgency:
    for agency in agencies:
        if agency.id == id:
            return agency
    raise errors.NotFound(f"this node does not host agency {id}")


async def chosen_calendars(tx: Transaction, at: datetime) -> Mapping[str, Mapping[str, ProfileVersion]]:
    """Load the settings in force that change an agency's calendar or timers, by agency."""
    of_calendar = select(_PROFILE).where(col(_PROFILE.key).in_(CALENDAR_KEYS))
    ordered = of_calendar.order_by(col(_PROFILE.agency_id), col(_PROFILE.id))
    versions = await _versions_by_agency(tx, ordered)
    return {agency_id: chosen_in_force(listed, at) for agency_id, listed in versions.items()}


async def _load_hosted(
    connection: AsyncConnection,
) -> tuple[Sequence[HostedAgency], Mapping[str, Sequence[ProfileVersion]]]:
    """Load the hosted agencies, and the versions of their settings by agency."""
    tx = Transaction(connection, shared=False)
    agencies = await tx.values(to_hosted, select(HostedAgencyRow).order_by(col(HostedAgencyRow.code)))
    versions = await _versions_by_agency(tx, select(_PROFILE))
    return tuple(agency for agency in agencies if agency.left_at is None), versions


async def _versions_by_agency(
    tx: Transaction, query: Select[AgencyProfileRow]
) -> dict[str, list[ProfileVersion]]:
    versions: dict[str, list[ProfileVersion]] = {}
    for row in await tx.rows(_PROFILE, query):
        versions.setdefault(row.agency_id, []).append(value_of(ProfileVersion, row))
    return versions


def _numbered(agency: HostedAgency, version: ProfileVersion | None) -> HostedAgency:
    if version is None or not version.value:
        return agency
    return replace(agency, numbering=NumberingMode(version.value))


async def _save(tx: Transaction, agency: HostedAgency) -> None:
    if await tx.update(to_hosted_row(agency)) != 1:
        raise errors.NotFound(f"no agency {agency.id} is hosted here")


async def _load_former(tx: Transaction, agency: HostedAgency) -> HostedAgency:
    former_agency = await _find_hosted(tx, col(HostedAgencyRow.code) == agency.code)
    if former_agency is None or former_agency.left_at is None:
        raise errors.Clash(f"the agency {agency.id} or its code {agency.code} is hosted here already")
    return former_agency


async def _find_hosted(tx: Transaction, condition: ColumnElement[bool]) -> HostedAgency | None:
    """Find and lock an agency, also one that left, so that no work is accepted for it until this transaction ends."""
    return await tx.value(to_hosted, select(HostedAgencyRow).where(condition).with_for_update())


async def lock_hosted(tx: Transaction, id: str, now: datetime) -> HostedAgency:
    """Return a hosted agency at present, under a shared lock, so that it cannot leave before this transaction ends; a
    transaction that only reads takes no lock. NotFound when the agency left, or was never hosted."""
    rows = await tx.tuples(_LOCKED_BODY if tx.is_shared else _BODY, id=id, now=now)
    agency = _parse_hosted(rows[0][0]) if rows else None
    if agency is None or agency.left_at is not None:
        raise errors.NotFound(f"this node does not host agency {id}")
    numbering = rows[0][1]
    return replace(agency, numbering=NumberingMode(numbering)) if numbering else agency


def to_hosted(row: HostedAgencyRow) -> HostedAgency:
    return from_json(HostedAgency, row.body)


def to_hosted_row(agency: HostedAgency) -> HostedAgencyRow:
    return HostedAgencyRow.from_value(agency, body=to_json(HostedAgency, agency))


class SqlAgencyProfile(AgencyRows):
    """Settings of one agency: versions, which are only added."""

    async def add(self, version: ProfileVersion) -> None:
        self._tx.insert(_PROFILE.from_value(version, agency_id=self._agency_id))

    async def versions(self) -> Sequence[ProfileVersion]:
        """List every version, the newest first."""
        return await self._list(ProfileVersion, _PROFILE, *_NEWEST_FIRST)

    async def value(self, key: str, at: datetime) -> str | None:
        """Return the value in force; None where the agency chose nothing."""
        row = await self._tx.first(_PROFILE, _IN_FORCE, agency_id=self._agency_id, key=key, now=at)
        return row.value or None if row is not None else None

    async def keep_picture(self, content: bytes, by: str, at: datetime) -> None:
        """Keep the picture of an emblem; one that is kept already stays unchanged."""
        row = AgencyEmblemRow(
            agency_id=self._agency_id,
            id=fingerprint(content),
            digest=hashlib.sha256(content).hexdigest(),
            content=content,
            made_at=at,
            made_by=by,
        )
        await self._tx.insert_new(row)

    async def picture(self, id: str) -> bytes | None:
        """Return the picture with that fingerprint, of an emblem that the agency has or had; None where there is none."""
        content: bytes | None = await self._tx.scalar(_PICTURE, agency_id=self._agency_id, id=id)
        return content


async def open_work(tx: Transaction, agency_id: str) -> Mapping[str, int]:
    """Count the open work of an agency by kind, without kinds that have none: `deliveries`, `packets`, `documents`
    (undecided by a clerk), `answers` (still to be sent), `jobs`, `holds` (undecided or unsettled)."""
    parts: Mapping[str, tuple[type, ColumnElement[bool]]] = {
        "deliveries": (DeliveryRow, col(DeliveryRow.state).in_(_OPEN_DELIVERIES)),
        "packets": (InboxRow, col(InboxRow.state).in_(_OPEN_PACKETS)),
        "documents": (IncomingRow, col(IncomingRow.state).in_([*map(str, UNDECIDED)])),
        "answers": (OutboxRow, col(OutboxRow.state) == WAITING),
        "jobs": (JobRow, (col(JobRow.kind) != _NO_WORK) & jobs.is_open()),
        "holds": (HoldRow, col(HoldRow.state).in_(OPEN) | col(HoldRow.is_settled).is_(False)),
    }
    counts: dict[str, int] = {}
    for name, (table, is_open) in parts.items():
        owner: ColumnElement[bool] = table.agency_id == agency_id  # type: ignore[attr-defined]  # every tenant table has it
        if count := await tx.scalar(select(func.count()).select_from(table).where(owner, is_open)):
            counts[name] = count
    return counts
