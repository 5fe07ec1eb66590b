"""Reading what the wild sends: any dialect, whole or in pieces, inside a JSON string, with base64 inside. What is read
does not depend on how the bytes were cut, and only our own refusals come out."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.edxml import attachment
from gateway.edxml.attachment import Decoded, Decoder
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.reader import read
from gateway.errors import CannotOpen, MalformedXml
from gateway.ops import explain
from tests.fuzz.target import Target
from tests.support import envelopes, pki

_LIMITS = EnvelopeLimits(inflated_bytes=4 * 1024 * 1024)
_AT = datetime(2031, 3, 4, tzinfo=UTC)
_SAMPLES = Path(__file__).parents[1] / "interop" / "samples"
_NAMES = ("15.pdf", "a.zip", "a.docx", "bảng.xlsx", "a", "", "a.txt", "a.odt")


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _explain(pieces: Sequence[bytes]) -> dict[str, Any]:
    try:
        return explain.explain_pieces(pieces, _LIMITS)
    except MalformedXml as refusal:
        return {"refused": refusal.code}


def aloud(data: bytes) -> None:
    """What is said of a file is the same however it is cut, can be sent as JSON, and shows no control characters. Of two
    faults the cut may decide which is met first."""
    explained, cut = _explain([data]), _explain(_cut(data, 13))
    assert explained == cut or ("refused" in explained and "refused" in cut), (
        "another piece size, another meaning"
    )
    json.dumps(explained).encode()
    if "refused" not in explained:
        text = explain.to_text(explained)
        assert all(letter.isprintable() or letter == "\n" for letter in text)


def _meaning(data: bytes) -> object:
    try:
        reading = read([data], _LIMITS)
    except MalformedXml:
        return None  # of two faults the string around them may decide which is met first
    return reading.envelope, reading.dialect, [(file.name, file.size, file.sha256) for file in reading.files]


def wrapped(data: bytes) -> None:
    """A file inside one JSON string means what it means outside of it."""
    _meaning(data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    if not text.lstrip("\ufeff \t\r\n\f\v").startswith("<") or text.startswith("\ufeff"):
        return
    plain = _meaning(data)
    for quoted in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        assert _meaning(quoted.encode()) == plain, "the JSON string around it changed the meaning"


def _decoded(name: str, pieces: Sequence[str]) -> Decoded:
    decoder = Decoder(name, _LIMITS)
    for piece in pieces:
        decoder.feed(piece.encode())
    return decoder.finish()


def encoded(data: bytes) -> None:
    """Base64 text is decoded alike in any pieces, strictly, and comes out again as the file that was told."""
    name, text = _NAMES[data[0] % len(_NAMES)] if data else "", data[1:].decode("utf-8", "replace")
    decoded = _decoded(name, [text])
    cut = _decoded(name, [text[at : at + 5] for at in range(0, len(text), 5)])
    # how much came before what is no base64 is seen only as far as the pieces go
    assert decoded == cut or (decoded.size is None and decoded.damaged == cut.damaged), (decoded, cut)
    if decoded.damaged is None:
        _streams_back(text, decoded)
    if decoded.size is not None and decoded.coding == "raw":
        bare = "".join(text.split())
        assert base64.b64encode(binascii.a2b_base64(bare)).decode() == bare, "a second text for one file"
    _comes_back(name or "a", data)


def _streams_back(text: str, decoded: Decoded) -> None:
    out = b"".join(attachment.decoded_pieces(_cut(text.encode(), 7), decoded.coding))
    assert len(out) == decoded.size
    assert hashlib.sha256(out).hexdigest() == decoded.sha256


def _comes_back(name: str, data: bytes) -> None:
    """Whatever we write is read as the same file. A ZIP under the name of another kind is opened: a wrapper, as told."""
    if data.startswith(b"PK"):
        return
    entry = f"{envelopes.uuid_of(1)}.{attachment.extension(name) or 'unk'}"
    text = b"".join(attachment.encoded_pieces(name, entry, _cut(data, 11), _AT)).decode()
    decoded = _decoded(name, [text])
    assert decoded.damaged is None
    assert (decoded.size, decoded.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def cut_short(data: bytes) -> None:
    """Check that a damaged file says so while it streams."""
    try:
        for _ in attachment.decoded_pieces(
            _cut(data[1:], 64), "zip" if data[:1] > b"\x80" else "raw", 1 << 22
        ):
            pass
    except CannotOpen:
        pass


def _attachments(data: bytes) -> None:
    encoded(data)
    cut_short(data)


def _files() -> Iterator[bytes]:
    for path in sorted(_SAMPLES.glob("*.edxml")):
        yield path.read_bytes()
    signer = pki.signer(envelopes.SENDER, "p256")
    yield envelopes.native(envelopes.document(()), (), signer=signer)


def _texts() -> Iterator[bytes]:
    for n, name in enumerate(_NAMES):
        entry = f"{envelopes.uuid_of(1)}.{attachment.extension(name) or 'unk'}"
        pieces = attachment.encoded_pieces(name or "a", entry, [b"content of " + name.encode()], _AT)
        yield bytes([n]) + b"".join(pieces)
        yield bytes([n]) + base64.b64encode(b"plain " + name.encode())


TARGETS = (
    Target(name="explain", run=aloud, seeds=_files),
    Target(name="json", run=wrapped, seeds=_files),
    Target(name="attachment", run=_attachments, seeds=_texts),
)
