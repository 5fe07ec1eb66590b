"""Delegated trust: the policy that lets an issuer's signed lists bind certificates here and change who speaks for a code,
what becomes of each list, and the approval of a list by two people who compare one digest (K6, two people). In: a person,
or the node's own turn. Out: bindings and changes in force, held or in conflict, each list's outcome as an event in the same
transaction. Setting a policy needs two people; recalling it, striking an officer off, and ending all bindings of a list
need one, because that only takes trust away. The rules are in `policy.delegation`."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import log
from gateway.deciding import DecisionServices, proposals
from gateway.domain.delegated import (
    AGENCY,
    EXCHANGE,
    OFFICERS_NEEDED,
    Delegation,
    JudgedRow,
    ListState,
    RowStanding,
    TrustPolicy,
    issuer_subject,
    proof_line,
)
from gateway.domain.event import Bound, Event, EventKind
from gateway.domain.person import DelegationChange, ListChange, Proposal, ProposalContent, SignedIn
from gateway.errors import Clash, NotFound
from gateway.policy import delegation as rules

if TYPE_CHECKING:
    from gateway.registry_authoring.decisions import SqlDecision
    from gateway.registry_authoring.lists import ReceivedList

NODE = "node"
_log = logging.getLogger(__name__)
NO_POLICY, NO_EFFECT, MOVED = "TRUST-NO-POLICY", "TRUST-NOTHING", "REG-MOVED"
UNFIT = "TRUST-POLICY"
MOST_WAIT_H = 30 * 24
MOST_OFFICERS = 8
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedList:
    """A list with the outcome of each row. `limit` is the limit of the policy that it exceeds, or empty."""

    received: ReceivedList
    rows: Sequence[JudgedRow]
    limit: str = ""

    def count(self, standing: RowStanding) -> int:
        return sum(row.standing is standing for row in self.rows)

    @property
    def counts(self) -> Mapping[str, int]:
        counter = Counter(str(row.standing) for row in self.rows)
        return {str(standing): counter[standing] for standing in RowStanding}

    def of_kind(self, kind: str) -> Sequence[JudgedRow]:
        """Rows of one kind, certificates or changes of who speaks for a code, which two people approve apart."""
        return [row for row in self.rows if row.row.kind == kind]

    def only(self, kind: str) -> JudgedList:
        return replace(self, rows=self.of_kind(kind))

    def compared(self, kind: str) -> str:
        """Digest that two people compare: of the certificates, or of the whole list."""
        return self.received.trust if kind == EXCHANGE else self.received.digest

    @property
    def is_effective(self) -> bool:
        return any(row.standing in _EFFECTIVE for row in self.rows)

    @property
    def effect(self) -> str:
        """Digest of what the list brings into force and ends."""
        lines = [
            f"{row.standing} {proof_line(_bound(row))}" for row in self.rows if row.standing in _EFFECTIVE
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


_EFFECTIVE = frozenset({RowStanding.READY, RowStanding.ENDS})


def _bound(judged: JudgedRow) -> Bound:
    row = judged.row
    return Bound(code=row.code, fingerprint=row.fingerprint, valid_from=row.valid_from, valid_to=row.valid_to)


async def propose_policy(
    services: DecisionServices, actor: SignedIn, change: DelegationChange, reason: str = ""
) -> Proposal:
    """Propose a policy of delegated trust. Clash for limits or officers that could not work."""
    _refuse_unfit(change, services.clock.now())
    return await proposals.propose(services, actor, ProposalContent(delegations=(change,)), reason)


def _refuse_unfit(change: DelegationChange, now: datetime) -> None:
    if not change.issuer.strip() or change.most_per_day < 1 or not 1 <= change.most_share <= 100:
        raise Clash("name the issuer, a number a day, and a share of 1 to 100 percent", code=UNFIT)
    if not 0 <= change.wait_hours <= MOST_WAIT_H:
        raise Clash(f"the waiting time is 0 to {MOST_WAIT_H} hours", code=UNFIT)
    keys = set()
    for der in change.officers_der:
        certificate = x509.load_der_x509_certificate(der)
        keys.add(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
            raise Clash("an officer's certificate is not in its time", code=UNFIT)
    if not OFFICERS_NEEDED <= len(keys) == len(change.officers) <= MOST_OFFICERS:
        raise Clash(
            f"name {OFFICERS_NEEDED} to {MOST_OFFICERS} officers, each with a key of their own", code=UNFIT
        )


def officer_of(certificate_der: bytes) -> str:
    """Return an officer's certificate as a policy has it."""
    return base64.b64encode(certificate_der).decode()


async def put_policy_in_force(
    work: SqlDecision, proposal: Proposal, change: DelegationChange, now: datetime
) -> None:
    """Put a policy in force in the approving unit of work; it replaces the issuer's earlier one."""
    certificates = [x509.load_der_x509_certificate(der) for der in change.officers_der]
    facts = {
        "issuer": change.issuer,
        "officers": list(change.fingerprints),
        "names": [certificate.subject.rfc4514_string() for certificate in certificates],
        "until": [certificate.not_valid_after_utc.isoformat() for certificate in certificates],
        "codes": list(change.codes),
        "most_per_day": change.most_per_day,
        "most_share": change.most_share,
        "wait_hours": change.wait_hours,
        "proposal": proposal.id,
        "digest": proposal.digest,
        "proposed_by": proposal.proposed_by,
    }
    await work.events.append(EventKind.TRUST_DELEGATED, issuer_subject(change.issuer), now, facts)
    await work.lists.requeue(change.issuer)


async def recall_policy(
    services: DecisionServices, actor: SignedIn, issuer: str, reason: str
) -> Sequence[str]:
    """Recall a policy at once, with all that waits by it. Returns the batches of bindings that are in force by it, which
    `end_bindings` ends."""
    now = services.clock.now()
    async with services.decisions.changing(actor.person.id) as work:
        await proposals.must_trust(work, actor, "recalls a policy of delegated trust")
        await _policy_of(work, issuer)
        facts = {"issuer": issuer, "reason": reason}
        await work.events.append(EventKind.TRUST_RECALLED, issuer_subject(issuer), now, facts)
        await work.lists.end_waiting(issuer)
        return await batches_of(work, issuer)


async def strike_officer(
    services: DecisionServices, actor: SignedIn, issuer: str, fingerprint: str, reason: str
) -> None:
    """Strike an officer off a policy at once: signatures of that certificate count no more, also of lists that wait."""
    now = services.clock.now()
    async with services.decisions.changing(actor.person.id) as work:
        await proposals.must_trust(work, actor, "strikes an officer off")
        policy = await _policy_of(work, issuer)
        if fingerprint not in policy.officer_ids:
            raise NotFound(f"the policy for {issuer} names no officer {fingerprint}")
        facts = {"issuer": issuer, "fingerprint": fingerprint, "reason": reason}
        await work.events.append(EventKind.OFFICER_STRUCK, issuer_subject(issuer), now, facts)


async def end_bindings(
    services: DecisionServices, actor: SignedIn, batches: Sequence[str], reason: str
) -> int:
    """End at once every binding of these batches. Returns the number of bindings that ended."""
    now, count = services.clock.now(), 0
    async with services.decisions.changing(actor.person.id) as work:
        await proposals.must_trust(work, actor, "ends the bindings of a list")
        for batch in batches:
            count += await work.listed.end_batch(batch, now, reason)
    return count


async def batches_of(view: SqlDecision, issuer: str) -> Sequence[str]:
    """Return the batches of an issuer's lists that have bindings in force."""
    sources = await view.listed.sources()
    return sorted({s.origin.batch for s in sources if s.origin.batch and s.origin.issuer == issuer})


async def _policy_of(view: SqlDecision, issuer: str) -> TrustPolicy:
    trusted = await view.lists.delegation(issuer)
    if trusted.policy is None:
        raise Clash(f"no policy of delegated trust is in force for {issuer}", code=NO_POLICY)
    return trusted.policy


async def judge_list(services: DecisionServices, view: SqlDecision, received: ReceivedList) -> JudgedList:
    """Judge each row of a list on the present registry, without regard to a policy."""
    rows = [row for row in await view.lists.rows_of(received) if row.kind == EXCHANGE]
    ground = await view.listed.load_ground(sorted({row.code for row in rows}))
    certificates = await view.listed.load_certificates(rows, received.issuer)
    facts, judged = rules.list_facts(rows, certificates), list[JudgedRow]()
    for start in range(0, len(rows), _AT_ONCE):
        part, now = rows[start : start + _AT_ONCE], services.clock.now()
        judged += await services.pool.run(partial(rules.judge_rows, part, certificates, ground, facts, now))
    judged_changes = map(rules.judge_held, await view.held_rows.load(received))
    return JudgedList(received=received, rows=[*judged, *judged_changes])


async def judge_undecided(services: DecisionServices) -> int:
    """Judge every new list and every list whose waiting time is over, each in a transaction of its own. Returns their
    number."""
    now, count = services.clock.now(), 0
    async with services.decisions.read() as view:
        undecided = await view.lists.undecided()
    for received in undecided:
        if received.state is ListState.NEW or (received.due_at is not None and received.due_at <= now):
            count += 1
            try:
                async with services.decisions.changing(NODE) as work:
                    await work.listed.lock()
                    await _decide(services, work, await work.lists.get(received.issuer, received.sequence))
            except Clash as damage:
                async with services.decisions.changing(NODE) as work:
                    damaged = JudgedList(received=received, rows=())
                    await _finish(work, damaged, ListState.HELD, services.clock.now(), why="damaged")
                log.action(_log, "list.damaged", str(damage), issuer=received.issuer, list=received.sequence)
    return count


async def _decide(services: DecisionServices, work: SqlDecision, received: ReceivedList) -> None:
    """Decide what becomes of a list: nothing without policy and signatures; what only ends bindings at once; what begins
    them after the waiting time, or with two people where a limit is exceeded."""
    now = services.clock.now()
    trusted = await work.lists.delegation(received.issuer)
    judged = await judge_list(services, work, received)
    policy = trusted.in_force
    officer_ids = policy.officer_ids if policy is not None else ()
    signed_by = await services.pool.run(partial(received.signed_by, officer_ids, now))
    if policy is None:
        await _finish(work, judged, ListState.OPEN, now, why="stopped" if trusted.stopped else "")
        return
    if len(signed_by) < OFFICERS_NEEDED:
        await _finish(work, judged, ListState.UNSIGNED, now, policy)
        return
    events = await work.events.of_subject(issuer_subject(received.issuer))
    judged = await _within_limits(work, judged, policy, events, now)
    ended = await work.listed.end_all(judged.rows, received)
    due = _first_judged(events, received, now) + policy.wait
    if judged.count(RowStanding.READY) and now < due:
        await _finish(work, judged, ListState.WAITING, now, policy, ended=ended, due=due)
        return
    people = (received.issuer, f"policy:{policy.version}")
    facts = _list_facts(received) | {"policy": policy.version, "officers": list(signed_by)}
    bound, moved = await _bring_in_force(work, judged, people, facts)
    state = ListState.HELD if judged.count(RowStanding.HELD) else ListState.DONE
    await _finish(work, judged, state, now, policy, bound=bound, ended=ended, moved=moved)


async def _bring_in_force(
    work: SqlDecision, judged: JudgedList, people: tuple[str, str], facts: Mapping[str, object]
) -> tuple[int, int]:
    """Bind the ready certificates and write the ready changes of codes; return the number of both."""
    bound = judged.only(EXCHANGE).count(RowStanding.READY)
    if bound:
        await work.listed.bind_all(judged.of_kind(EXCHANGE), people, facts)
    return bound, await work.held_rows.apply(judged.of_kind(AGENCY), judged.received, facts)


async def _within_limits(
    work: SqlDecision, judged: JudgedList, policy: TrustPolicy, events: Sequence[Event], now: datetime
) -> JudgedList:
    """Hold rows that the policy does not cover, and all of a list that exceeds a limit or is too old."""
    rows = rules.hold_outside(judged.rows, policy)
    of_a_day = [
        event
        for event in events
        if event.kind is EventKind.LIST_JUDGED and event.at > now - rules.DAY and "policy" in event.data
    ]
    bound = sum(int(event.data["bound"]) for event in of_a_day)
    in_a_day = bound + sum(int(e.data["ended"]) + int(e.data.get("moved", 0)) for e in of_a_day)
    active = await work.listed.count_active() - bound
    limit = rules.exceeds(policy, rows, in_a_day, active)
    if judged.received.made_at < now - rules.OLDEST_LIST:
        limit = "old"
    return replace(judged, rows=rules.hold_all(rows) if limit else rows, limit=limit)


def _first_judged(events: Sequence[Event], received: ReceivedList, now: datetime) -> datetime:
    """Return when exactly this list began to wait, by its event."""
    same = {"sequence": received.sequence, "digest": received.digest, "state": str(ListState.WAITING)}
    waiting = (e.at for e in events if e.kind is EventKind.LIST_JUDGED and same.items() <= e.data.items())
    return min(waiting, default=now)


async def _finish(
    work: SqlDecision,
    judged: JudgedList,
    state: ListState,
    now: datetime,
    policy: TrustPolicy | None = None,
    *,
    bound: int = 0,
    ended: int = 0,
    moved: int = 0,
    due: datetime | None = None,
    why: str = "",
) -> None:
    """Store the outcome of a list and of each row, with its event."""
    limit = judged.limit or why
    counts: dict[str, object] = {
        **judged.counts,
        "bound": bound,
        "ended": ended,
        "moved": moved,
        "limit": limit,
    }
    facts = {**_list_facts(judged.received), **counts, "state": str(state)}
    if policy is not None:
        facts["policy"] = policy.version
    if due is not None:
        facts["due"] = due.isoformat()
    await work.lists.save_outcomes(judged.rows)
    await work.lists.set_state(judged.received, state, counts, due)
    subject = issuer_subject(judged.received.issuer)
    await work.events.append(EventKind.LIST_JUDGED, subject, now, facts)


def _list_facts(received: ReceivedList) -> dict[str, object]:
    return {
        "issuer": received.issuer,
        "sequence": received.sequence,
        "digest": received.digest,
        "trust": received.trust,
    }


async def propose_list(
    services: DecisionServices,
    actor: SignedIn,
    issuer: str,
    sequence: int,
    reason: str = "",
    kind: str = EXCHANGE,
) -> Proposal:
    """Propose that the certificates of a list, or what it changes in who speaks for codes, come into force at once. The
    approver compares one digest with the issuer, over another channel. Rows in conflict are left out, and stay visible."""
    async with services.decisions.read() as view:
        received = await view.lists.get(issuer, sequence)
        judged = (await judge_list(services, view, received)).only(kind)
    if not judged.is_effective:
        raise Clash(f"list {received.name} would change nothing here", code=NO_EFFECT)
    change = ListChange(
        issuer=issuer,
        sequence=sequence,
        trust=judged.compared(kind),
        effect=judged.effect,
        bound=judged.count(RowStanding.READY),
        ended=judged.count(RowStanding.ENDS),
        conflicts=judged.count(RowStanding.CONFLICT),
        kind=kind,
    )
    return await proposals.propose(services, actor, ProposalContent(lists=(change,)), reason)


async def put_list_in_force(
    services: DecisionServices, work: SqlDecision, proposal: Proposal, change: ListChange, by: str
) -> None:
    """Bring the rows of one kind of a list into force in the approving unit of work. They are judged again, and must have
    the proposed effect. The list is done when nothing else of it waits."""
    now = services.clock.now()
    await work.listed.lock()
    received = await work.lists.get(change.issuer, change.sequence)
    judged_list = await judge_list(services, work, received)
    judged, kind = judged_list.only(change.kind), change.kind
    if judged.compared(kind) != change.trust or judged.effect != change.effect:
        raise Clash(
            "the registry or the list changed since, and it would bind something else now: propose it again",
            code=MOVED,
        )
    ended = await work.listed.end_all(judged.rows, received)
    facts = _list_facts(received) | {
        "proposal": proposal.id,
        "approved": proposal.digest,
        "proposed_by": proposal.proposed_by,
    }
    bound, moved = await _bring_in_force(work, judged, (proposal.proposed_by, by), facts)
    waits = judged_list.only(EXCHANGE if kind == AGENCY else AGENCY).is_effective
    state, due = (received.state, received.due_at) if waits else (ListState.DONE, None)
    await _finish(work, judged_list, state, now, bound=bound, ended=ended, moved=moved, due=due)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """Issuer of lists, the trust in it, and its newest list with certificates."""

    trusted: Delegation
    newest: ReceivedList | None
    bindings: int


async def list_issuers(services: DecisionServices) -> Sequence[TrustedIssuer]:
    """Return every issuer of lists, with the policy for it and the number of bindings that rest on it."""
    async with services.decisions.read() as view:
        return await load_issuers(view)


async def load_issuers(view: SqlDecision) -> Sequence[TrustedIssuer]:
    newest: dict[str, ReceivedList] = {}
    for received in await view.lists.newest(_AT_ONCE):
        newest.setdefault(received.issuer, received)
    counts = Counter[str]()
    for source in await view.listed.sources():
        counts[source.origin.issuer] += source.count
    return [
        TrustedIssuer(
            trusted=await view.lists.delegation(issuer), newest=newest.get(issuer), bindings=counts[issuer]
        )
        for issuer in await view.lists.issuers()
    ]
