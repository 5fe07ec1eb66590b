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
    """What passes F1-F12 for the sender's own binding."""
    found = fast(raw)
    return found if found is not None and check_key(found, [BINDING], POLICY) is not None else None


@cache
def good() -> bytes:
    return envelopes.native(signer=SIGNER)


@cache
def small() -> bytes:
    """The smallest native file there is, a status of few words, for tests that try every byte."""
    whole = envelopes.status("13", sender=envelopes.SENDER, about=envelopes.RECEIVER)
    sender = replace(whole.sender, organization_in_charge=None, organ_name=None, organ_add=None, website=None)
    report = StatusReport(code="13", description="Gửi nhầm & xin lỗi")
    return envelopes.native(replace(whole, sender=replace(sender, fax=None), status=report), signer=SIGNER)


def resigned(before: bytes, after: bytes) -> bytes:
    of = envelopes.qualifier(envelopes.document(()))
    return envelopes.sign_bytes(before, after, SIGNER, of)
