"""Builds the vectors of the signature profile: envelopes, good and bad, each with what every verifier must say of it. In:
nothing; keys, times and certificates follow from names, so that the same files come out anywhere. Out: `all_vectors`;
as a program (`python -m tests.vectors.make FOLDER`) the files. What is to be said of them stands in `vectors.csv`.

The numbers in front of the names are the groups of the profile: 1 good files, 2 bytes that are not canonical, 3 the
signature moved, 4 wrapping and references, 5 transforms, 6 keys and values, 7 time. What only several files together
show (repeats, conflicts, order) is tried at a node (`tests/threats/test_again.py`); single bytes, group 8, in
`tests/long/hostile/test_one_byte.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from gateway.edxml.envelope import Organisation
from tests.hostile import (
    forge,
    test_forged_signature,
    test_keys_and_values,
    test_moved_signature,
    test_not_canonical,
    test_terms,
    wrapped,
)
from tests.hostile.forge import Mutation
from tests.support import envelopes, oracles, pki

Row = tuple[str, Mutation, str]
RSA = pki.signer(envelopes.SENDER)
ELLIPTIC = pki.signer(envelopes.SENDER, "p256")
LONG = pki.signer(envelopes.SENDER, "rsa-4096")
RECEIVER = pki.signer(envelopes.RECEIVER)
STRANGER = envelopes.SECOND_RECEIVER
WEAK = {kind: pki.signer(STRANGER, kind) for kind in ("rsa-1024", "rsa-2048-e3", "p384")}
BOUND = (RSA, ELLIPTIC, LONG, RECEIVER, pki.signer(envelopes.RECEIVER, "p256"), *WEAK.values())
NOW = oracles.AT

# Which group a threat's files belong to; what is not here is about the structure of the signature.
_GROUPS = {
    **dict.fromkeys((6, 11, 12, 13, 93), 2),
    **dict.fromkeys((15, 17, 18, 94), 3),
    **dict.fromkeys((30, 31, 96), 5),
    **dict.fromkeys((32, 33, 34, 35, 37, 47, 98), 6),
    **dict.fromkeys((49, 101), 7),
}
_STRUCTURE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One file. `signer`: whose certificate other verifiers are given. `revoked`: judged with a list that names it."""

    name: str
    raw: bytes
    signer: pki.KeySigner = RSA
    revoked: bool = False


def all_vectors() -> tuple[Vector, ...]:
    """Every vector, by name."""
    vectors = sorted(
        (*_good(), *_changed(), *_wrapped(), *_values(), *_times()), key=lambda vector: vector.name
    )
    assert len({vector.name for vector in vectors}) == len(vectors)
    return tuple(vectors)


def _good() -> Iterator[Vector]:
    for kind, model, files, receipt in envelopes.every_kind():
        signer = pki.signer(model.sender.organ_id or "", "p256")
        raw = envelopes.native(model, files, signer=signer, receipt=receipt)
        yield Vector(name=f"1-{kind.replace(' ', '-')}", raw=raw, signer=signer)
    for name, signer in (("rsa-2048", RSA), ("rsa-4096", LONG)):
        yield Vector(name=f"1-{name}", raw=envelopes.native(signer=signer), signer=signer)
    for count in (1, 50):
        files = tuple((f"tep-{n}.txt", f"tệp {n}".encode()) for n in range(count))
        raw = envelopes.native(envelopes.document(files), files, signer=ELLIPTIC)
        yield Vector(name=f"1-attachments-{count}", raw=raw, signer=ELLIPTIC)
    for name, text in _TEXTS.items():
        raw = envelopes.native(envelopes.document((), subject=text), (), signer=ELLIPTIC)
        yield Vector(name=f"1-text-{name}", raw=raw, signer=ELLIPTIC)
    for name, model, receipt, terms in test_terms.GOOD:
        signer = pki.signer(model.sender.organ_id or "", "p256")
        raw = envelopes.native(model, signer=signer, receipt=receipt, terms=terms)
        yield Vector(name=f"1-terms-{name}", raw=raw, signer=signer)
    imitation = "<ds:Signature Id='x'>"
    files = (("kem.edxml", imitation.encode()),)
    raw = envelopes.native(envelopes.document(files, subject=f"V/v {imitation}"), files, signer=ELLIPTIC)
    yield Vector(name="3-words-that-look-like-a-signature", raw=raw, signer=ELLIPTIC)


_TEXTS = {
    "markup": "& < > \" ' ]]>",
    "tab-and-line-feed": "một\thai\nba",
    "last-letter": "cuối \U0010ffff",
    "vietnamese": "Về việc phối hợp rà soát, kiểm thử liên thông văn bản",
}


def _changed() -> Iterator[Vector]:
    native = envelopes.native()
    for name, mutate in _with_names((*test_forged_signature.STOLEN, *test_moved_signature.CASES)):
        yield Vector(name=name, raw=mutate(native))
    for name, mutate in _with_names((*test_forged_signature.OWNED, *test_not_canonical.CASES)):
        yield Vector(name=name, raw=test_not_canonical.resigned(mutate, native))
    raw_bytes = (row for row in test_not_canonical.CASES if row[0] not in test_not_canonical.SAME_BODY)
    for name, mutate in _with_names(raw_bytes):
        yield Vector(name=f"{name}-signed-raw", raw=test_not_canonical.resigned(mutate, native, raw=True))
    for carrier, rows in test_terms.SHAPES.items():
        good, signer = test_terms.native(carrier), test_terms.signer(carrier)
        for row, mutate, _ in rows:
            raw = forge.resign(mutate(good), good, signer)
            yield Vector(name=f"4-terms-{row}", raw=raw, signer=signer)
    parked = test_terms.parked(test_terms.native("document"))
    yield Vector(name="4-terms-parked-in-a-second-object", raw=parked)
    text = native.decode()
    for encoding in ("utf-16", "utf-32", "utf-7"):
        raw = text.replace("UTF-8", encoding.upper(), 1).encode(encoding)
        yield Vector(name=f"2-{encoding}", raw=raw)


def _with_names(rows: Iterable[Row]) -> Iterator[tuple[str, Mutation]]:
    """The suite's number gives way to the group."""
    for name, mutate, _ in rows:
        threat, _, label = name.partition("-")
        group = _GROUPS.get(int(threat), _STRUCTURE) if threat.isdigit() else _STRUCTURE
        yield f"{group}-{label}", mutate


def _wrapped() -> Iterator[Vector]:
    for variant in wrapped.XSW:
        raw = wrapped.wrapped(envelopes.native(), variant)
        yield Vector(name=f"4-{variant[3:]}", raw=raw)
    yield Vector(name="4-parked-properties", raw=wrapped.parked(envelopes.native()))


def _values() -> Iterator[Vector]:
    for change in ("r-zero", "s-zero", "65-bytes", "short", "r-plus-order", "other", "high-s"):
        raw = test_keys_and_values.with_value(envelopes.native(signer=ELLIPTIC), change)
        yield Vector(name=f"6-elliptic-{change}", raw=raw, signer=ELLIPTIC)
    for kind, signer in WEAK.items():
        model = envelopes.document(sender=Organisation(organ_id=STRANGER, organ_name="Cơ quan Mẫu"))
        yield Vector(name=f"6-key-{kind}", raw=envelopes.native(model, signer=signer), signer=signer)
    unbound = replace(RSA, certificate_der=_another_certificate())
    yield Vector(
        name="6-another-certificate-of-the-key", raw=envelopes.native(signer=unbound), signer=unbound
    )


def _another_certificate() -> bytes:
    return pki.der(pki.root().issue(envelopes.SENDER, RSA.private_key, serial=2))


def _times() -> Iterator[Vector]:
    minute, day = timedelta(minutes=1), timedelta(days=1)
    rows = {
        "ten-minutes-ahead": 10 * minute,
        "eleven-minutes-ahead": 11 * minute,
        "two-days-ahead": 2 * day,
        "thirty-days-ago": -30 * day,
        "thirty-one-days-ago": -31 * day,
    }
    for name, ahead in rows.items():
        yield Vector(name=f"7-{name}", raw=envelopes.native(signer=ELLIPTIC, at=NOW + ahead), signer=ELLIPTIC)
    raw = envelopes.native(at=NOW - 29 * day)
    yield Vector(name="7-backdated-under-a-revoked-key", raw=raw, revoked=True)


def write(folder: Path) -> int:
    """Every vector as a file; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    vectors = all_vectors()
    for vector in vectors:
        (folder / f"{vector.name}.edxml").write_bytes(vector.raw)
    return len(vectors)


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]))} files in {sys.argv[1]}")
