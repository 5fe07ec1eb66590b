"""What a doctor says of the parts of a node beside trust: the sealed log, a clock that was set back, the places where
things are kept, periodic jobs, how fast the node serves (R100, T26), the scanner for malware, the sealed hold, and
the servers of other programs. In: where each stands, the time. Out: level, cause, what to tell, and the command that
cures it; nothing where there is nothing to say. Changes nothing.

Of broker and database the certificate that they show is looked at, even one that nobody accepts any more: so one that
has expired is named as what breaks the line, and one that ends is named weeks before, while there is time to renew
it. Nothing is believed by that: whom to trust the connections themselves decide."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from gateway.domain.document import Lane
from gateway.domain.hold import HoldState
from gateway.domain.pace import LIMITED, JobDay, Slot, paces
from gateway.errors import GatewayError
from gateway.folder.state import FolderState
from gateway.policy import upkeep
from gateway.ports import ScannerState
from gateway.ports.node import LogHead
from gateway.ports.webhooks import WebhookLoad
from gateway.settings import Settings
from gateway.store import data_folder
from gateway.store.data_folder import Disk
from gateway.store.reporting import Load
from gateway.transport.amqp.access import read_servers
from gateway.workers.pulse import ProcessBeat

# The authority is asked every hour; after a day somebody should ask it in person.
UNSTAMPED_YELLOW = timedelta(hours=24)
UNPUBLISHED_YELLOW = timedelta(days=7)
# A log of a day or less need not have been published yet.
_YOUNG = 1440


GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of one check. `cause` is a label key below `doctor.`, `cure` a command or None."""

    check: str
    level: str
    cause: str
    params: Mapping[str, object] = field(default_factory=dict)
    cure: str | None = None


def log_findings(
    head: LogHead, now: datetime, *, stamped: bool, closes_after: timedelta = timedelta()
) -> Iterator[Diagnosis]:
    """The state of the log, and what is late. Without a timestamp for longer than `closes_after` nothing is taken in."""
    if head.unsealed_since is not None and upkeep.is_unsealed(head, now):
        since = {"since": _clock(head.unsealed_since)}
        yield Diagnosis("log", RED, "log.unsealed", since, "gateway serve")
    elif head.seal is None:
        yield Diagnosis("log", GREEN, "log.none")
    else:
        yield Diagnosis("log", GREEN, "log.fine", {"at": _clock(head.seal.signed.seal.at)})
    if upkeep.lacks_stamp(head, closes_after, now):
        yield Diagnosis(
            "log", RED, "log.closed", {"since": _clock(head.unstamped_since)}, "gateway config show"
        )
    elif stamped and upkeep.lacks_stamp(head, UNSTAMPED_YELLOW, now):
        yield Diagnosis("log", YELLOW, "log.unstamped", {"since": _clock(head.unstamped_since)})
    if head.seal is not None and _is_unpublished(head, now):
        since = {"since": _clock(head.published_at)}
        yield Diagnosis(
            "log", YELLOW, "log.unpublished", since, "gateway audit publish --to seal-of-this-node.seal"
        )


def _is_unpublished(head: LogHead, now: datetime) -> bool:
    if head.published_at is not None:
        return now - head.published_at > UNPUBLISHED_YELLOW
    return head.seal is not None and head.seal.signed.seal.number > _YOUNG


def _clock(at: datetime | None) -> str:
    return at.isoformat(timespec="minutes") if at is not None else "–"


CLOCK_SKEW = timedelta(minutes=5)
SET_CLOCK = "timedatectl set-ntp true"


def clock_set_back(ahead: Mapping[str, int], written: datetime | None, now: datetime) -> Iterator[Diagnosis]:
    """Nothing waits for such a time; a person should know why they are there."""
    tables = [table for table, count in ahead.items() if count]
    late = written if written is not None and written - now > CLOCK_SKEW else None
    if tables or late:
        told = {
            "count": sum(ahead.values()),
            "tables": ", ".join(tables) or "–",
            "written": late.isoformat(timespec="seconds") if late else "–",
        }
        yield Diagnosis("clock", YELLOW, "clock.moved", told, SET_CLOCK)


def folder_findings(data: Path, axis: Path | None, keys: Path) -> Iterator[Diagnosis]:
    """`axis`: None where the axis is no folder of this machine."""
    for name, path in (("data", data), ("axis", axis), ("keys", keys)):
        if path is not None:
            yield _folder(f"folder.{name}", path, is_closed=name == "keys")


def _folder(check: str, path: Path, *, is_closed: bool) -> Diagnosis:
    told = {"path": path}
    if not path.is_dir():
        return Diagnosis(check, RED, "folder.missing", told, f"mkdir -p {path}")
    if not os.access(path, os.W_OK | os.X_OK):
        return Diagnosis(check, RED, "folder.read_only", told, f"chmod u+rwx {path}")
    if is_closed and path.stat().st_mode & 0o077:
        return Diagnosis(check, RED, "folder.open", told, f"chmod 700 {path}")
    return Diagnosis(check, GREEN, "folder.fine", told)


def database_findings(file: Path) -> Iterator[Diagnosis]:
    """Said only of one that others can read: it holds what agencies write to each other about."""
    if file.is_file() and file.stat().st_mode & 0o077:
        cure = f"chmod 600 {file}*"
        yield Diagnosis("database.file", YELLOW, "database.open", {"path": file}, cure)


_DISK_LEVELS = {data_folder.GOOD: GREEN, data_folder.LOW: YELLOW, data_folder.FULL: RED}


def disk_findings(disks: Iterable[Disk]) -> Iterator[Diagnosis]:
    for disk in disks:
        level = _DISK_LEVELS[disk.word]
        params = {"path": disk.path, "free_bytes": disk.space.bytes, "places": ", ".join(disk.places)}
        cure = None if level == GREEN else f"du -xh --max-depth=2 {disk.path} | sort -h | tail"
        cause = "disk.inodes" if disk.space.lacks_inodes else "disk.fine" if level == GREEN else "disk.low"
        yield Diagnosis("disk", level, cause, params, cure)


def job_findings(days: Sequence[JobDay], now: datetime) -> Iterator[Diagnosis]:
    found: dict[str, list[str]] = {upkeep.LATE: [], upkeep.FAULTY: []}
    for each in upkeep.job_lines(days, now):
        if each.word in found:
            found[each.word].append(each.job)
    if late := [each for each in found[upkeep.LATE] if each != "backup"]:
        yield Diagnosis("jobs", YELLOW, "jobs.late", {"jobs": tuple(late)}, "gateway serve")
    if "backup" in found[upkeep.LATE]:
        cure = "gateway backup --passphrase-file passphrase.txt"
        yield Diagnosis("jobs", YELLOW, "jobs.late", {"jobs": ("backup",)}, cure)
    if faulty := found[upkeep.FAULTY]:
        yield Diagnosis("jobs", YELLOW, "jobs.faulty", {"jobs": tuple(faulty)})
    if days and not any(found.values()):
        yield Diagnosis("jobs", GREEN, "jobs.fine")


def worker_findings(workers: Sequence[ProcessBeat], *, has_run: bool, now: datetime) -> Iterator[Diagnosis]:
    """`has_run`: some process of the node was started once, so that its workers are missed."""
    alive = [worker for worker in workers if worker.lives(now)]
    stuck = [worker for worker in alive if worker.stuck]
    if not alive:
        level, cause = (RED, "workers.none") if has_run else (YELLOW, "workers.never")
        seen = max((worker.at for worker in workers), default=None)
        yield Diagnosis("workers", level, cause, {"at": _clock(seen)}, "gateway serve")
    elif stuck:
        loops = sorted({loop for worker in stuck for loop in worker.stuck})
        level = RED if len(stuck) == len(alive) else YELLOW
        params = {"processes": ", ".join(worker.process for worker in stuck), "loops": ", ".join(loops)}
        yield Diagnosis("workers", level, "workers.stuck", params, "systemctl restart gateway.target")
    else:
        yield Diagnosis("workers", GREEN, "workers.fine", {"count": len(alive)})


def pace_findings(slots: Iterable[Slot]) -> Iterator[Diagnosis]:
    found = [each for each in paces(slots) if each.way in LIMITED]
    for each in found:
        if each.is_slow:
            told = {"way": each.way, "lane": each.lane, "late": each.late, "count": each.count}
            yield Diagnosis("pace", YELLOW, "pace.slow", told, "gateway status")
    if found and not any(each.is_slow for each in found):
        sums = {"late": sum(each.late for each in found), "count": sum(each.count for each in found)}
        yield Diagnosis("pace", GREEN, "pace.fine", sums)


def scanner_finding(state: ScannerState) -> Diagnosis:
    """A scanner that is down stops nothing that is here already, and loses nothing."""
    if state.word == "off":
        return Diagnosis("scanner", YELLOW, "scanner.off")
    if state.word == "ok":
        return Diagnosis("scanner", GREEN, "scanner.fine", {"version": state.detail})
    return Diagnosis("scanner", RED, "scanner.down", {"reason": state.detail})


def hold_findings(counts: Mapping[str, int], *, has_recipient: bool) -> list[Diagnosis]:
    """`counts` are the open holds by state."""
    frozen, sealed = counts.get(HoldState.FROZEN, 0), counts.get(HoldState.SEALED, 0)
    told = []
    if frozen and not has_recipient:
        told.append(Diagnosis("hold", RED, "hold.unsealed", {"count": frozen}, "gateway hold key"))
    elif frozen:
        told.append(Diagnosis("hold", YELLOW, "hold.frozen", {"count": frozen}, "gateway serve"))
    if sealed:
        told.append(Diagnosis("hold", YELLOW, "hold.open", {"count": sealed}, "gateway hold list"))
    if not told:
        told.append(Diagnosis("hold", GREEN, "hold.none" if has_recipient else "hold.no_key"))
    return told


def webhook_findings(load: WebhookLoad) -> Iterator[Diagnosis]:
    """Nothing is lost of one that stands still: it is told when it goes on. But its program does not know."""
    if dead := load.dead:
        yield Diagnosis("webhooks", YELLOW, "webhooks.paused", {"count": dead}, "gateway webhooks list")
    if failing := load.endpoints.get("failing", 0):
        yield Diagnosis("webhooks", YELLOW, "webhooks.failing", {"count": failing}, "gateway webhooks list")
    if load.endpoints and not dead and not failing:
        yield Diagnosis("webhooks", GREEN, "webhooks.fine", {"count": load.endpoints.get("active", 0)})


def system_findings(is_open: bool, active: int, stuck: Mapping[str, int]) -> Iterator[Diagnosis]:
    """The compatibility door. What a system could not take waits for a person, also while the door is closed."""
    if count := sum(stuck.values()):
        told = {"count": count, "systems": ", ".join(sorted(stuck))}
        yield Diagnosis("compat", YELLOW, "compat.stuck", told, "gateway compat stuck")
    if is_open and not active:
        yield Diagnosis("compat", YELLOW, "compat.nobody", {}, "gateway compat add SYSTEMID --agency CODE")
    elif active and not is_open:
        yield Diagnosis("compat", YELLOW, "compat.closed", {"count": active}, "gateway config show")
    elif is_open and not stuck:
        yield Diagnosis("compat", GREEN, "compat.fine", {"count": active})


# As the alarms of docs/operations.md: who waits longer does so because something stands in the way.
LIES_SOON, LIES = timedelta(minutes=5), timedelta(minutes=30)


def lying_findings(load: Load, now: datetime) -> Iterator[Diagnosis]:
    """Find what waits too long to be packed, sent or verified here, whatever holds it up."""
    limits = (
        *((pile, LIES) for pile in load.jobs.values()),
        *((pile, LIES_SOON if lane == Lane.URGENT else LIES) for lane, pile in load.outbox.items()),
        *((pile, LIES_SOON) for state, pile in load.inbox.items() if state == "landed"),
    )
    lying = [pile for pile, limit in limits if pile.oldest is not None and now - pile.oldest > limit]
    if lying:
        oldest = min(pile.oldest for pile in lying if pile.oldest is not None)
        told = {
            "count": sum(pile.count for pile in lying),
            "minutes": round((now - oldest).total_seconds() / 60),
        }
        yield Diagnosis("queues", YELLOW, "queues.lying", told, "gateway queue list")


def lying_at_axis(check: str, oldest: datetime | None, now: datetime) -> Iterator[Diagnosis]:
    """Find mail that nobody fetches."""
    if oldest is not None and now - oldest > LIES_SOON:
        told = {"minutes": round((now - oldest).total_seconds() / 60)}
        yield Diagnosis(check, YELLOW, "axis.lying", told, "gateway status")


ANSWER_S = 5.0
ENDS_SOON, ENDS_NOW = timedelta(days=30), timedelta(days=7)
_POSTGRES = 5432
_ASKS_FOR_TLS = struct.pack("!ii", 8, 80877103)  # SSLRequest of PostgreSQL's protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One server of another program. `part` is what the node uses it for."""

    part: str
    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def servers_of(settings: Settings) -> tuple[Peer, ...]:
    """Those that may show a certificate; none that is reached without a network."""
    found = []
    host, port = database_host(settings.database.url)
    if host is not None:
        found.append(Peer(part="database", host=host, port=port))
    for alone in settings.each_axis().values():
        found += _brokers(alone) if alone.axis.kind == "amqp" else []
    return tuple(found)


def _brokers(settings: Settings) -> list[Peer]:
    amqp = settings.amqp
    try:
        servers = read_servers(amqp.servers)
    except GatewayError:
        servers = ()  # the line itself says what is wrong with the addresses
    return [
        Peer(part="axis", host=each.host, port=each.port, certificate=amqp.certificate, key=amqp.key)
        for each in servers
        if each.tls
    ]


def database_host(url: str) -> tuple[str | None, int]:
    """Where a database server is; None for a file, and for a socket of this machine."""
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname, parsed.port
    except ValueError:
        return None, 0  # the database itself says what is wrong with its address
    is_server = parsed.scheme.partition("+")[0] == "postgresql"
    return (host if is_server and host else None), port or _POSTGRES


def is_here(host: str) -> bool:
    """Whether this is the machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def certificate_ends(peer: Peer) -> datetime | None:
    """When the certificate that it shows ends; None where it does not answer, or has none. Sync: for the pool."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Only its dates are read: an expired one, or one of an unknown authority, is shown all the same.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        if peer.certificate is not None:
            context.load_cert_chain(peer.certificate, peer.key)
        with socket.create_connection((peer.host, peer.port), ANSWER_S) as line:
            if peer.part == "database":
                line.sendall(_ASKS_FOR_TLS)
                if line.recv(1) != b"S":
                    return None
            with context.wrap_socket(line, server_hostname=peer.host) as tls:
                der = tls.getpeercert(binary_form=True)
    except (OSError, ssl.SSLError):
        return None
    return x509.load_der_x509_certificate(der).not_valid_after_utc if der else None


def server_finding(peer: Peer, until: datetime | None, now: datetime) -> Diagnosis | None:
    """What a doctor says of it; nothing of one that shows none."""
    if until is None:
        return None
    left = until - now
    told = {"server": str(peer), "until": until.date().isoformat(), "days": max(left.days, 0)}
    check = f"{peer.part}.certificate"
    cure = f"openssl req -new -newkey rsa:3072 -nodes -subj /CN={peer.host} -addext subjectAltName=DNS:{peer.host}"
    if until <= now:
        return Diagnosis(check, RED, "server.expired", told, cure)
    if left < ENDS_SOON:
        level = RED if left < ENDS_NOW else YELLOW
        return Diagnosis(check, level, "server.expiring", told, cure)
    return Diagnosis(check, GREEN, "server.fine", told)


def identity_findings(url: str, ca: Path | None) -> list[Diagnosis]:
    """Encryption to whoever answers protects from nobody who can answer."""
    host, _ = database_host(url)
    if host is None or ca is not None or is_here(host):
        return []
    cure = 'gateway config check, after database.ca = "/etc/gateway/database-ca.pem"'
    return [Diagnosis("database.identity", YELLOW, "database.anybody", {"host": host}, cure)]


def clear_host(settings: Settings) -> str:
    """The other machine that a foreign axis is, where it is spoken to without TLS; else empty. Of one axis."""
    endpoint = {"vxp": settings.vxp.endpoint, "lgsp": settings.lgsp.endpoint}.get(settings.axis.kind, "")
    try:
        where = urlsplit(endpoint)
        host = where.hostname or ""
    except ValueError:
        return ""  # the line itself says what is wrong with its address
    return host if where.scheme == "http" and not is_here(host) else ""


def in_clear(settings: Settings) -> Mapping[str, str]:
    """By the names of the axes, of one alone under an empty name."""
    found = {name: clear_host(alone) for name, alone in settings.each_axis().items()}
    return {name: host for name, host in found.items() if host}


def clear_findings(hosts: Mapping[str, str]) -> list[Diagnosis]:
    """Of lines to foreign axes that anybody on the way reads and changes."""
    cure = 'gateway config check, after endpoint = "https://{host}"'
    return [
        Diagnosis(
            f"axis.{name}.line" if name else "axis.line",
            YELLOW,
            "axis.clear",
            {"host": host},
            cure.format(host=host),
        )
        for name, host in hosts.items()
    ]


# A look comes every few seconds, and what lacks a file waits some minutes.
FOLDER_WAITS_LONG_S = 3600.0


def hot_folder_findings(found: Sequence[FolderState]) -> Iterator[Diagnosis]:
    """What stands in the way of a hot folder, what lies there too long, and what a person has to correct."""
    for each in found:
        told: dict[str, object] = {"code": each.code, "path": each.path}
        if each.trouble:
            cure = "gateway folder check"
            yield Diagnosis("hot-folder", RED, "hot.broken", told | {"detail": each.trouble}, cure)
        elif each.waiting and each.oldest_s > FOLDER_WAITS_LONG_S:
            told |= {"count": each.waiting, "minutes": round(each.oldest_s / 60)}
            yield Diagnosis("hot-folder", YELLOW, "hot.waits", told, "gateway folder status")
        elif each.errors:
            told["count"] = each.errors
            yield Diagnosis("hot-folder", YELLOW, "hot.refused", told, f"ls {each.path}/error")
        else:
            yield Diagnosis("hot-folder", GREEN, "hot.fine", told)
