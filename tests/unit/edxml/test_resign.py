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
RESIGNED_AT = envelopes.SIGNED_AT + timedelta(days=3)
OTHER = pki.signer(envelopes.SENDER, "rsa-4096")


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    """The same bytes in pieces, some of them empty."""
    places = [0, *sorted(place % (len(raw) + 1) for place in at), len(raw)]
    return [raw[a:b] for a, b in pairwise(places)]


def resign(raw: bytes, pieces: list[bytes]) -> bytes:
    fast = canonical.read_fast([raw], len(raw), XmlPolicy())
    assert fast is not None
    return b"".join(canonical.resigned_pieces(fast, pieces, OTHER, RESIGNED_AT))


def test_the_content_is_the_same_and_the_key_another() -> None:
    resigned = resign(RAW, [RAW])
    old = canonical.read_fast([RAW], len(RAW), XmlPolicy())
    new = canonical.read_fast([resigned], len(resigned), XmlPolicy())

    assert old is not None
    assert new is not None
    assert (new.body_digest, new.envelope) == (old.body_digest, old.envelope)
    assert new.signature.packet_id == old.signature.packet_id
    assert new.signature.receipt == old.signature.receipt
    assert new.signature.signing_time == RESIGNED_AT
    assert new.file_digest != old.file_digest
    assert oracles.xmlsec_says_valid(resigned, OTHER.certificate_der)
    assert oracles.body_form(resigned) == oracles.body_form(RAW)


def test_w9_the_terms_are_signed_again_as_they_were_in_pieces_of_any_size() -> None:
    raw = envelopes.native(envelopes.timed(envelopes.document()), terms=envelopes.wishes())
    resigned = resign(raw, [raw])
    new = canonical.read_fast([resigned], len(resigned), XmlPolicy())

    assert new is not None
    assert new.signature.terms == envelopes.wishes()

    for step in (1, 7, 4096):
        assert resign(RAW, [RAW[n : n + step] for n in range(0, len(RAW), step)]) == RESIGNED


@given(st.lists(st.integers(0, 2 * len(RAW)), max_size=8))
def test_it_does_not_matter_in_which_pieces_the_file_is_read(at: list[int]) -> None:
    assert resign(RAW, cut(RAW, at)) == RESIGNED


RESIGNED = resign(RAW, [RAW])
