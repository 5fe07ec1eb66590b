"""Decides whether a signed envelope's signer may speak for its sender at the time of arrival, and which certificate of
an agency may sign now (W9, K5). In: SignedEnvelope, Evidence, TrustPolicy, time, and how the packet was carried; the
registry's bindings and the ends of keys. Out: the VerifiedEnvelope that everything after verification needs, or the
error with code and step of `docs/verification.md` (9 chain and time, 10 revocation, 11 agreement); `KeyUse`:
certificates within their binding whose keys were neither retired nor reported stolen. Pure; only this module can make a
VerifiedEnvelope."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from gateway.domain.certificates import KeyEnd, KeyUse
from gateway.domain.proof import (
    Binding,
    Contradiction,
    Evidence,
    Finding,
    SignedEnvelope,
    Step,
    VerifiedEnvelope,
    claim_seal,
)
from gateway.errors import BadSignature, CannotTell, InvalidEnvelope, UnknownSender, UntrustedSigner

M = TypeVar("M")

_SEAL = claim_seal()
AXIS = "axis"
"""Verdict on an envelope that a session vouches for, without a signature that proves its sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """Limits of trust: how long revocation may stay unknown, and which claimed times are believed (K2, K4)."""

    revocation_grace: timedelta = timedelta(hours=24)
    """K4. A longer grace lets a stolen key, revoked by its authority, send for that long before we hear of it."""

    signing_past: timedelta = timedelta(days=30)
    """K2. A longer window lets an envelope that was held back be delivered as if it were news."""

    signing_future: timedelta = timedelta(minutes=10)
    """K2. A wider one lets a signer date an envelope beyond the moment at which its key is to be revoked."""

    signing_absurd: timedelta = timedelta(days=1)
    """Section 9: a SigningTime further ahead than this is refused, not held. A longer one fills the clerk's list of
    held packets with what no clock error explains."""

    axis_vouches: str = "known"
    """Senders that the session with a foreign axis vouches for, where the file itself proves nothing: `known` codes of
    the registry, `all`, or `nobody`. With `all`, any user of that axis sends in any name that it lets pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Session with a foreign axis that brought a file. `is_known`: the registry has its sender, open on that day;
    `other`: another agency that the axis names as sender and the registry knows."""

    name: str
    is_known: bool
    other: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Unsigned statements of an axis about a packet (A1, A2). `sender` is the code it was published for, `node` the
    publisher that the axis vouches for, `host` the node of the signed sender's code by the registry; None where unknown.
    """

    sender: str
    node: str | None
    host: str | None


def decide(
    signed: SignedEnvelope[M],
    evidence: Evidence,
    policy: TrustPolicy,
    at: datetime,
    routing: Routing | None = None,
    stamped_at: datetime | None = None,
) -> VerifiedEnvelope[M]:
    """Return the envelope as proved at `at`, the time of arrival (K2), never at the claimed SigningTime. `routing` is
    None for a file that came over no axis. `stamped_at` is the time that a trusted timestamp over the signature's value
    proves: it replaces the arrival, and the evidence must be of that time.

    UntrustedSigner or UnknownSender: refused. CannotTell: held for an answer or a person. Recipients, repetition and the
    state of the register are not checked here."""
    arrived, at = at, stamped_at or at
    _check_binding(signed, at)
    _check_chain(signed, evidence, at)
    if evidence.revocation != "revoked":
        # A hold never hides a refusal: a back-dated signature of a revoked key is revoked, not merely odd.
        _check_time(signed, evidence, policy, at)
    notes = _revocation(signed, evidence, policy)
    details = {9: evidence.chain_detail, 10: notes[0].detail if notes else _revocation_text(evidence)}
    _check_agreement(signed, details, routing)
    if stamped_at is not None:
        detail = f"judged at {stamped_at.isoformat()}, the time of a trusted timestamp"
        notes += (Finding(code="TIME-STAMPED", detail=detail),)
    if routing is not None:
        doubt, details[11] = _describe_publisher(routing)
        if doubt:
            notes += (Finding(code=doubt, detail=details[11]),)
    return VerifiedEnvelope(
        signed=signed,
        sender=signed.sender_code,
        verdict="valid",
        received_at=arrived,
        notes=(*signed.findings, *notes),
        steps=_mark_passed(signed.steps, details),
        seal=_SEAL,
    )


def vouch(
    signed: SignedEnvelope[M],
    session: Session,
    policy: TrustPolicy,
    at: datetime,
    *,
    released: bool = False,
    broken: Finding | None = None,
) -> VerifiedEnvelope[M]:
    """Return the envelope on the word of the axis session that brought it. `broken`: why a signature in it proves
    nothing, as axes that rewrite files break every one. CannotTell where the policy wants a person to release it first
    (`released`)."""
    doubt = ""
    if policy.axis_vouches == "nobody":
        doubt = "by the settings no axis session vouches for anybody"
    elif policy.axis_vouches == "known" and not session.is_known:
        doubt = f"the registry does not know its sender {signed.sender_code[:80]}"
    elif session.other is not None:
        doubt = f"the axis says that it is from {session.other[:80]}, the file from {signed.sender_code[:80]}"
    statement = f"vouched for by the axis session {session.name}"
    if doubt and not released:
        detail = f"no signature holds, and {doubt}; a person may admit it"
        raise CannotTell(
            detail,
            code="AXIS-SENDER",
            hint="add the sender to the registry, then release it; or release it as it is",
            step=6,
            steps=_mark_failed(signed.steps, 6, detail),
        )
    steps = tuple(replace(step, detail=statement) if step.n in (5, 6) else step for step in signed.steps)
    notes = (Finding(code="SESSION-VOUCHED", place=session.name, detail=statement),)
    return VerifiedEnvelope(
        signed=signed,
        sender=signed.sender_code,
        verdict=AXIS,
        received_at=at,
        notes=(*signed.findings, *((broken,) if broken else ()), *notes),
        steps=steps,
        seal=_SEAL,
    )


def _check_binding(signed: SignedEnvelope[M], at: datetime) -> None:
    """Check K1 (binding) again at this time, because an envelope may be judged again after its binding ended."""
    begun = signed.bound_from is None or signed.bound_from <= at
    if begun and (signed.bound_to is None or at < signed.bound_to):
        return
    detail = (
        f"no certificate is bound to {signed.sender_code} at {at.isoformat()}; the binding of this one runs from "
        f"{_moment_text(signed.bound_from)} to {_moment_text(signed.bound_to)}"
    )
    raise UnknownSender(
        "SIG-NO-BINDING",
        detail,
        step=6,
        steps=_mark_failed(signed.steps, 6, detail),
        location="From/OrganId",
    )


def _check_chain(signed: SignedEnvelope[M], evidence: Evidence, at: datetime) -> None:
    """Check K3 (certificate: validity, chain, usage), step 9."""
    if not evidence.not_before <= at <= evidence.not_after:
        raise _refusal(
            signed,
            9,
            "CERT-TIME",
            f"the certificate {evidence.serial} is valid from {evidence.not_before.isoformat()} to "
            f"{evidence.not_after.isoformat()}, not at {at.isoformat()}",
        )
    if evidence.chain_code is not None:
        raise _refusal(signed, 9, evidence.chain_code, evidence.chain_detail)
    if not evidence.usage_ok:
        raise _refusal(signed, 9, "CERT-USAGE", f"the certificate {evidence.serial} is not made for signing")


def _check_time(signed: SignedEnvelope[M], evidence: Evidence, policy: TrustPolicy, at: datetime) -> None:
    """Check K2 (claimed time), step 9. An envelope without signed properties claims no time, and is marked elsewhere."""
    claimed = signed.signing_time
    if claimed is None:
        return
    if claimed - at > policy.signing_absurd:
        detail = (
            f"SigningTime {claimed.isoformat()} is more than {policy.signing_absurd} after {at.isoformat()}"
        )
        raise BadSignature("SIG-TIME", detail, step=9, steps=_mark_failed(signed.steps, 9, detail))
    odd = _oddity(claimed, signed.bound_from, evidence, policy, at)
    if odd is not None:
        detail = f"SigningTime {claimed.isoformat()} is {odd}"
        raise CannotTell(
            detail,
            code="SIG-TIME",
            hint="a person may admit the packet with a mark, or refuse it",
            step=9,
            steps=_mark_failed(signed.steps, 9, detail),
        )


def _oddity(
    claimed: datetime, bound_from: datetime | None, evidence: Evidence, policy: TrustPolicy, at: datetime
) -> str | None:
    """Return why the claimed time is not believed, or None."""
    if claimed - at > policy.signing_future:
        return f"more than {policy.signing_future} after the arrival at {at.isoformat()}"
    if at - claimed > policy.signing_past:
        return f"more than {policy.signing_past.days} days before the arrival at {at.isoformat()}"
    if not evidence.not_before <= claimed <= evidence.not_after:
        return f"outside the validity of the certificate {evidence.serial}"
    if bound_from is not None and claimed < bound_from:
        return f"before the certificate was bound, on {bound_from.isoformat()}"
    return None


def _revocation(signed: SignedEnvelope[M], evidence: Evidence, policy: TrustPolicy) -> tuple[Finding, ...]:
    """Check K4 (revocation), step 10. An unknown answer passes within the grace time, with a note that marks the entry."""
    if evidence.revocation == "revoked":
        why = f" ({evidence.revocation_reason})" if evidence.revocation_reason else ""
        detail = f"the certificate {evidence.serial} was revoked on {_moment_text(evidence.revoked_at)}{why}"
        raise _refusal(signed, 10, "CERT-REVOKED", detail)
    if evidence.revocation == "good":
        return ()
    age = evidence.revocation_age_s
    if age is not None and age <= policy.revocation_grace.total_seconds():
        return (Finding(code="CERT-REVOCATION-UNKNOWN", detail="revocation not known"),)
    since = "was never answered" if age is None else f"has had no answer for {age:.0f} s"
    detail = f"whether the certificate {evidence.serial} is revoked {since}; the grace is {policy.revocation_grace}"
    raise CannotTell(
        detail,
        code="CERT-REVOCATION-UNKNOWN",
        hint="bring a current answer of the certificate's authority; it is looked at again by itself",
        step=10,
        steps=_mark_failed(signed.steps, 10, detail),
        certificate_der=signed.certificate_der,
    )


def _revocation_text(evidence: Evidence) -> str:
    as_of = evidence.revocation_as_of
    if as_of is None:
        return f"{evidence.revocation} at arrival"
    return f"{evidence.revocation} at arrival, by {evidence.revocation_source} of {as_of.isoformat()}"


def _check_agreement(signed: SignedEnvelope[M], details: Mapping[int, str], routing: Routing | None) -> None:
    """Check step 11: the publisher (A1), and contradictions to the signed values (F12, A2). `details` has the texts of
    earlier steps."""
    if routing is not None and routing.node and routing.host and not _alike(routing.node, routing.host):
        detail = (
            f"the node {routing.node} published it, and {routing.host} speaks for {signed.sender_code}: a stolen key, or "
            "an agency that has moved and is not yet so in the registry"
        )
        steps = _mark_failed(_mark_passed(signed.steps, details), 11, detail)
        raise InvalidEnvelope("AXIS-NODE", detail, step=11, steps=steps)
    contradiction = signed.contradiction
    if contradiction is None and routing is not None and not _alike(routing.sender, signed.sender_code):
        detail = f"the axis names the sender {routing.sender[:40]!r}, the signed one is {signed.sender_code}"
        contradiction = Contradiction(code="MSG-ID", detail=detail, place="From/OrganId")
    if contradiction is not None:
        raise BadSignature(
            contradiction.code,
            contradiction.detail,
            step=11,
            steps=_mark_failed(_mark_passed(signed.steps, details), 11, contradiction.detail),
            location=contradiction.place,
        )


def _describe_publisher(routing: Routing) -> tuple[str, str]:
    """Return a finding's code where the publisher or host is unknown (empty otherwise), and a description. The signature
    decides."""
    if routing.node is None:
        return "NODE-UNKNOWN", "the axis vouches for no publisher"
    if routing.host is None:
        detail = f"the registry does not say which node hosts the sender; {routing.node} published it"
        return "HOST-UNKNOWN", detail
    return "", f"published by {routing.node}, which hosts the sender"


def _alike(name: str, other_name: str) -> bool:
    """Compare codes or node names without regard to letter case and outer spaces."""
    return name == other_name or name.strip().casefold() == other_name.strip().casefold()


def _refusal(signed: SignedEnvelope[M], n: int, code: str, detail: str) -> UntrustedSigner:
    return UntrustedSigner(code, detail, step=n, steps=_mark_failed(signed.steps, n, detail))


def _mark_passed(steps: tuple[Step, ...], details: Mapping[int, str]) -> tuple[Step, ...]:
    """Return the steps, with those in `details` marked as passed."""
    return tuple(
        [
            Step(n=step.n, name=step.name, ok=True, detail=details[step.n]) if step.n in details else step
            for step in steps
        ]
    )


def _mark_failed(steps: tuple[Step, ...], n: int, detail: str) -> tuple[Step, ...]:
    """Return the steps with `n` failed, 9 and 10 passed if before it, and later ones not reached."""

    def mark(step: Step) -> Step:
        if step.n == n:
            return replace(step, ok=False, detail=detail)
        if step.n > n:
            return replace(step, ok=None, detail="")
        return replace(step, ok=True) if step.n in (9, 10) else step

    return tuple(map(mark, steps))


def _moment_text(moment: datetime | None) -> str:
    return moment.isoformat() if moment is not None else "no date"


def key_use_of(code: str, bindings: Sequence[Binding], ends: Sequence[KeyEnd], at: datetime) -> KeyUse:
    """Return which certificates of the code may sign. Once one is bound, an unbound one may not, because receivers would
    refuse it."""
    own_bindings = [b for b in bindings if b.code == code]
    active = {fingerprint(b.certificate_der): b.valid_from for b in own_bindings if b.is_in_force(at)}
    return KeyUse(
        bound=active if own_bindings else None,
        ended={end.fingerprint: _end_reason(end) for end in ends if end.at <= at},
    )


def fingerprint(certificate_der: bytes) -> str:
    return hashlib.sha256(certificate_der).hexdigest()


def _end_reason(end: KeyEnd) -> str:
    if end.stolen_since is not None:
        return f"its key was reported stolen as of {end.stolen_since.isoformat(timespec='minutes')}"
    return f"its key was retired at {end.at.isoformat(timespec='minutes')}"
