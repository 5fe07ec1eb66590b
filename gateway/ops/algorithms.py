"""Count by algorithm what a node has in use, so that the end of one is seen early. In: settings, database, registry and the
keys' folder. Out: an `AlgorithmUse` for each row of the node's table of algorithms that is in use, and for each kind of key
that the table does not have. A certificate counts by its key and, unless it is a root, by the digest under its signature;
ended keys of the node and ended bindings do not count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from gateway.bootstrap.core import exchange_keys
from gateway.domain.algorithms import Algorithm
from gateway.trust import seals
from gateway.trust.chain import name_of_digest, name_of_key
from gateway.trust.evidence import certificates_in
from gateway.trust.note_keys import kinds_in

if TYPE_CHECKING:
    from gateway.registry.directory import SqlDirectory
    from gateway.settings import Settings
    from gateway.store.store import SqlStore

YEAR = timedelta(days=365)
_UNKNOWN = "other"


class Place(StrEnum):
    """Part of the node that uses an algorithm."""

    OWN = "own"
    AUTHORITY = "authority"
    PARTNER = "partner"
    TIMESTAMP = "timestamp"
    LOG = "log"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmUse:
    """Uses of one algorithm, by place. `row` is None where the table does not have it."""

    name: str
    row: Algorithm | None
    places: Counter[Place]

    @property
    def count(self) -> int:
        return self.places.total()

    @property
    def last_day(self) -> date | None:
        return self.row.until if self.row is not None else None

    def ends_within(self, span: timedelta, now: datetime) -> bool:
        return self.row is not None and self.last_day is not None and self.row.ends_at - now <= span


async def count_uses(
    settings: Settings, store: SqlStore, directory: SqlDirectory, now: datetime
) -> tuple[AlgorithmUse, ...]:
    """Return what is in use, in the order of the table. Misconfigured when a file of the trust folder cannot be read."""
    hosted = [agency.code for agency in await store.hosted()]
    bound = [binding for binding in await directory.in_force(now) if binding.code not in hosted]
    head = await store.log.head()
    names = [(Place.OWN, name) for name in _names_of(_own(settings, hosted, now))]
    names += [(Place.AUTHORITY, name) for name in _names_of(_authorities(settings.trust.folder))]
    names += [(Place.PARTNER, n) for n in _names_of(_load(b.certificate_der for b in bound))]
    stamp = head.stamped.stamp if head.stamped is not None else None
    times = [*seals.certificates_of(stamp)] if stamp is not None else []
    times += _in_files(settings.trust.folder / "tsa", "*.pem")
    names += [(Place.TIMESTAMP, name) for name in _names_of(dict.fromkeys(times))]
    if head.seal is not None:
        names += [(Place.LOG, "ecdsa-p256"), (Place.LOG, "sha256")]
    names += [(Place.NOTE, kind.name.lower().replace("_", "-")) for kind in kinds_in(settings.keys.folder)]
    counts: dict[str, Counter[Place]] = {}
    for place, name in names:
        counts.setdefault(name or _UNKNOWN, Counter())[place] += 1
    table = settings.trust.algorithms
    order = [row.name for row in table.rows if row.name in counts]
    order += sorted(counts.keys() - set(order))
    return tuple(AlgorithmUse(name=name, row=table.find(name), places=counts[name]) for name in order)


def _names_of(certificates: Iterable[x509.Certificate]) -> Iterator[str]:
    for certificate in certificates:
        yield name_of_key(certificate)
        if certificate.issuer != certificate.subject:
            yield name_of_digest(certificate)


def _own(settings: Settings, hosted: Iterable[str], now: datetime) -> Iterator[x509.Certificate]:
    keys = exchange_keys(settings)
    entries = [entry for code in hosted for entry in keys.entries(code)]
    ders = (e.certificate_der for e in entries if e.not_after is not None and now <= e.not_after)
    return _load(der for der in ders if der is not None)


def _authorities(folder: Path) -> Iterator[x509.Certificate]:
    for place in (folder, folder / "pdf"):
        yield from _in_files(place, "ca.pem")
        yield from _in_files(place / "chain", "*.pem")


def _in_files(folder: Path, pattern: str) -> list[x509.Certificate]:
    return [certificate for path in sorted(folder.glob(pattern)) for certificate in certificates_in(path)]


def _load(ders: Iterable[bytes]) -> Iterator[x509.Certificate]:
    return map(x509.load_der_x509_certificate, ders)
