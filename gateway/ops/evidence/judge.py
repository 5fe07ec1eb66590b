"""Judges one signed packet for an evidence pack. In: its bytes, who may speak for whom, whom we believe, and the time for
which it is asked. Out: `Judged`: the word, the code of the first failure, every step, and what was signed. What a packet
contains never raises. Blocking: called in the pool, or by a command that has nothing else to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.evidence_story import Found, Verdict
from gateway.domain.proof import Binding, Evidence, SignedEnvelope, Step
from gateway.edxml import verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import CannotTell, InvalidEnvelope
from gateway.policy.trust import TrustPolicy, decide
from gateway.ports import Trust

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"
# K2 bounds the claimed time of what arrives now; a pack is read years later, at a time that is proved otherwise.
ANY_PAST = timedelta(days=36_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was found. `signed` is None where the bytes are not signed as they say; `notes` do not decide."""

    word: str
    at: datetime
    code: str | None = None
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    signed: SignedEnvelope[Envelope] | None = None
    evidence: Evidence | None = None

    def told(self) -> Verdict:
        """As the story keeps it."""
        found = tuple(Found(n=one.n, ok=one.ok, detail=one.detail) for one in self.steps)
        return Verdict(word=self.word, at=self.at, code=self.code, steps=found)


def judge(
    source: verify.Source,
    bound: Callable[[str], Sequence[Binding]],
    trust: Trust | None,
    at: datetime,
    *,
    xml: XmlPolicy | None = None,
    policy: TrustPolicy | None = None,
) -> Judged:
    """As our own axis would at that time, without a transport or a register. `trust` None: nobody says whom to believe, so
    what is signed as it says is `unknown` and never more."""
    signed: SignedEnvelope[Envelope] | None = None
    evidence: Evidence | None = None
    try:
        signed = verify.envelope(source, policy=xml or XmlPolicy(), bindings=bound, at=at)
        if trust is None:
            return Judged(word=UNKNOWN, at=at, steps=signed.steps, signed=signed)
        evidence = trust.collect(signed.certificate_der, at)
        proved = decide(signed, evidence, policy or TrustPolicy(signing_past=ANY_PAST), at)
    except InvalidEnvelope as refusal:
        return _failed(INVALID, refusal, at, signed, evidence)
    except CannotTell as doubt:
        return _failed(UNKNOWN, doubt, at, signed, evidence)
    notes = tuple(sorted({each.code for each in proved.notes if each.code}))
    return Judged(word=VALID, at=at, steps=proved.steps, notes=notes, signed=signed, evidence=evidence)


def _failed(
    word: str,
    failure: InvalidEnvelope | CannotTell,
    at: datetime,
    signed: SignedEnvelope[Envelope] | None,
    evidence: Evidence | None,
) -> Judged:
    steps = tuple(step for step in failure.steps if isinstance(step, Step))
    return Judged(word=word, at=at, code=failure.code, steps=steps, signed=signed, evidence=evidence)
