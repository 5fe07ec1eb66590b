"""Notes as other programs read them: one form each, and policies that mean what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.domain import notes
from gateway.domain.notes import Checkpoint, LogPolicy, NoteKey, NoteKind
from gateway.domain.sealed_log import leaf_hash
from gateway.errors import InvalidProof
from gateway.trust.note_keys import LogSigner, check_signature, open_log_signer

AT = datetime(2026, 11, 30, 9, tzinfo=UTC)
CHECKPOINT = Checkpoint("lienthong/log/00", 1, leaf_hash(b"leaf"))
W1, W2, W3 = (NoteKey(f"w{n}", NoteKind.COSIGNATURE, bytes(31) + bytes((n,))) for n in (1, 2, 3))
WITNESSES = f"witness a {W1}\nwitness b {W2}\nwitness c {W3}\n"


@pytest.fixture
def signer(tmp_path: Path) -> LogSigner:
    return open_log_signer(tmp_path, b"password", "00")


def test_a_signed_checkpoint_is_read_as_it_was_written(signer: LogSigner) -> None:
    signed = signer.sign(CHECKPOINT, AT)

    assert notes.read_checkpoint(signed.to_text()) == signed
    for key, signature in zip(signer.keys, signed.signatures, strict=True):
        assert notes.read_key(str(key)) == key
        check_signature(key, CHECKPOINT, signature)
        assert signature.time(key) in (0, int(AT.timestamp()))


def test_a_signature_is_over_its_checkpoint_and_of_its_key_alone(signer: LogSigner, tmp_path: Path) -> None:
    other = open_log_signer(tmp_path / "other", None, "00")
    for mine, (key, signature) in zip(
        other.keys, zip(signer.keys, signer.sign(CHECKPOINT, AT).signatures, strict=True), strict=True
    ):
        changed = notes.NoteSignature(
            key.name, key.id, bytes((signature.signature[0] ^ 1,)) + signature.signature[1:]
        )
        for use in ((key, CHECKPOINT, changed), (mine, CHECKPOINT, signature)):
            with pytest.raises(InvalidProof):
                check_signature(*use)
        for other_one in (
            replace(CHECKPOINT, size=2),
            replace(CHECKPOINT, root=bytes(32)),
            replace(CHECKPOINT, origin="x"),
        ):
            with pytest.raises(InvalidProof):
                check_signature(key, other_one, signature)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n1\n", "\n01\n"),
        ("\n1\n", "\n-1\n"),
        ("\n\n", "\n"),
        ("\n\n", "\n\n\n"),
        ("— ", "- "),
        ("=\n\n", "\n\n"),
        ("lienthong/log/00\n1", "\n1"),
    ],
)
def test_a_checkpoint_has_one_form(signer: LogSigner, old: str, new: str) -> None:
    text = signer.sign(CHECKPOINT, AT).to_text()
    assert old in text

    with pytest.raises(InvalidProof):
        notes.read_checkpoint(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("quorum", "enough", "few"),
    [
        ("quorum none", "", None),
        ("quorum b", "b", "ac"),
        ("group g any a b c\nquorum g", "c", ""),
        ("group g all a b c\nquorum g", "abc", "ab"),
        ("group g 2 a b c\n# two\nquorum g", "bc", "b"),
        ("group g 1 a b\ngroup h all g c\nquorum h", "bc", "ab"),
    ],
)
def test_a_quorum_needs_the_witnesses_that_it_names(quorum: str, enough: str, few: str | None) -> None:
    policy = notes.read_policy(f"{WITNESSES}\n{quorum}\n")

    assert policy.is_met({*enough})
    assert few is None or not policy.is_met({*few})
    assert notes.read_policy(policy.to_text()) == policy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum",
        "quorum a",
        "quorum none\nquorum none",
        f"witness none {W1}\nquorum none",
        f"witness a {W1}\nwitness a {W2}\nquorum a",
        f"witness a {W1}\nwitness b {W1}\nquorum a",
        f"log {W1}\nwitness a {W1}\nquorum a",
        f"{WITNESSES}group g 0 a b\nquorum g",
        f"{WITNESSES}group g 3 a b\nquorum g",
        f"{WITNESSES}group g any a a\nquorum g",
        f"{WITNESSES}group g any a\ngroup h any a b\nquorum h",
        f"{WITNESSES}group g any d\nquorum g",
        f"witness a {str(W1)[:-4]}AAA=\nquorum a",
        "witness a w1+00000000+BA==\nquorum a",
        "log example.com+deadbeef+/w==\nquorum none",
    ],
)
def test_a_policy_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidProof):
        notes.read_policy(text)


def test_a_policy_without_witnesses_trusts_the_log_alone(signer: LogSigner) -> None:
    assert notes.read_policy(LogPolicy(logs=signer.keys).to_text()).logs == signer.keys
