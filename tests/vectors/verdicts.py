"""What four verifiers say of a vector: our fast path, our general path, xmlsec and signxml; and what the whole of ours
ends with. In: vectors. Out: rows, and the table `vectors.csv`, in which each row was read and found right by a person."""

from __future__ import annotations

import csv
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.edxml import canonical, general, key
from gateway.edxml.policy import XmlPolicy
from gateway.errors import InvalidEnvelope
from gateway.ops.verify_file import verify_file
from tests.hostile import forge
from tests.support import envelopes, pki, readers
from tests.threats.ground import trust_folder
from tests.vectors.make import BOUND, NOW, RSA, Vector, all_vectors

TABLE = Path(__file__).with_name("vectors.csv")
VALID, NOT_MINE = "valid", "not-mine"
_POLICY = XmlPolicy()
_BINDINGS = [envelopes.binding(b) for b in BOUND]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`fast` and `general` are our two paths over the bytes alone; `end` is what `gateway verify` says in the end."""

    name: str
    sha256: str
    fast: str
    general: str
    end: str
    xmlsec: str
    signxml: str


def rows() -> Iterator[Row]:
    """Every vector, judged now."""
    with tempfile.TemporaryDirectory() as folder:
        trust = {revoked: _trust(Path(folder) / str(revoked), revoked=revoked) for revoked in (False, True)}
        for vector in all_vectors():
            path = Path(folder) / "packet.edxml"
            path.write_bytes(vector.raw)
            report = verify_file(path, trust[vector.revoked], NOW)
            yield _judged(vector, report["code"] or VALID)


def load_expected() -> dict[str, Row]:
    """The table that is kept."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["name"]: Row(**row) for row in csv.DictReader(file)}


def write_table(path: Path = TABLE) -> None:
    """What is said now; whoever puts it in the place of the kept one has read what differs."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        out.writeheader()
        out.writerows(asdict(row) for row in rows())


def _judged(vector: Vector, end: str) -> Row:
    certificate = vector.signer.certificate_der
    return Row(
        name=vector.name,
        sha256=hashlib.sha256(vector.raw).hexdigest(),
        fast=_fast(vector.raw),
        general=_general(vector.raw),
        end=end,
        xmlsec=VALID if forge.xmlsec_valid(vector.raw, certificate) else "invalid",
        signxml=VALID if forge.signxml_valid(vector.raw, certificate) else "invalid",
    )


def _fast(raw: bytes) -> str:
    reading = readers.fast(raw, _POLICY)
    own = _BINDINGS if reading is not None else []
    return VALID if reading is not None and canonical.check_key(reading, own, _POLICY) else NOT_MINE


def _general(raw: bytes) -> str:
    try:
        general.judge(raw, _POLICY, lambda code: key.active_bindings(code, _BINDINGS, NOW), NOW)
    except InvalidEnvelope as refusal:
        return refusal.code
    return VALID


def _trust(folder: Path, *, revoked: bool) -> Path:
    trust_folder(folder, BOUND)
    if revoked:
        (folder / "crl").mkdir()
        bad = x509.load_der_x509_certificate(RSA.certificate_der)
        listed = pki.root().revocation_list([(bad, NOW - timedelta(days=1))])
        (folder / "crl" / "root.pem").write_bytes(listed.public_bytes(Encoding.PEM))
    return folder


if __name__ == "__main__":
    write_table()
