"""The dated table of the algorithms that this program accepts: keys of signatures, digests, signatures of checkpoints. The
judges of envelopes, of chains and keys, of signatures in PDFs, and of lists and letters read it, each for the time for
which it judges. In: a name such as `rsa-2048`, a time. Out: whether it is accepted then. An operator can shorten a row
(`trust.algorithms_until`) and never lengthen one. No row has an end of its own: no act that the project rests on states
one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property

from gateway.domain.wall_clock import midnight

ALWAYS, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_CURVES = {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384", "secp521r1": "ecdsa-p521"}


class AlgorithmKind(StrEnum):
    """Use of an algorithm."""

    KEY = "key"
    DIGEST = "digest"
    NOTE = "note"


class Judge(StrEnum):
    """Judge that accepts an algorithm. `ENVELOPE_384` is that of envelopes where P-384 is allowed, `FEED` that of
    lists of the registry, receipts for them, and letters of nodes."""

    ENVELOPE = "envelope"
    ENVELOPE_384 = "envelope-384"
    CHAIN = "chain"
    PDF = "pdf"
    FEED = "feed"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """Row of the table. `size` is the least number of bits; `until` the last day in Viet Nam on which it is accepted, None
    for no end; `verdict` the code of a signature after it, which is CERT-CHAIN for a certificate in a chain; `basis` the
    reason to accept it."""

    name: str
    kind: AlgorithmKind
    size: int
    judges: frozenset[Judge]
    basis: str
    since: date | None = None
    until: date | None = None
    verdict: str = "SIG-WEAK"

    @property
    def begins_at(self) -> datetime:
        return ALWAYS if self.since is None else midnight(self.since)

    @property
    def ends_at(self) -> datetime:
        """Return the first moment at which it is refused."""
        return NEVER if self.until is None else midnight(self.until + timedelta(days=1))

    def is_accepted(self, at: datetime) -> bool:
        return self.begins_at <= at < self.ends_at

    def explain(self) -> str:
        """Say in one clause between which days it is accepted."""
        begin = f" from {self.since.isoformat()}" if self.since else ""
        return f"{self.name} is accepted{begin} until {self.until.isoformat() if self.until else 'further notice'}"


_ENVELOPES = frozenset({Judge.ENVELOPE, Judge.ENVELOPE_384, Judge.FEED})
_CERTIFICATES = frozenset({Judge.CHAIN, Judge.PDF})
_PDF, _NOTES = frozenset({Judge.PDF}), frozenset({Judge.NOTE})
_P384 = _CERTIFICATES | {Judge.ENVELOPE_384, Judge.FEED}
_KEY, _DIGEST, _NOTE = AlgorithmKind
_PROFILE, _STRENGTH = "W8 (permitted keys), K3 (chain)", "K3 (chain): 112 bits of strength or more"
_SHA2 = "K3 (chain): SHA-256 or better"


def _row(name: str, kind: AlgorithmKind, size: int, judges: frozenset[Judge], basis: str) -> Algorithm:
    return Algorithm(name=name, kind=kind, size=size, judges=judges, basis=basis)


@dataclass(frozen=True, eq=False)  # compared by identity, so that caches find it fast
class Algorithms:
    """Table with one row for each name."""

    rows: tuple[Algorithm, ...]

    @cached_property
    def _by_name(self) -> Mapping[str, Algorithm]:
        return {row.name: row for row in self.rows}

    def find(self, name: str) -> Algorithm | None:
        return self._by_name.get(name)

    def accepts(self, name: str, judge: Judge, at: datetime | None = None) -> bool:
        """Tell whether that judge accepts it at that time; without a time, whether at any."""
        row = self.find(name)
        return row is not None and judge in row.judges and (at is None or row.is_accepted(at))

    def span(self, names: Sequence[str], judge: Judge) -> tuple[datetime, datetime] | None:
        """Return the first moment at which that judge accepts all of them, and the first at which no more; None where it
        never does."""
        rows = [row for row in map(self.find, names) if row is not None and judge in row.judges]
        if len(rows) < len(names):
            return None
        return max(row.begins_at for row in rows), min(row.ends_at for row in rows)

    def describe(self, judge: Judge) -> str:
        """Return the names that a judge accepts, with the last days of those that have one."""
        rows = [row for row in self.rows if judge in row.judges]
        return ", ".join(row.name + (f" until {row.until}" if row.until else "") for row in rows)

    def name_of_rsa(self, bits: int) -> str:
        """Return the name of the row of RSA keys of that length: the largest that it reaches."""
        sizes = [row.size for row in self.rows if row.name.startswith("rsa-") and row.size <= bits]
        return f"rsa-{max(sizes, default=bits)}"

    def shortened(self, days: Mapping[str, date]) -> Algorithms:
        """Return the table in which these rows end on these days, where they do not end before."""
        return Algorithms(
            tuple(
                replace(row, until=min(days[row.name], row.until or days[row.name]))
                if row.name in days
                else row
                for row in self.rows
            )
        )

    @property
    def days(self) -> dict[str, date]:
        """Return the last day of each row that has one."""
        return {row.name: row.until for row in self.rows if row.until is not None}


def name_of_curve(curve: str) -> str:
    """Return the name of the row of keys on that curve, which is named as in X.509 libraries."""
    return _CURVES.get(curve, curve)


ALGORITHMS = Algorithms(
    (
        _row("rsa-2048", _KEY, 2048, _ENVELOPES | _CERTIFICATES, _PROFILE),
        _row("rsa-3072", _KEY, 3072, _ENVELOPES | _CERTIFICATES, _PROFILE),
        _row("rsa-4096", _KEY, 4096, _ENVELOPES | _CERTIFICATES, _PROFILE),
        _row("ecdsa-p256", _KEY, 256, _ENVELOPES | _CERTIFICATES, _PROFILE),
        _row(
            "ecdsa-p384", _KEY, 384, _P384, f"{_STRENGTH}; in envelopes by policy (W8), in lists and letters"
        ),
        _row("ecdsa-p521", _KEY, 521, _CERTIFICATES, _STRENGTH),
        _row("sha256", _DIGEST, 256, _ENVELOPES | _CERTIFICATES, f"W4 (envelope); {_SHA2}"),
        _row("sha384", _DIGEST, 384, _P384, f"{_SHA2}; in envelopes with P-384"),
        _row("sha512", _DIGEST, 512, _CERTIFICATES, _SHA2),
        _row("sha3-256", _DIGEST, 256, _PDF, "ETSI TS 119 312"),
        _row("sha3-384", _DIGEST, 384, _PDF, "ETSI TS 119 312"),
        _row("sha3-512", _DIGEST, 512, _PDF, "ETSI TS 119 312"),
        _row("ed25519", _NOTE, 256, _NOTES, "C2SP signed-note"),
        _row("ml-dsa-44", _NOTE, 2560, _NOTES, "FIPS 204, C2SP tlog-cosignature"),
    )
)
