"""The two paths behind one call: what is returned, which step fails with which code, and what is never read twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, PacketId
from gateway.domain.proof import Binding, Step
from gateway.edxml import verify
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.edxml.verify import TransportFacts
from gateway.errors import BadSignature, InvalidEnvelope, MalformedXml, SignerMismatch, UnknownSender
from tests.hostile import forge
from tests.hostile.forge import AT, SIGNER
from tests.support import envelopes, pki
from tests.support.cases import Cases

NATIVE = envelopes.native()
REWRAPPED = NATIVE + b"\n"
BOTH = pytest.mark.parametrize("raw", [NATIVE, REWRAPPED], ids=["fast", "general"])


def _examine(
    raw: bytes, *, bindings: list[Binding] | None = None, transport: TransportFacts | None = None
) -> verify.Verified:
    bound = [envelopes.binding(SIGNER)] if bindings is None else bindings
    return verify.examine(
        forge.source(raw), policy=XmlPolicy(), bindings=lambda code: bound, at=AT, transport=transport
    )


def _refusal(raw: bytes, **changes: object) -> InvalidEnvelope:
    with pytest.raises(InvalidEnvelope) as refusal:
        _examine(raw, **changes)  # type: ignore[arg-type]  # tests name arguments freely
    return refusal.value


def test_every_kind_of_packet_is_good_and_alike_on_both_paths(cases: Cases) -> None:
    """G8 on the good: same model, body digest and key."""
    for name, model, files, receipt in envelopes.every_kind():
        with cases.case(name):
            signer = pki.signer(model.sender.organ_id or "")
            raw, bound = (
                envelopes.native(model, files, signer=signer, receipt=receipt),
                [envelopes.binding(signer)],
            )
            fast, slow = _examine(raw, bindings=bound), _examine(raw + b"\n", bindings=bound)
            assert (fast.signed.path, slow.signed.path) == ("fast", "general")
            assert (fast.canonical, slow.canonical is not None) == (None, True)
            wrapper = {"path": "", "file_digest": Digest("0" * 64), "file_size": 0, "files": (), "steps": ()}
            assert replace(fast.signed, **wrapper) == replace(slow.signed, **wrapper)  # type: ignore[arg-type]
            assert (fast.signed.model, fast.signed.receipt) == (model, receipt)
            digests = [[file.sha256 for file in examined.signed.files] for examined in (fast, slow)]
            assert digests[0] == digests[1]


@BOTH
def test_the_digests_name_the_body_and_the_file_and_the_steps_what_bytes_alone_can_show(raw: bytes) -> None:
    signed = _examine(raw).signed
    head, _, tail = forge.split(NATIVE)
    assert signed.body_digest == hashlib.sha256(head[39:] + tail).hexdigest()
    assert signed.file_digest == hashlib.sha256(raw).hexdigest()
    assert signed.file_size == len(raw)
    assert [step.n for step in signed.steps] == list(range(1, 13))
    assert [step.n for step in signed.steps if step.ok is None] == [9, 10, 12]


def test_a_refusal_lists_the_steps_and_a_contradiction_at_step_11_waits_for_the_certificate() -> None:
    refusal = _refusal(NATIVE.replace(b"<edXML:Subject>V/v", b"<edXML:Subject>V/V"))

    steps = [step for step in refusal.steps if isinstance(step, Step)]
    assert isinstance(refusal, BadSignature)
    assert refusal.step == 7
    assert [step.ok for step in steps] == [True] * 6 + [False] + [None] * 5

    # The first step that fails gives the code, and 9 and 10 come first.
    signed = _examine(NATIVE, transport=TransportFacts(packet_id=PacketId("other"))).signed

    assert signed.contradiction is not None
    assert (signed.contradiction.code, signed.contradiction.place) == ("MSG-ID", "gw:Id")
    assert signed.path == "general", "the fast path answers only for what agrees (F12)"


@BOTH
def test_k1_a_code_without_a_binding_is_refused_on_both_paths(raw: bytes) -> None:
    other = replace(envelopes.binding(SIGNER), code="Z93.05")
    refusals = [_refusal(raw, bindings=[]), _refusal(raw, bindings=[other])]

    for refusal in refusals:
        assert isinstance(refusal, UnknownSender)
        assert (refusal.code, refusal.step) == ("SIG-NO-BINDING", 6)


@BOTH
def test_k1_a_binding_counts_only_while_it_is_in_force(raw: bytes) -> None:
    binding = envelopes.binding(SIGNER)

    assert _examine(raw, bindings=[replace(binding, valid_from=AT)]).signed.bound_from == AT
    assert _refusal(raw, bindings=[replace(binding, valid_to=AT)]).code == "SIG-NO-BINDING"


@BOTH
def test_k1_at_most_four_candidates_are_tried(raw: bytes) -> None:
    wrong_bindings = [replace(envelopes.binding(SIGNER), certificate_der=b"other %d" % n) for n in range(4)]

    refusal = _refusal(raw, bindings=[*wrong_bindings, envelopes.binding(SIGNER)])

    assert isinstance(refusal, SignerMismatch)
    assert refusal.code == "SIG-PIN"


@BOTH
def test_a_sender_that_the_registry_knows_to_be_closed_is_refused(raw: bytes) -> None:
    """SIG-SENDER is the registry's word; it comes out with the steps."""

    def closed(code: str) -> list[Binding]:
        raise UnknownSender("SIG-SENDER", f"{code} is closed", location="From/OrganId")

    with pytest.raises(UnknownSender) as refusal:
        verify.examine(forge.source(raw), policy=XmlPolicy(), bindings=closed, at=AT)

    assert refusal.value.step == 6
    assert len(refusal.value.steps) == 12


@BOTH
def test_threat_109_the_transport_must_agree_with_the_signed_words(raw: bytes) -> None:
    other = PacketId("01JZ0000000000000000000002")
    for facts, code in (
        (TransportFacts(packet_id=envelopes.PACKET_ID, kind=Kind.DOCUMENT), None),
        (TransportFacts(), None),
        (TransportFacts(packet_id=other), "MSG-ID"),
        (TransportFacts(kind=Kind.RECALL), "MSG-ID"),
    ):
        signed = _examine(raw, transport=facts).signed
        assert signed.packet_id == envelopes.PACKET_ID
        assert (signed.contradiction.code if signed.contradiction else None) == code


def test_threats_049_109_110_a_receipt_of_another_status_kind_or_time_is_judged_by_what_it_says() -> None:
    """R3: `gw:StatusCode` = `StatusCode`."""
    signer = pki.signer(envelopes.RECEIVER)
    native = envelopes.native(envelopes.status("03"), (), signer=signer, receipt=envelopes.receipt("03"))
    for old, new, code in (
        (b"<gw:StatusCode>03<", b"<gw:StatusCode>02<", "RCPT-DIGEST"),
        (b"<gw:Kind>status", b"<gw:Kind>edoc", "MSG-ID"),
        (b"<gw:Kind>status", b"<gw:Kind>nothing", "MSG-ID"),
    ):
        raw = forge.resign(forge.swap(old, new)(native), native, signer)
        signed = _examine(raw, bindings=[envelopes.binding(signer)]).signed
        assert signed.contradiction is not None
        assert signed.contradiction.code == code

    for late, codes in ((600, []), (601, ["RECEIVED-LATE"])):
        receipt = replace(envelopes.receipt("03"), received_at=envelopes.SIGNED_AT + timedelta(seconds=late))
        raw = envelopes.native(envelopes.status("03"), (), signer=signer, receipt=receipt)
        for suffix in (b"", b"\n"):
            signed = _examine(raw + suffix, bindings=[envelopes.binding(signer)]).signed
            assert [finding.code for finding in signed.findings] == codes

    at_the_end = forge.swap(b"SigningTime>2031-03-04T02:15:00Z", b"SigningTime>9999-12-31T23:59:59Z")
    raw = forge.resign(at_the_end(native), native, signer)

    assert _examine(raw, bindings=[envelopes.binding(signer)]).signed.findings == ()


def test_threat_074_f1_g1_a_file_over_the_limit_is_not_opened_and_its_stated_size_does_not_count() -> None:
    def opened() -> Iterator[bytes]:
        raise AssertionError("a file that is too large was opened")

    source = verify.EnvelopeSource(open=opened, size=1 << 30)

    with pytest.raises(MalformedXml) as refusal:
        verify.examine(source, policy=XmlPolicy(), bindings=lambda code: [], at=AT)
    assert (refusal.value.code, refusal.value.step) == ("ENV-TOO-LARGE", 1)

    small = XmlPolicy(limits=EnvelopeLimits(general_max_bytes=1000))
    source = verify.EnvelopeSource(open=lambda: [REWRAPPED], size=10)

    with pytest.raises(MalformedXml) as refusal:
        verify.examine(source, policy=small, bindings=lambda code: [], at=AT)
    assert refusal.value.code == "ENV-TOO-LARGE"


def test_threat_099_a_native_file_is_opened_once() -> None:
    """F7: what is read is what was hashed; a file changed between two readings is not the question."""
    opened = 0

    def pieces() -> list[bytes]:
        nonlocal opened
        opened += 1
        return [NATIVE]

    source = verify.EnvelopeSource(open=pieces, size=len(NATIVE))
    signed = verify.examine(
        source, policy=XmlPolicy(), bindings=lambda code: [envelopes.binding(SIGNER)], at=AT
    ).signed

    assert signed.path == "fast"
    assert opened == 1


def test_the_verdict_does_not_depend_on_how_the_file_is_cut() -> None:
    for piece in (1, 7, 4096):
        for raw in (NATIVE, REWRAPPED):
            source = forge.source(raw, piece)
            examined = verify.examine(source, policy=XmlPolicy(), bindings=forge.bindings(SIGNER), at=AT)
            assert examined.signed.model == envelopes.document()
