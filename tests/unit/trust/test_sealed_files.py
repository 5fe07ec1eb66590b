"""Keys under a passphrase, and what this program sealed before it wrote age."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pyrage
import pytest

from gateway.errors import Denied, StoreFailure
from gateway.ops.backup_file import BackupReader, Damaged, read_about
from gateway.trust import sealed_files
from gateway.trust.hold_seal import KeyUnsealer, new_pair
from gateway.trust.sealed_files import NotOpened
from tests.support.cases import Cases

SEALED = Path(__file__).parents[2] / "samples" / "sealed"
WORDS = b"words that nobody guesses"
OF_THE_HEAD = b"words of the head"
HELD_WORDS = b"The words of a secret, sealed before this program wrote age.\n" * 30


@pytest.mark.long
def test_a_passphrase_opens_a_key_and_another_one_does_not() -> None:
    private, public = new_pair(OF_THE_HEAD)

    text = sealed_files.unlock(private, OF_THE_HEAD)
    assert f"{pyrage.x25519.Identity.from_str(text.decode().strip()).to_public()}\n".encode() == public
    with pytest.raises(NotOpened):
        sealed_files.unlock(private, b"other words")
    assert KeyUnsealer.from_file(private, OF_THE_HEAD).fingerprint
    # A file cannot ask for more memory than we give.
    greedy = re.sub(rb"(-> scrypt \S+) \d+", rb"\1 40", private)
    with pytest.raises(NotOpened, match="no file that a passphrase opens"):
        sealed_files.unlock(greedy, OF_THE_HEAD)


def test_a_machine_that_is_busy_for_a_moment_opens_a_key_at_a_later_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How busy it is the library decides by its clock, so its answer is the only thing here that is made up."""
    answers = iter(["Excessive work parameter for passphrase.", "Excessive work parameter for passphrase."])

    def decrypt(locked: bytes, passphrase: str) -> bytes:
        for answer in answers:
            raise pyrage.DecryptError(answer)
        return b"the key"

    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt)
    head = b"age-encryption.org/v1\n-> scrypt " + b"s" * 22 + b" 18\n"

    assert sealed_files.unlock(head, OF_THE_HEAD) == b"the key"


def members(raw: bytes, words: bytes = WORDS) -> dict[str, bytes]:
    reader, member_bytes = BackupReader(io.BytesIO(raw), words), {}
    while (member := reader.next()) is not None:
        member_bytes[member.name] = reader.read(member)
    reader.close()
    return member_bytes


def test_a_backup_of_before_is_read_and_its_damage_found(cases: Cases) -> None:
    raw = (SEALED / "node.backup").read_bytes()
    member_bytes = members(raw)
    assert read_about(member_bytes["about.json"]).node == "Z91.02"
    assert member_bytes.keys() >= {"manifest.json", "settings.toml"}

    changed = {
        "another passphrase": (raw, b"words of another person", "GW-B-002"),
        "cut in its head": (raw[:20], WORDS, "GW-B-002"),
        "more memory than we give": (raw[:8] + b"\x28" + raw[9:], WORDS, "GW-B-002"),
        "cut": (raw[:-100], WORDS, "GW-B-001"),
        "longer": (raw + b"\0", WORDS, "GW-B-001"),
        "changed": (raw[:20_000] + bytes([raw[20_000] ^ 1]) + raw[20_001:], WORDS, "GW-B-001"),
    }
    for name, (bad, words, code) in changed.items():
        with cases.case(name):
            with pytest.raises(Damaged, match=r"byte|passphrase") as excinfo:
                members(bad, words)
            assert excinfo.value.code == code


def test_content_that_was_sealed_before_opens_with_its_key_and_its_damage_is_found(cases: Cases) -> None:
    keys = {
        kind: KeyUnsealer.from_file((SEALED / f"{kind}.key.pem").read_bytes(), OF_THE_HEAD)
        for kind in ("x25519", "rsa")
    }
    for kind, key in keys.items():
        raw = (SEALED / f"{kind}.sealed").read_bytes()
        with cases.case(kind):
            target = io.BytesIO()
            key.unseal(io.BytesIO(raw), target)
            assert target.getvalue() == HELD_WORDS
        for name, bad, fault in (
            ("cut in its head", raw[:20], Denied),
            ("cut", raw[:-10], StoreFailure),
            ("longer", raw + b"\0", StoreFailure),
            ("changed", raw[:-10] + bytes([raw[-10] ^ 1]) + raw[-9:], StoreFailure),
        ):
            with cases.case(f"{kind} {name}"), pytest.raises(fault):
                key.unseal(io.BytesIO(bad), io.BytesIO())
        other = keys["rsa" if kind == "x25519" else "x25519"]
        with cases.case(f"{kind} with another key"), pytest.raises(Denied):
            other.unseal(io.BytesIO(raw), io.BytesIO())
