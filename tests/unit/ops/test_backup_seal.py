"""A sealed stream gives back what was written or names damage; nothing in between. Any tool of tar and age opens it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import closing

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ops.backup_file import KEY, STREAM, BackupReader, BackupWriter, Damaged
from tests.support.passphrases import make_cheap

WORDS = b"words that nobody guesses"


@pytest.fixture(autouse=True, scope="module")
def _cheap() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        make_cheap(patch)
        yield


def sealed(data: bytes) -> bytes:
    file = io.BytesIO()
    writer = BackupWriter(file, WORDS)
    writer.write("first", data)
    writer.write("second", b"the last word")
    writer.finish()
    return file.getvalue()


def opened(raw: bytes, words: bytes = WORDS) -> bytes:
    with closing(BackupReader(io.BytesIO(raw), words)) as reader:
        contents = {}
        while (member := reader.next()) is not None:
            contents[member.name] = reader.read(member)
    assert contents.pop("second") == b"the last word"
    return contents["first"]


@given(data=st.binary(max_size=2000))
def test_what_was_written_comes_back(data: bytes) -> None:
    """R101 (backup)."""
    assert opened(sealed(data)) == data


def test_it_is_a_tar_of_two_age_files() -> None:
    with tarfile.open(fileobj=io.BytesIO(sealed(bytes(300_000)))) as archive:
        assert archive.getnames() == [KEY, STREAM]
        locked, stream = (archive.extractfile(member) for member in archive)
        assert locked is not None
        assert stream is not None
        identity = pyrage.x25519.Identity.from_str(locked.read()[32:].decode())
        plain = pyrage.decrypt(stream.read(), [identity])
    with tarfile.open(fileobj=io.BytesIO(plain)) as inside:
        first = inside.extractfile("first")
        assert first is not None
        assert first.read() == bytes(300_000)


def test_nothing_of_it_is_readable_with_another_passphrase() -> None:
    raw = sealed(b"-----BEGIN PRIVATE KEY-----" * 20)

    assert b"PRIVATE KEY" not in raw
    with pytest.raises(Damaged, match="passphrase does not open") as excinfo:
        opened(raw, b"other words altogether")
    assert excinfo.value.code == "GW-B-002"


def test_every_changed_byte_is_detected() -> None:
    raw = sealed(bytes(range(256)))
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(Damaged, match=r"byte|passphrase"):
            opened(changed)


def test_every_cut_and_every_addition_is_detected() -> None:
    raw = sealed(bytes(200))
    for length in range(len(raw)):
        with pytest.raises(Damaged):
            opened(raw[:length])
    with pytest.raises(Damaged, match="bytes after its end"):
        opened(raw + b"\0")


def test_damage_far_inside_is_told_with_its_place_after_what_lies_before_it() -> None:
    """Each piece says which one it is, so a whole one in another's place is damage."""
    raw = sealed(bytes(400_000))
    piece, at = 64 * 1024 + 16, 100_000
    for changed in (
        raw[:300_000] + bytes([raw[300_000] ^ 1]) + raw[300_001:],
        raw[:at] + raw[at + piece : at + 2 * piece] + raw[at : at + piece] + raw[at + 2 * piece :],
    ):
        with pytest.raises(
            Damaged, match=r"damaged before byte \d{5,6}: .* \(in or behind first\)"
        ) as excinfo:
            opened(changed)
        assert excinfo.value.code == "GW-B-001"


def test_a_reader_that_is_left_half_way_ends() -> None:
    with closing(BackupReader(io.BytesIO(sealed(bytes(1_000_000))), WORDS)) as reader:
        member = reader.next()
        assert member is not None
        assert next(reader.pieces(member)) == bytes(256 * 1024)


def test_a_disk_that_is_full_is_told_as_such() -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            if self.tell() > 2000:
                raise OSError(28, "No space left on device")
            return super().write(data)  # type: ignore[arg-type]

    writer = BackupWriter(Full(), WORDS)
    with pytest.raises(OSError, match="No space"):
        writer.write("first", bytes(1_000_000))
    with pytest.raises(OSError, match="No space"):
        writer.close()
