"""Keys under a passphrase, and what this program sealed before it wrote age."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import shutil
from contextlib import closing, suppress
from pathlib import Path

import pyrage
import pytest

from gateway.errors import Denied, StoreFailure
from gateway.ops.backup_file import BackupReader, BackupWriter, Damaged, read_about
from gateway.pool import ThreadPool
from gateway.trust import sealed_files
from gateway.trust.hold_seal import KeyUnsealer, new_pair
from gateway.trust.sealed_files import NotOpened
from tests.support.cases import Cases

SEALED = Path(__file__).parents[2] / "samples" / "sealed"
WORDS = b"words that nobody guesses"
OF_THE_HEAD = b"words of the head"
HELD_WORDS = b"The words of a secret, sealed before this program wrote age.\n" * 30


def test_a_passphrase_opens_a_key_and_another_one_does_not() -> None:
    private, public = new_pair(OF_THE_HEAD)

    text = sealed_files.unlock(private, OF_THE_HEAD)
    assert f"{pyrage.x25519.Identity.from_str(text.decode().strip()).to_public()}\n".encode() == public
    with pytest.raises(NotOpened, match="passphrase"):
        sealed_files.unlock(private, b"other words")


def test_the_work_of_a_passphrase_is_fixed_and_that_of_a_file_is_limited(cases: Cases) -> None:
    private, _ = new_pair(OF_THE_HEAD)
    assert re.match(rb"age-encryption\.org/v1\n-> scrypt \S{22} 17\n", private)

    # A file cannot ask for more memory than we give, a changed one is no key.
    for name, pattern, by in (
        ("more than a serving process gives", rb"(-> scrypt \S+) \d+", rb"\1 19"),
        ("more than anybody gives", rb"(-> scrypt \S+) \d+", rb"\1 40"),
        ("another work", rb"(-> scrypt \S+) \d+", rb"\1 16"),
        ("a further recipient", rb"\n--- ", rb"\n-> X25519 abc\nabc\n--- "),
        ("a line of another length", rb"\n--- ", rb"\nab\n--- "),
        ("another MAC", rb"\n--- .", rb"\n--- ~"),
        ("cut", rb".\Z", b""),
        ("longer", rb"\Z", b"0"),
    ):
        with cases.case(name), pytest.raises(NotOpened):
            sealed_files.unlock(re.sub(pattern, by, private, count=1, flags=re.DOTALL), OF_THE_HEAD)
    with pytest.raises(NotOpened, match="more work"):
        sealed_files.unlock(re.sub(rb"(-> scrypt \S+) \d+", rb"\1 23", private), OF_THE_HEAD, most_work=22)


async def test_the_event_loop_turns_while_a_backup_is_locked() -> None:
    turns = 0

    def lock() -> int:
        turns_before = turns
        BackupWriter(io.BytesIO(), WORDS).close()
        return turns - turns_before

    with closing(ThreadPool(1)) as pool:
        locking = asyncio.create_task(pool.run(lock))
        while not locking.done():
            turns += 1
            await asyncio.sleep(0)
    # A hundred thousand. Where the interpreter's lock is kept, only the threads' changes leave it some hundred.
    assert await locking > 5_000


@pytest.mark.long
def test_every_age_tool_opens_what_we_lock_and_we_open_what_the_library_locked(tmp_path: Path) -> None:
    private, _ = new_pair(OF_THE_HEAD)
    assert pyrage.passphrase.decrypt(private, OF_THE_HEAD.decode()) == sealed_files.unlock(
        private, OF_THE_HEAD
    )

    # As this program locked keys before it chose the work by itself: mostly at 2^19 or 2^20.
    earlier = pyrage.passphrase.encrypt(b"the key", OF_THE_HEAD.decode())
    assert sealed_files.unlock(earlier, OF_THE_HEAD, most_work=sealed_files.MOST_WORK) == b"the key"


@pytest.mark.skipif(shutil.which("age") is None, reason="Debian's package age is not installed")
def test_debians_age_opens_what_we_lock(tmp_path: Path) -> None:
    private, _ = new_pair(OF_THE_HEAD)
    file = tmp_path / "key.age"
    file.write_bytes(private)

    assert typed_at(["age", "-d", str(file)], OF_THE_HEAD) == sealed_files.unlock(private, OF_THE_HEAD)


def typed_at(command: list[str], words: bytes) -> bytes:
    """Return what a program prints that reads a passphrase from its terminal alone."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)  # noqa: S606 - a program of the system, without a shell
    output = b""
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        while b"passphrase" not in output:
            output += screen.read(1024)
        screen.write(words + b"\n")
        with suppress(OSError):  # the terminal ends with its program
            while piece := screen.read(1024):
                output += piece
    os.waitpid(child, 0)
    return b"AGE-SECRET" + output.rpartition(b"AGE-SECRET")[2].replace(b"\r\n", b"\n")


def members(raw: bytes, words: bytes = WORDS) -> dict[str, bytes]:
    reader, member_bytes = BackupReader(io.BytesIO(raw), words), {}
    while (member := reader.next()) is not None:
        member_bytes[member.name] = reader.read(member)
    reader.close()
    return member_bytes


def test_a_backup_of_an_older_version_is_read_and_its_damage_detected(cases: Cases) -> None:
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


def test_content_of_an_older_seal_opens_with_its_key_and_its_damage_is_detected(cases: Cases) -> None:
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
