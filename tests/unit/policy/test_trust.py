"""The decisions of `policy.trust` from evidence: steps 9 and 10, and the claimed time (K1-K4, threats 40-45, 49, 101);
and step 11, the publisher (A1, threat 107)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, PacketId
from gateway.domain.proof import (
    Contradiction,
    Evidence,
    Finding,
    SignedEnvelope,
    Step,
    VerifiedEnvelope,
    claim_seal,
)
from gateway.errors import BadSignature, CannotTell, InvalidEnvelope, UnknownSender, UntrustedSigner
from gateway.policy.trust import Routing, TrustPolicy, decide
from tests.support.cases import Cases

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)
DAY = timedelta(days=1)
STEPS = tuple(Step(n=n, name=str(n), ok=True if n <= 8 or n == 11 else None) for n in range(1, 13))


def signed_with(**changes: object) -> SignedEnvelope[str]:
    signed = SignedEnvelope(
        model="model",
        kind=Kind.DOCUMENT,
        path="fast",
        sender_code="000.00.07.Z91",
        body_digest=Digest("ab" * 32),
        file_digest=Digest("cd" * 32),
        file_size=1,
        packet_id=PacketId("1"),
        signing_time=AT,
        certificate_der=b"",
        algorithm="rsa-sha256",
        bound_from=AT - 100 * DAY,
        steps=STEPS,
        findings=(Finding(code="ODD"),),
    )
    return replace(signed, **changes)  # type: ignore[arg-type]  # tests name fields freely


def _evidence(**changes: object) -> Evidence:
    evidence = Evidence(
        chain_code=None,
        chain_detail="a < b",
        not_before=AT - 365 * DAY,
        not_after=AT + 365 * DAY,
        usage_ok=True,
        revocation="good",
        revocation_age_s=60.0,
        serial="1f",
    )
    return replace(evidence, **changes)  # type: ignore[arg-type]  # the same


def _decide(signed: dict[str, object], evidence: dict[str, object]) -> VerifiedEnvelope[str]:
    return decide(signed_with(**signed), _evidence(**evidence), TrustPolicy(), AT)


def test_k4_a_good_certificate_proves_the_sender_and_an_unknown_revocation_within_the_grace_has_a_note() -> (
    None
):
    proved = _decide({}, {})

    assert proved.sender == "000.00.07.Z91"
    assert proved.verdict == "valid"
    assert proved.received_at == AT
    assert proved.notes == (Finding(code="ODD"),)
    assert [step.ok for step in proved.steps] == [True] * 11 + [None]
    assert proved.steps[8].detail == "a < b"

    proved = _decide({}, {"revocation": "unknown", "revocation_age_s": 86_400.0})

    assert proved.notes[-1].code == "CERT-REVOCATION-UNKNOWN"
    assert proved.steps[9].ok is True
    assert proved.steps[9].detail == "revocation not known"


REVOKED: dict[str, object] = {"revocation": "revoked", "revoked_at": AT - DAY}


def _signed_after(time: timedelta, **changes: object) -> dict[str, object]:
    return {"signing_time": AT + time, **changes}


def _unknown_for(seconds: float | None) -> dict[str, object]:
    return {"revocation": "unknown", "revocation_age_s": seconds}


# case, changes of the signed envelope, changes of the evidence, error, code, step
REFUSED: list[tuple[str, dict[str, object], dict[str, object], type[Exception], str, int]] = [
    ("40-expired", {}, {"not_after": AT - DAY}, UntrustedSigner, "CERT-TIME", 9),
    ("41-not-yet-valid", {}, {"not_before": AT + DAY}, UntrustedSigner, "CERT-TIME", 9),
    ("42-revoked", {}, REVOKED, UntrustedSigner, "CERT-REVOKED", 10),
    ("43-unknown-authority", {}, {"chain_code": "CERT-CHAIN"}, UntrustedSigner, "CERT-CHAIN", 9),
    ("44-usage", {}, {"usage_ok": False}, UntrustedSigner, "CERT-USAGE", 9),
    ("K1-binding-ended", {"bound_to": AT}, {}, UnknownSender, "SIG-NO-BINDING", 6),
    ("K1-binding-not-begun", {"bound_from": AT + DAY}, {}, UnknownSender, "SIG-NO-BINDING", 6),
    ("49-a-day-ahead", _signed_after(DAY + timedelta(seconds=1)), {}, BadSignature, "SIG-TIME", 9),
    ("49-11-minutes-ahead", _signed_after(timedelta(minutes=11)), {}, CannotTell, "SIG-TIME", 9),
    ("K2-31-days-old", _signed_after(-31 * DAY), {}, CannotTell, "SIG-TIME", 9),
    ("K2-before-binding", _signed_after(-2 * DAY, bound_from=AT - DAY), {}, CannotTell, "SIG-TIME", 9),
    ("K2-before-certificate", _signed_after(-2 * DAY), {"not_before": AT - DAY}, CannotTell, "SIG-TIME", 9),
    ("K4-after-grace", {}, _unknown_for(86_401.0), CannotTell, "CERT-REVOCATION-UNKNOWN", 10),
    ("K4-never-answered", {}, _unknown_for(None), CannotTell, "CERT-REVOCATION-UNKNOWN", 10),
    # a hold never hides a refusal
    ("101-back-dated-and-revoked", _signed_after(-40 * DAY), REVOKED, UntrustedSigner, "CERT-REVOKED", 10),
    (
        "101-ahead-and-expired",
        _signed_after(2 * DAY),
        {"not_after": AT - DAY},
        UntrustedSigner,
        "CERT-TIME",
        9,
    ),
]


def test_what_does_not_hold_is_refused_or_held_at_its_step(cases: Cases) -> None:
    """It gives the code before a contradiction that stands at step 11. R56 (checked before intake)."""
    for name, signed, evidence, error, code, step in REFUSED:
        with cases.case(name):
            with pytest.raises(error) as excinfo:
                _decide(signed, evidence)
            refusal = excinfo.value
            assert isinstance(refusal, InvalidEnvelope | CannotTell)
            assert (refusal.code, refusal.step) == (code, step)
            steps = [s for s in refusal.steps if isinstance(s, Step)]
            assert [s.n for s in steps if s.ok is False] == [step]
            assert all(s.ok is None for s in steps if s.n > step)
            with pytest.raises((InvalidEnvelope, CannotTell)) as excinfo:
                _decide({"contradiction": AGAINST, **signed}, evidence)
            assert isinstance(excinfo.value, InvalidEnvelope | CannotTell)
            assert excinfo.value.code == code


def test_k2_a_signing_time_within_the_window_passes_and_so_do_the_ends_of_the_calendar() -> None:
    """An envelope without signed properties claims no time."""
    for minutes in (-30 * 24 * 60, -1, 0, 10):
        assert _decide(_signed_after(timedelta(minutes=minutes)), {}).verdict == "valid"
    assert _decide({"signing_time": None, "weak": True}, {}).signed.weak
    first, last = (end.replace(tzinfo=UTC) for end in (datetime.min, datetime.max))
    for at in (first, last):
        signed = signed_with(bound_from=None, signing_time=at)
        evidence = _evidence(not_before=first, not_after=last)
        assert decide(signed, evidence, TrustPolicy(), at).received_at == at


def test_only_this_module_can_make_a_verified_envelope() -> None:
    with pytest.raises(RuntimeError, match="already held"):
        claim_seal()
    with pytest.raises(TypeError, match=r"policy\.trust"):
        VerifiedEnvelope(signed=signed_with(), sender="x", verdict="valid", received_at=AT, seal=object())  # type: ignore[arg-type]  # a forged seal


AGAINST = Contradiction(code="MSG-ID", detail="gw:Kind says recall", place="gw:Kind")


# --- who published it (A1, threat 107) ------------------------------------------------------------------------

SENDER = "000.00.07.Z91"


def _routing(node: str | None, host: str | None, sender: str = SENDER) -> Routing:
    return Routing(sender=sender, node=node, host=host)


def test_a1_the_hosting_node_passes_and_silence_is_a_finding() -> None:
    silent = "the axis vouches for no publisher"
    unknown = "the registry does not say which node hosts the sender; n1 published it"
    rows: list[tuple[str | None, str | None, list[str], str]] = [
        ("n1", "n1", [], "published by n1, which hosts the sender"),
        ("N1", "n1", [], "published by N1, which hosts the sender"),
        (None, "n1", ["NODE-UNKNOWN"], silent),
        (None, None, ["NODE-UNKNOWN"], silent),
        ("n1", None, ["HOST-UNKNOWN"], unknown),
    ]
    for node, host, findings, detail in rows:
        proved = decide(signed_with(), _evidence(), TrustPolicy(), AT, _routing(node, host))
        assert [note.code for note in proved.notes] == ["ODD", *findings]
        assert (proved.steps[10].ok, proved.steps[10].detail) == (True, detail)


def test_a1_a_node_that_does_not_host_the_sender_is_refused_at_step_11() -> None:
    """That is graver than a contradiction; the certificate is judged before it."""
    foreign = _routing("n2", "n1")
    for signed in (signed_with(), signed_with(contradiction=AGAINST)):
        with pytest.raises(InvalidEnvelope) as excinfo:
            decide(signed, _evidence(), TrustPolicy(), AT, foreign)
        refusal = excinfo.value
        assert (refusal.code, refusal.step) == ("AXIS-NODE", 11)
        assert "the node n2 published it, and n1 speaks for 000.00.07.Z91" in str(refusal)
        steps = [step for step in refusal.steps if isinstance(step, Step)]
        assert [step.ok for step in steps] == [True] * 10 + [False, None]
    with pytest.raises(UntrustedSigner) as revoked:
        decide(signed_with(), _evidence(revocation="revoked"), TrustPolicy(), AT, foreign)
    assert revoked.value.code == "CERT-REVOKED"


def test_109_the_sender_that_the_axis_names_is_the_signed_one_and_a_contradiction_is_refused_at_step_11() -> (
    None
):
    same = _routing("n1", "n1", sender=" 000.00.07.z91 ")
    assert decide(signed_with(), _evidence(), TrustPolicy(), AT, same).verdict == "valid"

    with pytest.raises(BadSignature) as excinfo:
        decide(signed_with(), _evidence(), TrustPolicy(), AT, _routing("n1", "n1", sender="Z91.08"))

    assert (excinfo.value.code, excinfo.value.step, excinfo.value.location) == ("MSG-ID", 11, "From/OrganId")

    with pytest.raises(BadSignature) as excinfo:
        _decide({"contradiction": AGAINST}, {})

    assert (excinfo.value.code, excinfo.value.step, excinfo.value.location) == ("MSG-ID", 11, "gw:Kind")
    steps = [step for step in excinfo.value.steps if isinstance(step, Step)]
    assert [step.ok for step in steps] == [True] * 10 + [False, None]
    assert [step.detail for step in steps][8:11] == ["a < b", "good at arrival", "gw:Kind says recall"]
