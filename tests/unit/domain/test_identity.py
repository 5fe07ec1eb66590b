"""Values that stand for a digest are digests, also where they are read back from storage."""

from __future__ import annotations

import pytest

from gateway.domain.identity import Digest, PacketId
from gateway.store.row import from_json, to_json
from tests.support.cases import Cases

_DIGESTS, _PACKETS = tuple[Digest, ...], tuple[PacketId, ...]


def test_identities_come_back_from_json_as_what_they_are() -> None:
    digests, packets = (Digest("ab" * 32), Digest("01" * 32)), (PacketId("pkt_1"), PacketId(""))

    assert from_json(_DIGESTS, to_json(_DIGESTS, digests)) == digests
    assert from_json(_PACKETS, to_json(_PACKETS, packets)) == packets
    assert {type(d) for d in from_json(_DIGESTS, to_json(_DIGESTS, digests))} == {Digest}
    assert {type(p) for p in from_json(_PACKETS, to_json(_PACKETS, packets))} == {PacketId}


def test_a_text_that_is_no_digest_is_refused_wherever_it_comes_from(cases: Cases) -> None:
    for text in ("", "ab" * 31, "AB" * 32, "ab" * 32 + "\n", "../" + "a" * 61):
        with cases.case(text):
            with pytest.raises(ValueError, match="SHA-256"):
                Digest(text)
            with pytest.raises(ValueError, match="SHA-256"):
                from_json(_DIGESTS, to_json(tuple[str, ...], (text,)))
