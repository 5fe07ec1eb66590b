"""Another Signature in a native envelope: the same content, packet id and receipt, in whatever pieces it is read (W9)."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.edxml import canonical
from gateway.edxml.policy import XmlPolicy
from tests.support import envelopes, oracles, pki

RAW = envelopes.native()
LATER = envelopes.SIGNED_AT + timedelta(days=3)
OTHER = pki.signer(envelopes.SENDER, "rsa-4096")


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    """The same bytes in pieces, some of them empty."""
    places = [0, *sorted(place % (len(raw) + 1) for place in at), len(raw)]
    return [raw[one:other] for one, other in pairwise(places)]


def again(raw: bytes, pieces: list[bytes]) -> bytes:
    fast = canonical.read_fast([raw], len(raw), XmlPolicy())
    assert fast is not None
    return b"".join(canonical.resigned_pieces(fast, pieces, OTHER, LATER))


def test_the_content_is_the_same_and_the_key_another() -> None:
    made = again(RAW, [RAW])
    before = canonical.read_fast([RAW], len(RAW), XmlPolicy())
    after = canonical.read_fast([made], len(made), XmlPolicy())

    assert before is not None
    assert after is not None
    assert (after.body_digest, after.envelope) == (before.body_digest, before.envelope)
    assert after.signature.packet_id == before.signature.packet_id
    assert after.signature.receipt == before.signature.receipt
    assert after.signature.signing_time == LATER
    assert after.file_digest != before.file_digest
    assert oracles.xmlsec_says_valid(made, OTHER.certificate_der)
    assert oracles.body_form(made) == oracles.body_form(RAW)


def test_w9_the_terms_are_signed_again_as_they_were_in_pieces_of_any_size() -> None:
    raw = envelopes.native(envelopes.timed(envelopes.document()), terms=envelopes.wishes())
    made = again(raw, [raw])
    after = canonical.read_fast([made], len(made), XmlPolicy())

    assert after is not None
    assert after.signature.terms == envelopes.wishes()

    for step in (1, 7, 4096):
        assert again(RAW, [RAW[n : n + step] for n in range(0, len(RAW), step)]) == WHOLE


@given(st.lists(st.integers(0, 2 * len(RAW)), max_size=8))
def test_it_does_not_matter_in_which_pieces_the_file_is_read(at: list[int]) -> None:
    assert again(RAW, cut(RAW, at)) == WHOLE


WHOLE = again(RAW, [RAW])
