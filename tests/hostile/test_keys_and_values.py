"""Keys off the list and signature values bent by hand (threats 33, 34, 37, 98; verification.md section 10, group 6). Weak
keys and bent elliptic values are judged as vectors (tests/vectors)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from gateway.edxml import signature
from gateway.edxml.policy import XmlPolicy
from tests.hostile import forge
from tests.support import envelopes, pki

P256_ORDER = pki.ORDERS["secp256r1"]


def test_threats_033_037_values_and_curves_off_the_list_are_weak_or_refused_and_p384_counts_by_policy() -> (
    None
):
    elliptic, weak = (pki.signer(envelopes.SENDER, kind) for kind in ("p256", "p384"))
    data = envelopes.native(signer=elliptic)
    data = data.replace(b64encode(elliptic.certificate_der), b64encode(weak.certificate_der))
    assert forge.judge(data, weak).code == "SIG-WEAK"

    # Section 12.7.
    signer = pki.signer(envelopes.SENDER, "p384")
    data = envelopes.native(signer=signer)

    assert forge.judge(data, signer).code == "SIG-ALGORITHM"
    assert forge.judge(data, signer, policy=XmlPolicy(allow_p384=True)).path == "fast"
    assert forge.xmlsec_valid(data, signer.certificate_der)

    native = envelopes.native()
    parts = signature.parse(forge.split(native)[1])
    assert parts is not None
    for value in (b"\0" * 256, b"\xff" * 256, b"\1" * 255, b"\1" * 257):
        verdict = forge.judge(native.replace(b64encode(parts.value), b64encode(value)))
        assert (verdict.code, verdict.step) == ("SIG-VALUE", 8)


def with_value(data: bytes, change: str) -> bytes:
    parts = signature.parse(forge.split(data)[1])
    assert parts is not None
    half = len(parts.value) // 2
    r, s = parts.value[:half], parts.value[half:]
    value = {
        "r-zero": bytes(half) + s,
        "s-zero": r + bytes(half),
        "65-bytes": parts.value + b"\0",
        "short": parts.value[1:],
        "r-plus-order": ((int.from_bytes(r, "big") + P256_ORDER) % 2**256).to_bytes(half, "big") + s,
        "high-s": r + (P256_ORDER - int.from_bytes(s, "big")).to_bytes(half, "big"),
        "other": bytes(len(parts.value)),
    }[change]
    return data.replace(b64encode(parts.value), b64encode(value))


def test_threat_034_an_rsa_method_under_an_elliptic_key_is_refused() -> None:
    rsa, elliptic = forge.SIGNER, pki.signer(envelopes.SENDER, "p256")
    native = envelopes.native(signer=rsa)
    parts = signature.parse(forge.split(native)[1])
    assert parts is not None
    mixed = signature.render(replace(parts, certificate_der=elliptic.certificate_der))

    verdict = forge.judge(native.replace(forge.split(native)[1], mixed), elliptic)

    assert verdict.path is None
    assert verdict.code == "SIG-PROPERTIES"


def test_threats_048_102_old_and_new_certificate_are_taken_while_both_are_bound_and_no_other() -> None:
    old, new = forge.SIGNER, pki.signer(envelopes.SENDER, "p256")
    for signer in (old, new):
        assert forge.judge(envelopes.native(signer=signer), old, new).path == "fast"
    assert forge.judge(envelopes.native(signer=old), new).code == "SIG-PIN"
    assert forge.judge(envelopes.native(), pki.signer(envelopes.RECEIVER)).code == "SIG-NO-BINDING"
