"""Many small changes of good envelopes are tried (verification.md section 10, group 8, and G8): what the fast path takes
the general path takes with the same meaning, and what the general path takes xmlsec takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile import forge
from tests.support import envelopes, pki
from tests.support.amounts import examples

SIGNER = pki.signer(envelopes.SENDER, "p256")
NATIVE = envelopes.native(
    envelopes.status(sender=envelopes.SENDER, subject=envelopes.RECEIVER), signer=SIGNER
)
BOUND = envelopes.binding(SIGNER)

# Pieces that mean nothing, or something, to a parser.
SNIPPETS = [
    *(b" ", b"\n", b"\r\n", b"<!-- -->", b"<?p i?>", b"<![CDATA[x]]>", b"&#65;", b"&amp;", b"]]>", b"\0"),
    *(b"\xef\xbb\xbf", b' xmlns:q="urn:q"', b' Id="sp"', b"<ds:Object></ds:Object>", b"</ds:Signature>"),
]


def _check(data: bytes, *, owner: bool = False) -> None:
    """Check that all readers agree on a file. `owner` says that the key's owner signed it: only then may it be another good
    file."""
    fast, _ = forge.agreed(data, [BOUND])
    assert fast is None or owner or data == NATIVE, "a second file passes the fast path"


@pytest.mark.parametrize("step", [41, pytest.param(11, marks=pytest.mark.long)])
def test_the_sample_is_good_on_both_paths_and_no_changed_byte_makes_a_second_native_file(step: int) -> None:
    assert None not in forge.agreed(NATIVE, [BOUND])

    # Group 8; never valid with another file digest on the fast path.
    for place in range(0, len(NATIVE), step):
        for data in _byte_changes(place):
            _check(data)


def _byte_changes(place: int) -> Iterator[bytes]:
    for value in (0x20, 0x22, 0x26, 0x3C, 0x41, 0x00, 0xFF, NATIVE[place] ^ 1):
        if value != NATIVE[place]:
            yield NATIVE[:place] + bytes([value]) + NATIVE[place + 1 :]
    yield NATIVE[:place] + NATIVE[place + 1 :]
    yield NATIVE[:place] + NATIVE[place : place + 1] * 2 + NATIVE[place + 1 :]


@settings(max_examples=examples(100))
@given(
    places=st.lists(st.tuples(st.integers(0, len(NATIVE)), st.sampled_from(SNIPPETS)), min_size=1, max_size=3)
)
def test_inserted_pieces_never_divide_the_verifiers(places: list[tuple[int, bytes]]) -> None:
    data = NATIVE
    for place, snippet in places:
        data = data[:place] + snippet + data[place:]

    _check(data)


@settings(max_examples=examples(100))
@given(a=st.integers(0, len(NATIVE)), b=st.integers(0, len(NATIVE)), c=st.integers(0, len(NATIVE)))
def test_moved_and_doubled_ranges_never_divide_the_verifiers(a: int, b: int, c: int) -> None:
    a, b = sorted((a, b))

    _check(NATIVE[:c] + NATIVE[a:b] + NATIVE[c:])


_TAGS = [at for at in range(len(NATIVE)) if NATIVE[at : at + 1] == b"<"]


@settings(max_examples=examples(60))
@given(places=st.lists(st.sampled_from(_TAGS), min_size=1, max_size=4), snippet=st.sampled_from(SNIPPETS[:4]))
def test_an_owner_who_lays_the_file_out_anew_is_read_alike_by_all(places: list[int], snippet: bytes) -> None:
    """White space and comments before tags, signed again: the general path may take it, and then xmlsec does."""
    data = NATIVE
    for place in sorted(places, reverse=True):
        data = data[:place] + snippet + data[place:]
    if not data.startswith(b"<?xml"):
        return
    signed = forge.resign(data, NATIVE, SIGNER)

    _check(signed, owner=True)
    if b"<!--" not in signed and forge.slow(signed, [BOUND]) is None:
        assert not _is_plain_layout(places)


def _is_plain_layout(places: list[int]) -> bool:
    """Tell whether white space at these places is between elements only: before a leaf's end tag it may change a value."""
    return all(
        NATIVE[place - 1 : place] == b">" and NATIVE[place + 1 : place + 2] != b"/" for place in places
    )
