"""Decides which rows of an issuer's list come into force here (K1, bindings), and whether a policy may do it without two
people (K6). In: a row, its certificate, what is bound and known here, the policy. Out: an outcome with a reason for
each row, and the limit that a list exceeds. Contradictions are never resolved, only named. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.domain.delegated import (
    EXCHANGE,
    Ground,
    HeldChange,
    JudgedRow,
    ListedCertificate,
    ListedRow,
    LocalBinding,
    RowReason,
    RowStanding,
    TrustPolicy,
)

MOST_AT_ONCE = 4  # K1: certificates of one code at one time
OLDEST_LIST = timedelta(days=30)
"""A list made earlier does not come into force by a policy: it may have been kept back, or played again."""
DAY = timedelta(days=1)
_EFFECTIVE = frozenset({RowStanding.READY, RowStanding.ENDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFacts:
    """A list as a whole: the codes of each key, and the certificates of each code."""

    codes_of_key: Mapping[str, frozenset[str]]
    of_code: Mapping[str, frozenset[str]]


def list_facts(rows: Iterable[ListedRow], certificates: Mapping[str, ListedCertificate]) -> ListFacts:
    """Collect what the rows of a list say together."""
    codes_of_key: dict[str, set[str]] = defaultdict(set)
    of_code: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.revoked_at is None:
            of_code[row.code].add(row.fingerprint)
            if (certificate := certificates.get(row.fingerprint)) is not None:
                codes_of_key[certificate.key].add(row.code)
    return ListFacts(
        codes_of_key={key: frozenset(codes) for key, codes in codes_of_key.items()},
        of_code={code: frozenset(fingerprints) for code, fingerprints in of_code.items()},
    )


def judge_rows(
    rows: Sequence[ListedRow],
    certificates: Mapping[str, ListedCertificate],
    ground: Ground,
    facts: ListFacts,
    now: datetime,
) -> list[JudgedRow]:
    """Judge rows of a list in its order. A row that comes into force counts for those after it. Rows of other kinds than
    certificates for packets are left out."""
    judged = []
    for row in rows:
        if row.kind == EXCHANGE:
            outcome = _judge_row(row, certificates.get(row.fingerprint), ground, facts, now)
            if outcome.standing is RowStanding.READY:
                ground.add(_bound(outcome.row, certificates[row.fingerprint].key))
            judged.append(outcome)
    return judged


def _judge_row(
    row: ListedRow,
    certificate: ListedCertificate | None,
    ground: Ground,
    facts: ListFacts,
    now: datetime,
) -> JudgedRow:
    local = next((b for b in ground.by_code[row.code] if b.fingerprint == row.fingerprint), None)
    if row.revoked_at is not None:
        return _judge_end(row, local, row.revoked_at)
    if certificate is None:
        return _conflict(row, RowReason.GONE)
    row = replace(
        row, valid_from=row.valid_from or certificate.first, valid_to=row.valid_to or certificate.last
    )
    if local is not None:
        return _judge_bound(row, local)
    reason, detail = _objection(row, certificate, ground, facts, now)
    if reason is not None:
        return _conflict(row, reason, detail)
    return JudgedRow(row=row, standing=RowStanding.READY)


def _judge_end(row: ListedRow, bound: LocalBinding | None, at: datetime) -> JudgedRow:
    """Judge that a binding ends at that moment. A list only ends what a list brought."""
    if bound is None or bound.is_withdrawn or (bound.valid_to is not None and bound.valid_to <= at):
        return JudgedRow(row=row, standing=RowStanding.SAME)
    if not bound.is_listed:
        return _conflict(row, RowReason.LOCAL, bound.fingerprint)
    return JudgedRow(row=row, standing=RowStanding.ENDS)


def _judge_bound(row: ListedRow, bound: LocalBinding) -> JudgedRow:
    """Judge a row whose certificate is bound to its code already. An end may come earlier, nothing else changes."""
    if bound.is_withdrawn:
        return _conflict(row, RowReason.WITHDRAWN, bound.fingerprint)
    if (bound.valid_from, bound.valid_to) == (row.valid_from, row.valid_to):
        return JudgedRow(row=row, standing=RowStanding.SAME)
    ends_earlier = row.valid_to is not None and (bound.valid_to is None or row.valid_to < bound.valid_to)
    if bound.valid_from == row.valid_from and ends_earlier:
        return _judge_end(row, bound, row.valid_to or bound.valid_to or datetime.max)
    return _conflict(row, RowReason.DATES, bound.fingerprint)


def _objection(
    row: ListedRow, certificate: ListedCertificate, ground: Ground, facts: ListFacts, now: datetime
) -> tuple[RowReason | None, str]:
    """Return why a certificate that is not bound yet cannot be bound, with what it contradicts."""
    if row.code not in ground.closes:
        return RowReason.UNKNOWN, ""
    closes = ground.closes[row.code]
    if closes is not None and closes <= now:
        return RowReason.CLOSED, ""
    if row.valid_to is not None and row.valid_to <= max(now, row.valid_from or now):
        return RowReason.EXPIRED, ""
    if not certificate.is_fit:
        return RowReason.UNFIT, ""
    if certificate.signed_pdfs:
        return RowReason.PDF, ""
    if other_codes := facts.codes_of_key.get(certificate.key, frozenset()) - {row.code}:
        return RowReason.KEY, min(other_codes)
    for bound in ground.by_key[certificate.key]:
        if bound.code != row.code and _overlap(bound, row):
            return RowReason.KEY, bound.code
    overlapping = [bound for bound in ground.by_code[row.code] if _overlap(bound, row)]
    for bound in overlapping:
        # Two people here decided about this code, and the list does not know their certificate.
        is_local = not bound.is_listed and not bound.is_withdrawn
        if is_local and bound.fingerprint not in facts.of_code.get(row.code, frozenset()):
            return RowReason.LOCAL, bound.fingerprint
    if len(overlapping) >= MOST_AT_ONCE:
        return RowReason.MANY, str(len(overlapping))
    return None, ""


def _overlap(bound: LocalBinding, row: ListedRow) -> bool:
    """Tell whether a binding's time overlaps the row's; no end means for ever."""
    begins_before = bound.valid_from is None or row.valid_to is None or bound.valid_from < row.valid_to
    ends_after = bound.valid_to is None or row.valid_from is None or row.valid_from < bound.valid_to
    return begins_before and ends_after


def _conflict(row: ListedRow, reason: RowReason, detail: str = "") -> JudgedRow:
    return JudgedRow(row=row, standing=RowStanding.CONFLICT, reason=reason, detail=detail)


def _bound(row: ListedRow, key: str) -> LocalBinding:
    return LocalBinding(
        code=row.code,
        fingerprint=row.fingerprint,
        key=key,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        is_withdrawn=False,
        is_listed=True,
    )


def judge_held(change: HeldChange) -> JudgedRow:
    """Judge a change of who speaks for a code."""
    present, requested = change.present, change.wanted
    changes = tuple((name, present.get(name), requested[name]) for name in sorted(requested))
    if not change.is_known:
        return replace(_conflict(change.row, RowReason.UNKNOWN), changes=changes)
    standing = RowStanding.SAME if change.is_decided and present == requested else RowStanding.READY
    return JudgedRow(row=change.row, standing=standing, changes=changes)


def hold_outside(judged: Iterable[JudgedRow], policy: TrustPolicy) -> list[JudgedRow]:
    """Hold the effective rows of codes that the policy does not cover."""
    return [
        replace(row, standing=RowStanding.HELD, reason=RowReason.OUTSIDE)
        if row.standing in _EFFECTIVE and not policy.covers(row.row.code)
        else row
        for row in judged
    ]


def hold_all(judged: Iterable[JudgedRow]) -> list[JudgedRow]:
    """Hold every effective row, because the list exceeds a limit: a list that is too large is suspect as a whole."""
    return [
        replace(row, standing=RowStanding.HELD, reason=RowReason.LIMIT) if row.standing in _EFFECTIVE else row
        for row in judged
    ]


def exceeds(policy: TrustPolicy, judged: Collection[JudgedRow], in_a_day: int, active: int) -> str:
    """Return the limit that the effective rows exceed with those of the last day: `day` or `share`; empty for none.
    `active` are the bindings in force before that day."""
    count = in_a_day + sum(row.standing in _EFFECTIVE for row in judged)
    if count == in_a_day:
        return ""
    if count > policy.most_per_day:
        return "day"
    return "share" if policy.most_share < 100 and count * 100 > policy.most_share * active else ""
