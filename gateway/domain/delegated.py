"""Delegated trust in bindings: the policy that lets an issuer's signed list bind certificates here (K6, two people), the
rows of such a list, and the proof that a row came into force with a list. In: events of an issuer and of lists. Out: the
policy in force, whether its issuer was stopped, and bindings with their proofs. Pure: the caller loads rows and events."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import Any, Literal

from gateway.domain import sealed_log
from gateway.domain.event import Bound, Event, EventKind

EXCHANGE = "exchange"
"""Kind of a listed certificate that signs packets. Lists may carry other kinds, which bind no exchange certificate."""
AGENCY = "agency"
"""Kind of a row that changes who speaks for a code; its fingerprint is the digest of what it changes."""
OFFICERS_NEEDED = 2


class ListState(StrEnum):
    """State of a received list's bindings."""

    NEW = "new"
    OPEN = "open"
    """No policy covers it: two people may approve it by its digest."""
    UNSIGNED = "unsigned"
    """A policy covers its issuer, but two valid signatures of its officers are missing."""
    WAITING = "waiting"
    HELD = "held"
    """It exceeds a limit of the policy: two people may approve it by its digest."""
    DONE = "done"
    ENDED = "ended"
    """The policy was recalled, or the issuer stopped, before it came into force."""


class RowStanding(StrEnum):
    """Outcome of judging one row of a list."""

    READY = "ready"
    ENDS = "ends"
    """The list ends a binding that a list brought."""
    SAME = "same"
    HELD = "held"
    CONFLICT = "conflict"


class RowReason(StrEnum):
    """Reason why a row does not come into force."""

    UNKNOWN = "unknown"
    CLOSED = "closed"
    KEY = "key"
    LOCAL = "local"
    WITHDRAWN = "withdrawn"
    DATES = "dates"
    MANY = "many"
    EXPIRED = "over"
    UNFIT = "unfit"
    PDF = "pdf"
    GONE = "gone"
    OUTSIDE = "outside"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRow:
    """Row of a list: a certificate of a code, by its SHA-256, or a change of who speaks for it. `revoked_at` is when the
    issuer revoked it."""

    code: str
    kind: str
    fingerprint: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRow:
    """Row of a list with its outcome; `detail` names the other code or binding of a conflict. `changes`: fields of the code
    that the row changes, each with its old and new text."""

    row: ListedRow
    standing: RowStanding
    reason: RowReason | None = None
    detail: str = ""
    changes: tuple[tuple[str, str | None, str | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldChange:
    """Change that a list asks for of who speaks for a code: fields at present and as requested. `is_known`: the registry
    has the code and its successor; `is_decided`: its take-over rests on a decision already."""

    row: ListedRow
    present: Mapping[str, str | None]
    requested: Mapping[str, str | None]
    is_known: bool
    is_decided: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBinding:
    """Certificate that is or was bound to a code here. `is_listed`: it came with a list."""

    code: str
    fingerprint: str
    key: str
    valid_from: datetime | None
    valid_to: datetime | None
    is_withdrawn: bool
    is_listed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCertificate:
    """Certificate of a row: its key, its period, whether it may sign packets, and whether its key signed PDFs here."""

    key: str
    first: datetime
    last: datetime
    is_fit: bool
    signed_pdfs: bool = False


@dataclass(slots=True)
class Ground:
    """The node's registry, as far as a list touches it: when each known code closes, and bound certificates by code and by
    key. It grows with each row that comes into force."""

    closes: Mapping[str, datetime | None]
    by_code: dict[str, list[LocalBinding]] = field(default_factory=lambda: defaultdict(list))
    by_key: dict[str, list[LocalBinding]] = field(default_factory=lambda: defaultdict(list))

    def add(self, bound: LocalBinding) -> None:
        self.by_code[bound.code].append(bound)
        self.by_key[bound.key].append(bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """Officer of an issuer: the certificate's SHA-256, its subject, and its end."""

    fingerprint: str
    name: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """Policy of delegated trust of one issuer. `officers` are those that were not struck off."""

    issuer: str
    version: int
    officers: tuple[Officer, ...]
    codes: tuple[str, ...]
    """Agencies under which codes may be bound; empty for all."""
    most_per_day: int
    most_share: int
    """Largest number of bindings in a day, in percent of those in force before."""
    wait_hours: int
    set_at: datetime
    proposed_by: str = ""
    approved_by: str = ""

    @property
    def officer_ids(self) -> tuple[str, ...]:
        """Return the SHA-256 of the officers' certificates."""
        return tuple(officer.fingerprint for officer in self.officers)

    @property
    def wait(self) -> timedelta:
        return timedelta(hours=self.wait_hours)

    def covers(self, code: str) -> bool:
        """Tell whether the policy may bind certificates of this code."""
        return not self.codes or any(code == top or code.startswith(f"{top}.") for top in self.codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """Trust in one issuer as its events tell it. `policy` is None when it was never set, or was recalled. `stopped` names
    the number of which two different lists were seen since the policy was set; nothing comes into force then."""

    issuer: str
    policy: TrustPolicy | None = None
    stopped: int | None = None
    ended_at: datetime | None = None
    reason: str = ""

    @property
    def in_force(self) -> TrustPolicy | None:
        return self.policy if self.stopped is None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingOrigin:
    """Binding, and what it rests on: two people here; or an issuer's list, by a policy with its version or by two people
    who compared the list's digest. `officers` are the SHA-256 of those who signed the list; `proof` shows that the binding
    is below the root that the event of the batch names. Of a whole list it has no code, certificate or times."""

    code: str = ""
    fingerprint: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    since: datetime
    proposed_by: str
    approved_by: str
    batch: str = ""
    issuer: str = ""
    sequence: int | None = None
    trust: str = ""
    policy: int | None = None
    officers: tuple[str, ...] = ()
    proof: str = ""

    @property
    def kind(self) -> Literal["people", "policy", "list"]:
        """Return `people`, `policy` or `list`, the last for a list that two people approved."""
        if not self.batch:
            return "people"
        return "list" if self.policy is None else "policy"


def issuer_subject(issuer: str) -> str:
    """Return the subject id of events about the trust in an issuer."""
    return f"delegation:{hashlib.sha256(issuer.encode()).hexdigest()[:32]}"


def batch_subject(batch: str) -> str:
    """Return the subject id of events about bindings that came into force together."""
    return f"list:{batch}"


def fold_delegation(issuer: str, events: Iterable[Event]) -> Delegation:
    """Compute the present trust in an issuer from its events, oldest first."""
    policy, version, stopped, ended_at, reason = None, 0, None, None, ""
    for event in events:
        data = event.data
        if event.kind is EventKind.TRUST_DELEGATED:
            version, stopped, ended_at, reason = version + 1, None, None, ""
            policy = _policy(issuer, version, event)
        elif event.kind is EventKind.TRUST_RECALLED:
            policy, ended_at, reason = None, event.at, str(data.get("reason", ""))
        elif event.kind is EventKind.LIST_SPLIT:
            stopped = int(data["sequence"])
        elif event.kind is EventKind.OFFICER_STRUCK and policy is not None:
            officers = tuple(o for o in policy.officers if o.fingerprint != data.get("fingerprint"))
            policy = replace(policy, officers=officers)
    return Delegation(issuer=issuer, policy=policy, stopped=stopped, ended_at=ended_at, reason=reason)


def _policy(issuer: str, version: int, event: Event) -> TrustPolicy:
    data: Mapping[str, Any] = event.data
    return TrustPolicy(
        issuer=issuer,
        version=version,
        officers=tuple(
            Officer(fingerprint=fingerprint, name=name, until=datetime.fromisoformat(end) if end else None)
            for fingerprint, name, end in zip_longest(
                data["officers"], data.get("names") or [], data.get("until") or [], fillvalue=""
            )
        ),
        codes=tuple(data["codes"]),
        most_per_day=data["most_per_day"],
        most_share=data["most_share"],
        wait_hours=data["wait_hours"],
        set_at=event.at,
        proposed_by=str(data.get("proposed_by", "")),
        approved_by=event.principal_id,
    )


def proof_line(bound: Bound) -> str:
    """Write a binding as the leaf of its list's tree."""
    moments = [m.isoformat() if m is not None else None for m in (bound.valid_from, bound.valid_to)]
    return json.dumps([bound.code, bound.fingerprint, *moments], separators=(",", ":"))


def _read_line(line: str) -> Bound:
    code, fingerprint, since, end = json.loads(line)
    moments = [m and datetime.fromisoformat(m) for m in (since, end)]
    return Bound(code=code, fingerprint=fingerprint, valid_from=moments[0], valid_to=moments[1])


def prove(bounds: Sequence[Bound]) -> tuple[str, list[str]]:
    """Return the root of the tree over these bindings, and for each of them the proof that it is in the tree: its place,
    the hashes beside it, and its line."""
    lines = [proof_line(bound) for bound in bounds]
    levels = [[sealed_log.leaf_hash(line.encode()) for line in lines]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [sealed_log.node_hash(a, b) for a, b in zip(below[::2], below[1::2], strict=False)]
        levels.append(pairs + below[len(pairs) * 2 :])  # a hash without a neighbour moves up unchanged
    proofs = [f"{place}:{_sibling_path(levels, place)}:{line}" for place, line in enumerate(lines)]
    root = levels[-1][0] if lines else sealed_log.EMPTY_ROOT
    return root.hex(), proofs


def _sibling_path(levels: Sequence[Sequence[bytes]], place: int) -> str:
    hashes = []
    for level in levels[:-1]:
        neighbour = place ^ 1
        if neighbour < len(level):
            hashes.append(level[neighbour])
        place >>= 1
    return b"".join(hashes).hex()


def proved_binding(proof: str, event: Event) -> Bound | None:
    """Return the binding that the proof shows to have come into force by this event; None for a wrong proof."""
    try:
        place, hashes, line = proof.split(":", 2)
        path = bytes.fromhex(hashes)
        siblings = [path[n : n + 32] for n in range(0, len(path), 32)]
        leaf = sealed_log.leaf_hash(line.encode())
        root = bytes.fromhex(str(event.data.get("root", "")))
        if not sealed_log.proves_inclusion(leaf, int(place), int(event.data["count"]), siblings, root):
            return None
        return _read_line(line)
    except (ValueError, KeyError, TypeError):
        return None
