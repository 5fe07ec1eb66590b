"""One event as a leaf of the log: the bytes that are hashed, written once and kept for ever (E1). In: an event's row and
salts. Out: the bytes; or what differs between kept bytes and a row. The form is fixed in docs/log.md.

Texts that people wrote stand outside: the leaf holds a salted digest of each, so that a text can be deleted and the log
stays whole. What is no machine's word counts as such a text, whatever its name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.domain import merkle

VERSION = 1
SALT_BYTES = 32
# Names of data that people write or that name people, however short their values are.
PERSONAL = frozenset(
    {
        *("reason", "why", "note", "detail", "assignment", "answered_by", "name", "person", "title"),
        *("confirmed_by", "approved_by", "proposed_by", "withdrawn_by", "email", "phone", "staff", "file"),
    }
)
# Codes, ids, digests, times, states. No blank, nothing beyond ASCII, no address of a person's mail.
_MACHINE_WORD = re.compile(r"@?[!-?A-~]*")
_LONGEST_WORD = 200
# Nobody is named by one.
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An event as its row tells it. `kind` is plain text: a newer node may have written one unknown here."""

    id: str
    kind: str
    at: datetime
    agency_id: str
    subject_id: str
    principal_id: str
    data: Mapping[str, Any]
    node_seq: int
    agency_seq: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The bytes of one leaf, and the salts of the texts beside it, by name."""

    body: bytes
    salts: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> bytes:
        return merkle.leaf_hash(self.body)


def write(event: Logged, salt: Callable[[], bytes]) -> Leaf:
    """The leaf of an event. `salt` gives SALT_BYTES fresh random bytes for each text that stands outside."""
    personal = sorted(name for name, value in event.data.items() if is_personal(name, value))
    salts = {name: salt().hex() for name in personal}
    told = _told(event) | {
        "data": {name: value for name, value in event.data.items() if name not in salts},
        "personal": {name: text_digest(salts[name], event.data[name]) for name in personal},
        "v": VERSION,
    }
    return Leaf(body=_json(told), salts=salts)


def is_personal(name: str, value: object) -> bool:
    """Whether a value stands outside its leaf."""
    if (
        value is None
        or isinstance(value, bool | int)
        or (isinstance(value, str) and _DIGEST.fullmatch(value))
    ):
        return False
    return name in PERSONAL or not _is_machines(value)


def text_digest(salt: str, value: object) -> str:
    """What the leaf holds of a text: SHA-256(salt ‖ the value as canonical JSON), in hexadecimal digits."""
    return hashlib.sha256(bytes.fromhex(salt) + _json(value)).hexdigest()


def read(body: bytes) -> dict[str, Any]:
    """What a leaf says. ValueError for bytes that are no leaf."""
    told = json.loads(body)
    if (
        not isinstance(told, dict)
        or told.get("v") != VERSION
        or not isinstance(told.get("personal"), dict)
        or not isinstance(told.get("data"), dict)
        or type(told.get("seq")) is not int
    ):
        raise ValueError("these bytes are no leaf of a version that is known here")
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A leaf held against the row. `changed` names fields that differ, `erased` texts that are gone with their salt,
    `texts` those that differ from their salted digest."""

    changed: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def compare(body: bytes, event: Logged, salts: Mapping[str, str]) -> Compared:
    """What differs. ValueError for bytes that are no leaf."""
    told = read(body)
    plain = {name: value for name, value in event.data.items() if name not in told["personal"]}
    changed = _differing(_told(event), told, "")
    changed += _differing(plain, told["data"], "data.") + _differing(told["data"], plain, "data.")
    erased, texts = [], []
    for name, digest in told["personal"].items():
        if name not in event.data and name not in salts:
            erased.append(name)
        elif name not in event.data or name not in salts or not _opens(salts[name], event.data[name], digest):
            texts.append(name)
    return Compared(changed=tuple(dict.fromkeys(changed)), erased=tuple(erased), texts=tuple(texts))


def _differing(these: Mapping[str, Any], those: Mapping[str, Any], prefix: str) -> list[str]:
    """Names of `these` that `those` do not have alike."""
    return [
        f"{prefix}{name}"
        for name, value in these.items()
        if name not in those or not _alike(value, those[name])
    ]


def _alike(one: Any, other: Any) -> bool:
    """As JSON tells them apart: true is not 1."""
    if type(one) is not type(other) or one != other:
        return False
    return not isinstance(one, dict | list) or _json(one) == _json(other)


def _opens(salt: str, value: object, digest: str) -> bool:
    try:
        return text_digest(salt, value) == digest
    except ValueError:
        return False


def _told(event: Logged) -> dict[str, Any]:
    return {
        "agency": event.agency_id,
        "at": event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "id": event.id,
        "kind": event.kind,
        "own": event.agency_seq,
        "principal": event.principal_id,
        "seq": event.node_seq,
        "subject": event.subject_id,
    }


def _is_machines(value: object) -> bool:
    match value:
        case str():
            return len(value) <= _LONGEST_WORD and _MACHINE_WORD.fullmatch(value) is not None
        case dict():
            return all(name not in PERSONAL and _is_machines(each) for name, each in value.items())
        case list():
            return all(map(_is_machines, value))
    return value is None or isinstance(value, bool | int)


def _json(value: object) -> bytes:
    """Canonical: names sorted, no blanks, everything beyond ASCII escaped."""
    return json.dumps(
        value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode("ascii")
