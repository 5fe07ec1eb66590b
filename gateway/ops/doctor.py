"""Examines a node from outside, also one that does not start: folders, disk, database, clock, keys, trust, axis, work
left lying. In: a `Patient`, everything by path and value; it is taken from the settings, and nothing is opened for
that. Out: one `Diagnosis` per check, each with a label key for its cause and the command that cures it. Changes
nothing; a check that cannot be made is itself a red finding. What each check says is in `doctor_checks` and
`doctor_trust`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509

from gateway.bootstrap import ground
from gateway.bootstrap.axis import open_axis
from gateway.bootstrap.ground import key_token
from gateway.bootstrap.guards import folder_rules, scanner
from gateway.bootstrap.node import MB
from gateway.clock import SystemClock
from gateway.domain.account import HostedAgency
from gateway.domain.certificates import KeyUse
from gateway.domain.pace import HISTORY_KEPT, Horizon, clocks_agree
from gateway.errors import GatewayError, StoreFailure, TransportFailure
from gateway.folder import state as folder_state
from gateway.folder.rules import FolderRules
from gateway.ops import axis_now, doctor_checks, doctor_trust
from gateway.ops.doctor_checks import CLOCK_SKEW, GREEN, SET_CLOCK, YELLOW, Peer
from gateway.ops.doctor_checks import RED as RED
from gateway.ops.doctor_checks import Diagnosis as Diagnosis
from gateway.outgoing import desk
from gateway.ports import AxisDesk, Clock, Pool, Scanner
from gateway.settings import Settings, sqlite_file
from gateway.store import migrate, reporting, restored
from gateway.store.data_folder import disks
from gateway.store.store import SqlStore
from gateway.transport.embedded import EmbeddedAxis
from gateway.trust.evidence import NodeTrust
from gateway.trust.keys import KeyDirectory
from gateway.trust.pkcs11_keys import TokenKeys
from gateway.workers.pulse import HEARTBEAT, beats, slots

# An authority needs weeks to renew a certificate; below two weeks it is urgent.
EXPIRY_YELLOW, EXPIRY_RED = timedelta(days=60), timedelta(days=14)
# No machine that runs this program has an earlier date; a dead clock battery shows so.
OLDEST_NOW = datetime(2025, 1, 1, tzinfo=UTC)
# A lease is taken up again within one; what lies longer has no worker at all.
STALE_AFTER = timedelta(minutes=10)
WRITES_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The node to examine."""

    node: str
    database_url: str
    database_file: Path | None
    data_dir: Path
    places: Mapping[str, Path]
    """Every folder that the node writes to, by name."""
    disk_reserve: int
    axis_folder: Path
    keys_folder: Path
    keys_password: bytes | None
    trust_folder: Path
    clock: Clock
    pool: Pool
    lease_s: float
    open_axis: Callable[[], AbstractAsyncContextManager[AxisDesk]] | None = None
    """Opens an axis that is not a folder; None where `axis_folder` is the axis."""
    axis_name: str = ""
    """Of one of several axes."""
    axes: Mapping[str, Patient] = field(default_factory=dict)
    """Of several axes, by name: the same node as if it had that one alone."""
    stamped: bool = False
    """Whether the log is to have timestamps."""
    closes_after: timedelta = timedelta()
    """After so long without a timestamp nothing is taken in; zero is for ever."""
    scanner: Scanner | None = None
    has_recipient: bool = False
    """Whether the head's key for the sealed hold is set."""
    database_ca: Path | None = None
    """Whom the database server must have its certificate from; None: it is not asked who it is."""
    servers: tuple[Peer, ...] = ()
    """Servers of other programs that show a certificate."""
    token: TokenKeys | None = None
    """Where keys lie that are no files."""
    folder: FolderRules | None = None
    """The hot folder, where one is set."""
    in_clear: Mapping[str, str] = field(default_factory=dict)
    """Hosts of foreign axes that are spoken to without TLS, by the names of the axes."""
    is_compat: bool = False
    """Whether the compatibility door is to be open."""


async def examine(patient: Patient) -> list[Diagnosis]:
    """Every check, in the order in which a person would mend things."""
    now = patient.clock.now()
    found = [*_places(patient), _clock(patient), _anchors(patient)]
    found += doctor_trust.list_findings(patient.trust_folder, now)
    heartbeat = patient.data_dir / HEARTBEAT
    found += doctor_checks.worker_findings(beats(heartbeat, now), has_run=heartbeat.is_dir(), now=now)
    found += doctor_checks.pace_findings(slots(heartbeat, now))
    found += await _guarded("database", _database, patient)
    if not any(each.check == "database" and each.level == RED for each in found):
        store = SqlStore(patient.database_url, patient.clock)
        try:
            for check, ask in _OF_STORE.items():
                found += await _guarded(check, ask, patient, store)
        finally:
            await store.close()
    for check, look in (("axis", _axis), ("certificates", _servers), ("scanner", _scanner)):
        found += await _guarded(check, look, patient)
    return found


def worst(findings: Sequence[Diagnosis]) -> str:
    """The worst level among them."""
    levels = {each.level for each in findings}
    return next(level for level in (RED, YELLOW, GREEN) if level in levels or level == GREEN)


async def _guarded(
    check: str, ask: Callable[..., Awaitable[list[Diagnosis]]], *given: object
) -> Sequence[Diagnosis]:
    """What an adapter refuses to say is the finding."""
    try:
        return await ask(*given)
    except GatewayError as error:
        cure = error.hint or _CURES.get(check)
        return [Diagnosis(check, RED, "failed", {"detail": str(error)}, cure)]


def _places(patient: Patient) -> Iterator[Diagnosis]:
    axis = patient.axis_folder if patient.open_axis is None and not patient.axes else None
    yield from doctor_checks.folder_findings(patient.data_dir, axis, patient.keys_folder)
    yield from doctor_checks.disk_findings(disks(patient.places, patient.disk_reserve))
    if patient.database_file is not None:
        yield from doctor_checks.database_findings(patient.database_file)


def _clock(patient: Patient) -> Diagnosis:
    """A wrong clock makes good certificates look expired, and our signatures false (K2)."""
    now = patient.clock.now()
    file = patient.database_file
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC) if file and file.exists() else now
    told = {"now": now.isoformat(timespec="seconds"), "written": written.isoformat(timespec="seconds")}
    if now < OLDEST_NOW or written - now > CLOCK_SKEW:
        return Diagnosis("clock", RED, "clock.behind", told, SET_CLOCK)
    return Diagnosis("clock", GREEN, "clock.fine", told)


async def _server_clock(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    """Leases are times: to a machine whose clock is ahead the work that another one does looks abandoned (G7)."""
    gap = await store.clock_gap(patient.clock.now)
    if clocks_agree(gap, patient.lease_s):
        return []
    told = {"seconds": round(abs(gap).total_seconds()), "most": round(patient.lease_s / 3)}
    return [Diagnosis("clock", RED, "clock.apart", told, SET_CLOCK)]


def _anchors(patient: Patient) -> Diagnosis:
    file, now = patient.trust_folder / "ca.pem", patient.clock.now()
    told: dict[str, object] = {"path": file}
    if not file.is_file():
        return Diagnosis("trust", RED, "trust.missing", told, f"cp ca.pem {file}")
    try:
        NodeTrust.from_files(file, sorted((patient.trust_folder / "chain").glob("*.pem")))
        ends = min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(file.read_bytes()))
    except (GatewayError, ValueError, OSError) as error:
        return Diagnosis("trust", RED, "failed", {"detail": str(error)})
    told["until"] = ends.date().isoformat()
    if ends - now < EXPIRY_YELLOW:
        return Diagnosis("trust", RED if ends < now else YELLOW, "trust.expiring", told)
    return Diagnosis("trust", GREEN, "trust.fine", told)


async def _database(patient: Patient) -> list[Diagnosis]:
    if patient.database_file is not None and not patient.database_file.is_file():
        path = patient.database_file
        return [Diagnosis("database", RED, "database.missing", {"path": path}, "gateway init")]
    where = await migrate.status(patient.database_url)
    if where.pending:
        told_steps = {"current": where.current or "–", "head": where.head}
        level = RED if any(step.phase == "expand" for step in where.pending) else YELLOW
        return [Diagnosis("database", level, "database.old", told_steps, "gateway migrate up")]
    whole = _schema_finding(where)
    if not where.runs_here:
        return [whole]
    now = patient.clock.now()
    horizon = Horizon.of(now, patient.lease_s)
    found = await reporting.examine(patient.database_url, now - STALE_AFTER, horizon)
    if found.damage:
        told_damage = {"detail": found.damage}
        cure = "gateway restore FILE.backup"
        return [Diagnosis("database", RED, "database.damaged", told_damage, cure)]
    stale = {table: count for table, count in found.stale.items() if count}
    told_stale = {"count": sum(stale.values()), "tables": ", ".join(stale) or "–"}
    lying = Diagnosis(
        "leases",
        YELLOW if stale else GREEN,
        "leases.stale" if stale else "leases.fine",
        told_stale,
        "gateway serve" if stale else None,
    )
    slow = [] if found.searches else [Diagnosis("search", YELLOW, "search.slow")]
    return [whole, lying, *doctor_checks.clock_set_back(found.ahead, found.written, now), *slow]


def _schema_finding(schema: migrate.SchemaStatus) -> Diagnosis:
    if not schema.is_newer:
        return Diagnosis("database", GREEN, "database.fine", {"head": schema.head})
    level = YELLOW if schema.runs_here else RED
    params = {"current": schema.current, "head": schema.head}
    return Diagnosis("database", level, "database.newer", params, "./upgrade.sh release.pub")


async def _writes(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    """A standby or a disk that became read-only answers everything and takes no document."""
    try:
        async with asyncio.timeout(WRITES_S):
            await reporting.writable(store)
    except TimeoutError:
        return []  # one long transaction of a worker, on a database with one writer
    except StoreFailure as error:
        return [Diagnosis("database", RED, "database.read-only", {"detail": str(error)}, _CURES["database"])]
    return []


async def _agencies(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    hosted = await store.hosted()
    if not hosted:
        return [Diagnosis("agencies", RED, "agencies.none", cure="gateway init")]
    keys = KeyDirectory(patient.keys_folder, patient.keys_password, patient.token)
    registry, now = doctor_trust.closed_registry(store, patient.clock), patient.clock.now()
    found = []
    for agency in hosted:
        use = await desk.signing_keys_from(registry, store, agency.code, now)
        found.append(await patient.pool.run(partial(_key, patient, keys, agency, use)))
    if patient.keys_password is None:
        found.append(Diagnosis("keys", YELLOW, "keys.unprotected"))
    return found


def _key(patient: Patient, keys: KeyDirectory, agency: HostedAgency, use: KeyUse) -> Diagnosis:
    """Without a key in force everything of the agency stays queued, and nothing it receives is answered."""
    now = patient.clock.now()
    told: dict[str, object] = {"code": agency.code}
    try:
        signer = keys.signer(agency.code, now, use)
    except GatewayError as error:
        # A key that waits for its certificate needs that, and not another key.
        waits = _waits_for_certificate(keys, agency)
        cure = f"gateway keys {'import CERTIFICATE' if waits else 'new'} --agency {agency.code}"
        return Diagnosis("keys", RED, "keys.none", told | {"detail": str(error)}, cure)
    ends = x509.load_der_x509_certificate(signer.certificate_der).not_valid_after_utc
    told |= {"until": ends.date().isoformat(), "days": (ends - now).days}
    if ends - now >= EXPIRY_YELLOW:
        return Diagnosis("keys", GREEN, "keys.fine", told)
    level = RED if ends - now < EXPIRY_RED else YELLOW
    cure = f"gateway keys new --agency {agency.code}"
    return Diagnosis("keys", level, "keys.expiring", told, cure)


def _waits_for_certificate(keys: KeyDirectory, agency: HostedAgency) -> bool:
    try:
        return any(entry.certificate_der is None for entry in keys.entries(agency.code))
    except GatewayError:
        return False


async def _restored(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    """An older copy may have brought back what was withdrawn since: the node does not open before people looked."""
    mark = await restored.waiting(store)
    if mark is None:
        return []
    told = {"at": mark.data.get("copied_at", "–")}
    return [Diagnosis("restored", RED, "restored.unconfirmed", told, "gateway restored")]


async def _work(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    counts = await store.counts()
    told = {
        "waiting": counts.get("outbox.waiting", 0) + counts.get("job.waiting", 0),
        "landed": counts.get("inbox.landed", 0),
        "failed": counts.get("outbox.failed", 0),
        "held": sum(
            counts.get(f"inbox.{state}", 0) for state in ("held", "quarantined", "malformed", "sealed")
        ),
        "parked": counts.get("inbox.waiting", 0),
    }
    now = patient.clock.now()
    lying = [*doctor_checks.lying_findings(await reporting.load(store, now), now)]
    found = [*lying] or [Diagnosis("queues", GREEN, "queues.fine", told)]
    if told["failed"]:
        cure = "gateway outbox list --state failed"
        found.append(Diagnosis("outbox", YELLOW, "queues.failed", told, cure))
    if told["held"]:
        cure = "gateway inbox list --quarantine"
        found.append(Diagnosis("quarantine", YELLOW, "queues.held", told, cure))
    return found


async def _log(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    """E2: what waits for its seal can be changed by whoever can write to the database."""
    head = await store.log.head()
    return [
        *doctor_checks.log_findings(
            head, patient.clock.now(), stamped=patient.stamped, closes_after=patient.closes_after
        )
    ]


async def _people(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    """K6: without two people nothing that this node trusts can change."""
    return [
        *await doctor_trust.people_findings(store, patient.clock),
        *await doctor_trust.anchor_findings(store, patient.trust_folder),
    ]


async def _hold(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    """R4: an incident is open until a person decided; frozen content that cannot be sealed lies in the content store."""
    return doctor_checks.hold_findings(await store.open_holds(), has_recipient=patient.has_recipient)


async def _webhooks(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    return [*doctor_checks.webhook_findings(await store.webhooks.load())]


async def _systems(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    now = patient.clock.now()
    active = {
        each.system
        for each in await store.accounts.list_keys()
        if each.system is not None
        and each.revoked_at is None
        and (each.expires_at is None or each.expires_at > now)
    }
    stuck = await store.systems.stuck_by_system()
    return [*doctor_checks.system_findings(patient.is_compat, len(active), stuck)]


async def _scanner(patient: Patient) -> list[Diagnosis]:
    if patient.scanner is None:
        return []
    return [doctor_checks.scanner_finding(await patient.scanner.state())]


async def _servers(patient: Patient) -> list[Diagnosis]:
    """Asked beside the connections: those break on a certificate that is expired, and do not say which one it is."""
    found = doctor_checks.identity_findings(patient.database_url, patient.database_ca)
    found += doctor_checks.clear_findings(patient.in_clear)
    for peer in patient.servers:
        until = await patient.pool.run(partial(doctor_checks.certificate_ends, peer))
        shown = doctor_checks.server_finding(peer, until, patient.clock.now())
        if shown is not None:
            found.append(shown)
    return found


async def _jobs(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    now = patient.clock.now()
    days = await store.history.days((now - HISTORY_KEPT).date())
    return [*doctor_checks.job_findings(days, now)]


async def _folders(patient: Patient, store: SqlStore) -> list[Diagnosis]:
    rules = patient.folder
    if rules is None:
        return []
    codes = [each.code for each in await store.hosted() if rules.has_folder(each)]
    found = await patient.pool.run(partial(folder_state.look, rules.root, rules.note, codes))
    return [*doctor_checks.hot_folder_findings(found)]


# Where the adapter names none.
_CURES = {"database": "gateway config show", "axis": "gateway axis check"}
_OF_STORE: Mapping[str, Callable[[Patient, SqlStore], Awaitable[list[Diagnosis]]]] = {
    "database": _writes,
    "clock": _server_clock,
    "restored": _restored,
    "agencies": _agencies,
    # Threat 114: what somebody wrote into the tables past the program is named, and not used.
    "bindings": lambda patient, store: doctor_trust.binding_findings(store, patient.clock),
    "people": _people,
    "work": _work,
    "jobs": _jobs,
    "log": _log,
    "revocation": lambda patient, store: doctor_trust.authority_findings(
        patient.trust_folder, store, patient.clock.now()
    ),
    "hold": _hold,
    "hot-folder": _folders,
    "webhooks": _webhooks,
    "compat": _systems,
}


async def _axis(patient: Patient) -> list[Diagnosis]:
    """Each of several by itself: one that does not answer hides no other."""
    told = [
        replace(each, check=f"axis.{name}" if each.check == "axis" else f"{each.check}.{name}")
        for name, alone in patient.axes.items()
        for each in await _guarded("axis", _one_axis, alone)
    ]
    return told if patient.axes else await _one_axis(patient)


async def _one_axis(patient: Patient) -> list[Diagnosis]:
    if patient.open_axis is not None:
        async with patient.open_axis() as axis:
            return await _line(patient, axis)
    if not (patient.axis_folder / "axis.sqlite").is_file():
        # Opening it would make it, and a doctor changes nothing.
        told = {"path": patient.axis_folder}
        return [Diagnosis("axis", YELLOW, "axis.none", told, "gateway serve")]
    axis = EmbeddedAxis(
        patient.axis_folder, patient.node, patient.clock, patient.pool, lease_s=patient.lease_s
    )
    try:
        ahead = {"axis": await axis.leased_ahead()}
        moved = doctor_checks.clock_set_back(ahead, None, patient.clock.now())
        return [*await _line(patient, axis), *moved]
    finally:
        await axis.close()


async def _line(patient: Patient, axis: AxisDesk) -> list[Diagnosis]:
    """Counting makes an axis connect; what it says of itself comes after that, and what the workers say of it."""
    try:
        heartbeat, now = patient.data_dir / HEARTBEAT, patient.clock.now()
        counts = await axis_now.count(axis, heartbeat, now)
    except TransportFailure as error:
        reason = axis.state().reason or str(error)
        cure = "gateway axis check" if patient.open_axis is not None else f"ls -ld {patient.axis_folder}"
        return [Diagnosis("axis", RED, "axis.down", {"reason": reason}, cure)]
    state = axis_now.worst_state(patient.axis_name, axis.state(), heartbeat, now)
    if state.blocked_since is not None:
        told = {"reason": state.reason}
        # RabbitMQ's own word for what it lacks; sending goes on by itself once there is room.
        cure = "rabbitmq-diagnostics check_local_alarms"
        return [Diagnosis("axis", RED, "axis.blocked", told, cure)]
    if state.down_since is not None:  # a foreign axis counts all the same what this node holds of it
        level = RED if state.connected_since is None else YELLOW
        cause = "axis.down" if level == RED else "axis.partly"
        return [Diagnosis("axis", level, cause, {"reason": state.reason}, "gateway axis check")]
    lying = [*doctor_checks.lying_at_axis("axis", await axis.oldest(), now)]
    found = [*lying] or [Diagnosis("axis", GREEN, "axis.fine", dict(counts))]
    if counts.get("dead"):
        cure = "gateway queue dead list"
        found.append(Diagnosis("axis.dead", YELLOW, "axis.dead", dict(counts), cure))
    return found


def patient_of(settings: Settings, pool: Pool, clock: Clock | None = None) -> Patient:
    """The node of these settings."""
    password = settings.keys.password
    whole = Patient(
        node=settings.node.name,
        database_url=settings.database.address,
        database_file=sqlite_file(settings),
        data_dir=settings.node.data_dir,
        places=ground.places(settings),
        disk_reserve=settings.limits.disk_free_mb * MB,
        axis_folder=settings.axis.folder,
        keys_folder=settings.keys.folder,
        keys_password=password.reveal().encode() if password else None,
        trust_folder=settings.trust.folder,
        clock=clock or SystemClock(),
        pool=pool,
        lease_s=settings.workers.lease_s,
        open_axis=_opener(settings),
        stamped=bool(settings.log.tsa_url),
        closes_after=timedelta(hours=settings.log.require_timestamp_h),
        scanner=scanner(settings, pool),
        has_recipient=settings.seal.recipient is not None,
        database_ca=settings.database.ca,
        servers=doctor_checks.servers_of(settings),
        token=key_token(settings),
        folder=folder_rules(settings),
        in_clear=doctor_checks.in_clear(settings),
        is_compat=settings.compat.vxp,
    )
    if not settings.axes:
        return whole
    alone = {
        name: replace(whole, axis_name=name, axis_folder=one.axis.folder, open_axis=_opener(one))
        for name, one in settings.each_axis().items()
    }
    return replace(whole, axes=alone)


def _opener(settings: Settings) -> Callable[[], AbstractAsyncContextManager[AxisDesk]] | None:
    return None if settings.axis.kind == "embedded" else partial(open_axis, settings)
