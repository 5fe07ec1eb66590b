"""A trust folder, as `gateway verify --trust DIR` takes it (K7): `ca.pem`, `bindings.csv` (columns code and certificate,
a PEM file beside it), and optionally `chain/*.pem`, `crl/*.pem` and `ocsp/*.der`. In: the folder. Out: `TrustFolder`, or
Misconfigured that says which file to mend. It is the whole registry of one verification; nothing else is asked."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from gateway.domain.proof import Binding
from gateway.errors import Misconfigured
from gateway.trust.answers import AnswerFiles, Answers
from gateway.trust.evidence import Trust
from gateway.trust.keys import read_certificate

COLUMNS = ("code", "certificate")


@dataclass(frozen=True, slots=True)
class TrustFolder:
    """What a folder says: which certificates speak for which code, and whom we believe about them."""

    trust: Trust
    bound: Sequence[Binding]

    def bindings(self, code: str) -> tuple[Binding, ...]:
        return tuple(one for one in self.bound if one.code == code)


def read(folder: Path, now: datetime | None = None) -> TrustFolder:
    """Reads everything at once, so that a broken folder is told before any file is judged. Answers made after `now`, by
    default this moment, say nothing."""
    if not folder.is_dir():
        raise Misconfigured(
            f"the trust folder {folder} is not there", hint="give a folder with ca.pem and bindings.csv"
        )
    for place in ("crl", "ocsp"):
        _refuse_file(folder / place)
    trust = Trust.from_files(
        folder / "ca.pem",
        _inside(folder / "chain"),
        answers=Answers(AnswerFiles(folder)),
        now=_utc_now if now is None else lambda: now,
        check_anchors=False,  # what an anchor lacks is the file's verdict, CERT-CHAIN (K3)
    )
    return TrustFolder(trust, tuple(_bindings(folder)))


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _inside(folder: Path) -> list[Path]:
    """The PEM files of a folder that need not be there."""
    _refuse_file(folder)
    return sorted(folder.glob("*.pem")) if folder.is_dir() else []


def _refuse_file(folder: Path) -> None:
    if not folder.is_dir() and (folder.exists() or folder.is_symlink()):
        raise Misconfigured(f"{folder} is no folder", hint="make it a folder of files, or remove it")


def _bindings(folder: Path) -> list[Binding]:
    table = folder / "bindings.csv"
    owners: dict[bytes, str] = {}
    found = []
    for line, code, name in _rows(table):
        if not name or Path(name).name != name or "\0" in name:
            raise Misconfigured(
                f"{table} line {line}: {name!r} is not a file name",
                hint="name a PEM file beside bindings.csv",
            )
        certificate = _certificate(folder / name, f"{table} line {line}")
        # K1: one key never speaks for two agencies.
        key = _key(certificate, f"{table} line {line}")
        if owners.setdefault(key, code) != code:
            raise Misconfigured(
                f"{table} line {line}: the key of {name} is bound to {owners[key]!r} and to {code!r}",
                hint="bind each certificate to one agency code",
            )
        found.append(Binding(code=code, certificate_der=certificate.public_bytes(serialization.Encoding.DER)))
    return found


def _key(certificate: x509.Certificate, what: str) -> bytes:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as why:
        raise Misconfigured(f"{what}: the key of the certificate is of no kind that can be read") from why
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _rows(table: Path) -> list[tuple[int, str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = tuple(cell.strip() for cell in next(reader, []))
            if header != COLUMNS:
                raise Misconfigured(
                    f"{table} begins with {','.join(header)!r}; expected the columns {','.join(COLUMNS)!r}"
                )
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as why:
        raise Misconfigured(f"the table of bindings {table} cannot be read: {why.strerror}") from why
    except (UnicodeDecodeError, csv.Error) as why:
        raise Misconfigured(f"{table} is not a CSV file in UTF-8: {why}") from why
    for line, row in rows:
        if len(row) != 2 or not row[0]:
            raise Misconfigured(
                f"{table} line {line}: expected a code and a file name, found {len(row)} cells"
            )
    return [(line, row[0], row[1].strip()) for line, row in rows]


def _certificate(path: Path, what: str) -> x509.Certificate:
    try:
        return read_certificate(path.read_bytes(), f"{path} ({what})")
    except OSError as why:
        raise Misconfigured(f"{what}: the certificate {path} cannot be read: {why.strerror}") from why
