"""A sealed stream gives back what was written or names damage; nothing in between."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ops import backup_file
from gateway.ops.backup_file import Damaged, SealedReader, SealedWriter

WORDS = b"words that nobody guesses"


@pytest.fixture(autouse=True, scope="module")
def _cheap() -> object:
    """The price of a guess is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup_file, "COST_LOG2", 2)
        patch.setattr(backup_file, "PIECE", 64)
        yield


def sealed(data: bytes, step: int = 50) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, WORDS)
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
    writer.close()
    return file.getvalue()


def opened(raw: bytes, words: bytes = WORDS, step: int = 37) -> bytes:
    reader = SealedReader(io.BytesIO(raw), words)
    parts = []
    while part := reader.read(step):
        parts.append(part)
    reader.finish()
    return b"".join(parts)


@given(data=st.binary(max_size=400), step=st.integers(1, 200), size=st.integers(1, 200))
def test_what_was_written_comes_back(data: bytes, step: int, size: int) -> None:
    assert opened(sealed(data, step), step=size) == data


def test_nothing_of_it_is_readable_with_another_passphrase() -> None:
    raw = sealed(b"-----BEGIN PRIVATE KEY-----" * 20)

    assert b"PRIVATE KEY" not in raw
    with pytest.raises(Damaged, match="passphrase does not open"):
        opened(raw, b"other words altogether")


def test_a_file_cannot_ask_for_more_memory_than_we_give() -> None:
    raw = bytearray(sealed(b"text"))
    raw[8] = 40

    with pytest.raises(Damaged, match="first bytes"):
        opened(bytes(raw))


def test_every_changed_byte_is_found() -> None:
    raw = sealed(bytes(range(256)))
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(Damaged, match=r"byte|passphrase"):
            opened(changed)


def test_every_cut_and_every_addition_and_exchange_is_found() -> None:
    """Each piece says which one it is, so a whole one in another's place is damage."""
    raw = sealed(bytes(200))
    for length in range(len(raw)):
        with pytest.raises(Damaged):
            opened(raw[:length])
    with pytest.raises(Damaged, match="after its end"):
        opened(raw + b"\0")

    raw, head, piece = sealed(bytes(200)), 25, 4 + 64 + 16
    first, second = raw[head : head + piece], raw[head + piece : head + 2 * piece]

    with pytest.raises(Damaged):
        opened(raw[:head] + second + first + raw[head + 2 * piece :])
