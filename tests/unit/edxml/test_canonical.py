"""The fast path (F1-F12): it takes what our writer makes, to the byte, and nothing else. Files that an owner signed
though they are not canonical are "not mine" one by one (vector group 2), whatever else a standard verifier says."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, PacketId
from gateway.domain.proof import Binding
from gateway.edxml.build import AttachmentContent, write
from gateway.edxml.canonical import Fast, check_key, read_fast
from gateway.edxml.names import DECLARATION
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.edxml.signature import render
from tests.support import envelopes, oracles, pki
from tests.support.fast import BINDING, POLICY, SIGNER, accepted, fast, good, small


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.long)])
def test_f5_every_size_of_piece_gives_the_same_result(step: int) -> None:
    every_size = range(1, len(small()) + 1, step)
    for raw, sizes in ((good(), (1, 2, 3, 7, 38, 39, 40, 64, 1000)), (small(), every_size)):
        in_one = fast(raw)
        assert in_one is not None
        for piece in sizes:
            assert fast(raw, piece) == in_one, piece


def test_f1_f6_f7_size_range_and_digests_are_those_of_the_bytes() -> None:
    raw = good()
    head, raw_signature, tail = envelopes.split(raw)
    parsed = fast(raw)
    assert parsed is not None
    assert raw[parsed.a : parsed.b] == raw_signature
    assert parsed.file_digest == _sha256(raw)
    assert parsed.body_digest == _sha256(head + tail) == _sha256(oracles.body_form(raw))

    assert read_fast([raw], len(raw) - 1, POLICY) is None
    assert read_fast([raw], len(raw) + 1, POLICY) is None
    assert read_fast([raw[:-1]], len(raw), POLICY) is None
    assert read_fast([], 100, POLICY) is None


def _sha256(raw: bytes) -> str:
    return sha256(raw).hexdigest()


# F9-F12


def test_f9_f10_f12_a_digest_certificate_kind_or_receipt_other_than_the_files_is_not_mine() -> None:
    head, _, tail = envelopes.split(good())
    for which in ("body_digest", "properties_digest"):
        parts = _changed(**{which: Digest("00" * 32)}).signature
        assert fast(DECLARATION + head + render(parts) + tail) is None

    # All else holds: the owner signed a file that says two things about its certificate.
    parts = replace(_changed().signature, certificate_digest=Digest("00" * 32))
    parts = replace(parts, properties_digest=Digest(sha256(parts.signed_properties).hexdigest()))
    parts = replace(parts, value=SIGNER.sign(parts.signed_info))
    parsed = fast(DECLARATION + head + render(parts) + tail)
    assert parsed is not None
    assert check_key(parsed, [BINDING], POLICY) is None

    qualifier = replace(envelopes.qualifier(envelopes.document(())), kind=Kind.UPDATE)
    assert accepted(envelopes.sign_bytes(head, tail, SIGNER, qualifier)) is None

    signer = pki.signer(envelopes.RECEIVER, "p256")
    raw = envelopes.native(envelopes.status("03"), signer=signer, receipt=envelopes.receipt("03"))
    head, _, tail = envelopes.split(raw)
    for code, expected in (("03", True), ("02", False)):
        qualifier = replace(envelopes.qualifier(envelopes.status()), receipt=envelopes.receipt(code))
        parsed = fast(envelopes.sign_bytes(head, tail, signer, qualifier))
        assert parsed is not None
        assert (check_key(parsed, [envelopes.binding(signer)], POLICY) is not None) is expected


def _changed(**changes: object) -> Fast:
    parsed = fast(good())
    assert parsed is not None
    return replace(parsed, signature=replace(parsed.signature, **changes))  # type: ignore[arg-type]  # named freely


def test_f10_f12_only_a_certificate_bound_to_the_exact_code_counts_and_kind_and_id_agree() -> None:
    """Another one of the same key or subject does not."""
    parsed = _changed()
    other = pki.signer("Z92", "p256")
    assert check_key(parsed, [], POLICY) is None
    assert check_key(parsed, [envelopes.binding(other)], POLICY) is None
    assert check_key(parsed, [envelopes.binding(other), BINDING], POLICY) == BINDING
    for code in ("000.00.07.z91", " 000.00.07.Z91", "000.00.07.Z91 ", "Z92"):
        assert check_key(parsed, [replace(BINDING, code=code)], POLICY) is None
    renewed = pki.der(pki.root().issue(envelopes.SENDER, pki.key("p256", envelopes.SENDER)))
    assert renewed != SIGNER.certificate_der
    assert check_key(parsed, [Binding(code=envelopes.SENDER, certificate_der=renewed)], POLICY) is None
    assert check_key(_changed(certificate_der=renewed), [BINDING], POLICY) is None

    packet_id = envelopes.PACKET_ID
    agree = check_key(parsed, [BINDING], POLICY, transport_packet_id=packet_id, transport_kind=Kind.DOCUMENT)
    assert agree == BINDING
    assert check_key(parsed, [BINDING], POLICY, transport_packet_id=PacketId("other")) is None
    assert check_key(parsed, [BINDING], POLICY, transport_kind=Kind.STATUS) is None


def test_f11_another_key_value_or_method_is_not_mine() -> None:
    assert check_key(_changed(value=bytes(64)), [BINDING], POLICY) is None
    assert check_key(_changed(algorithm="rsa-sha256"), [BINDING], POLICY) is None
    assert check_key(_changed(properties_digest=Digest("00" * 32)), [BINDING], POLICY) is None


# Limits


def test_f3_a_file_over_any_limit_is_not_mine() -> None:
    assert fast(good()) is not None
    for limits in (
        EnvelopeLimits(max_bytes=1000),
        EnvelopeLimits(depth=5),
        EnvelopeLimits(text_bytes=20),
        EnvelopeLimits(text_total=200),
        EnvelopeLimits(signature_bytes=1000),
        EnvelopeLimits(attachments=1),
        EnvelopeLimits(recipients=1),
        EnvelopeLimits(header_bytes=500),
    ):
        assert fast(good(), policy=XmlPolicy(limits=limits)) is None, limits


def test_f3_a_tag_that_never_ends_is_given_up_before_it_is_all_in_memory() -> None:
    def endless(opening: bytes, fed: list[int]) -> Iterator[bytes]:
        yield DECLARATION + opening
        for _ in range(400):
            fed.append(65_536)
            yield b"x" * 65_536

    for opening in (b"<edXML ", b"<edXML xmlns='", b"<" + b"a" * 100, b"<edXML a='&#"):
        fed: list[int] = []
        assert read_fast(endless(opening, fed), 200 << 20, POLICY) is None
        assert sum(fed) <= 4 << 20


def test_memory_stays_bounded_on_an_attachment_of_100_mb(tmp_path: Path) -> None:
    files = (("lon.pdf", b""),)
    envelope, path = envelopes.document(files), tmp_path / "large.edxml"
    block = bytes(range(256)) * 256
    content = AttachmentContent(
        entry_name=f"{envelopes.uuid_of(1)}.pdf", open=lambda: (block for _ in range(1600))
    )
    tracemalloc.start()
    try:
        with path.open("w+b") as out:
            output = write(
                envelope, [content], out, SIGNER, envelopes.qualifier(envelope), envelopes.SIGNED_AT
            )
        with path.open("rb") as source:
            parsed = read_fast(iter(lambda: source.read(1 << 18), b""), output.size, POLICY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert parsed is not None
    assert parsed.files == output.files
    assert parsed.files[0].size == 1600 * 65_536
    assert peak < 6_000_000
