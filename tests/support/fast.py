"""The fast path on whole files: read, check the key, and files signed by the one test sender."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from gateway.edxml.canonical import Fast, check_key
from gateway.edxml.envelope import StatusReport
from gateway.edxml.policy import XmlPolicy
from tests.support import envelopes, pki, readers

POLICY = XmlPolicy()
SIGNER = pki.signer(kind="p256")
BINDING = envelopes.binding(SIGNER)


def fast(raw: bytes, piece: int = 1 << 18, policy: XmlPolicy = POLICY) -> Fast | None:
    return readers.fast(raw, policy, piece)


def accepted(raw: bytes) -> Fast | None:
    """Return the reading of a file that passes F1-F12 for the sender's own binding."""
    reading = fast(raw)
    return reading if reading is not None and check_key(reading, [BINDING], POLICY) is not None else None


@cache
def good() -> bytes:
    return envelopes.native(signer=SIGNER)


@cache
def small() -> bytes:
    """The smallest native file there is, a status of few words, for tests that try every byte."""
    model = envelopes.status("13", sender=envelopes.SENDER, subject=envelopes.RECEIVER)
    sender = replace(model.sender, organization_in_charge=None, organ_name=None, organ_add=None, website=None)
    report = StatusReport(code="13", description="Gửi nhầm & xin lỗi")
    return envelopes.native(replace(model, sender=replace(sender, fax=None), status=report), signer=SIGNER)


def resigned(head: bytes, tail: bytes) -> bytes:
    qualifier = envelopes.qualifier(envelopes.document(()))
    return envelopes.sign_bytes(head, tail, SIGNER, qualifier)
