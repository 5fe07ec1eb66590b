"""Files of a trust folder. `AnchorFile` holds the root certificates that this node trusts; the node reads it at start
and adds anchors that two people approved. `TrustFolder` is the folder that `gateway verify --trust DIR` takes (K7):
`ca.pem`, `bindings.csv` (columns code and certificate, the name of a PEM file beside it), and optionally `chain/*.pem`,
`crl/*.pem` and `ocsp/*.der`. A verification uses nothing else, and fetches nothing. Misconfigured names a bad file."""

from __future__ import annotations

import csv
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import time_source
from gateway.atomic_files import make_private, write_private
from gateway.domain.proof import Binding
from gateway.errors import Clash, Misconfigured
from gateway.trust.chain import is_authority
from gateway.trust.evidence import AnswerFiles, Answers, NodeTrust, fingerprint
from gateway.trust.key_material import spki
from gateway.trust.keys import read_certificate

LARGEST_ANCHOR_FILE = 4 * 1024 * 1024


class AnchorFile:
    """File with the root certificates that the node trusts. Sync: call it in the pool."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, certificate_der: bytes) -> None:
        """Add an authority durably, unless the file has it already. Raise Clash for a certificate that is no authority."""
        try:
            certificate = x509.load_der_x509_certificate(certificate_der)
        except (ValueError, x509.InvalidVersion) as why:
            raise Clash("this is no certificate, so it is no authority") from why
        # The node would refuse to start with such an anchor.
        if not is_authority(certificate):
            raise Clash("this certificate is no authority: nothing could be believed below it")
        with self._lock():
            anchors = self.certificates()
            if any(x.public_bytes(Encoding.DER) == certificate_der for x in anchors):
                return
            pem = b"".join(x.public_bytes(Encoding.PEM) for x in (*anchors, certificate))
            # Other users of the machine may read the trusted authorities, but not change them.
            write_private(self._path, pem)
            self._path.chmod(0o644)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Lock the folder, so that two approvals at once do not overwrite each other's anchor."""
        make_private(self._path.parent)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def certificates(self) -> list[x509.Certificate]:
        """Return the anchors, none where there is no file. Raise Misconfigured when it cannot be read."""
        if not self._path.is_file():
            return []
        try:
            with self._path.open("rb") as file:
                pem = file.read(LARGEST_ANCHOR_FILE + 1)
            if len(pem) > LARGEST_ANCHOR_FILE:
                raise Misconfigured(
                    f"the trust anchors in {self._path} are more than {LARGEST_ANCHOR_FILE} bytes"
                )
            return x509.load_pem_x509_certificates(pem)
        except (OSError, ValueError, x509.InvalidVersion) as why:
            raise Misconfigured(f"the trust anchors in {self._path} cannot be read: {why}") from why

    def fingerprints(self) -> list[str]:
        return [fingerprint(x) for x in self.certificates()]


BINDING_COLUMNS = ("code", "certificate")


@dataclass(frozen=True, slots=True)
class TrustFolder:
    """Content of a trust folder: the certificates bound to each code, and the authorities and answers that judge them."""

    trust: NodeTrust
    bound: Sequence[Binding]

    def bindings(self, code: str) -> tuple[Binding, ...]:
        return tuple(b for b in self.bound if b.code == code)


def read_trust_folder(folder: Path, now: datetime | None = None) -> TrustFolder:
    """Read the whole folder, so that an error is reported before any file is judged. Answers made after `now` (default:
    the current time) are ignored."""
    if not folder.is_dir():
        raise Misconfigured(
            f"the trust folder {folder} is not there", hint="give a folder with ca.pem and bindings.csv"
        )
    for place in ("crl", "ocsp"):
        _refuse_file(folder / place)
    trust = NodeTrust.from_files(
        folder / "ca.pem",
        _pem_files(folder / "chain"),
        answers=Answers(AnswerFiles(folder)),
        now=time_source.utc_now if now is None else lambda: now,
        check_anchors=False,  # a bad anchor gives the verdict CERT-CHAIN (K3) for the file
    )
    return TrustFolder(trust, tuple(_bindings(folder)))


def _pem_files(folder: Path) -> list[Path]:
    """Return the PEM files of a folder, none where it is missing."""
    _refuse_file(folder)
    return sorted(folder.glob("*.pem")) if folder.is_dir() else []


def _refuse_file(folder: Path) -> None:
    if not folder.is_dir() and (folder.exists() or folder.is_symlink()):
        raise Misconfigured(f"{folder} is no folder", hint="make it a folder of files, or remove it")


def _bindings(folder: Path) -> list[Binding]:
    table = folder / "bindings.csv"
    owners: dict[bytes, str] = {}
    bindings = []
    for line, code, name in _rows(table):
        if not name or Path(name).name != name or "\0" in name:
            raise Misconfigured(
                f"{table} line {line}: {name!r} is not a file name",
                hint="name a PEM file beside bindings.csv",
            )
        certificate = _certificate(folder / name, f"{table} line {line}")
        # K1 (binding): one key never speaks for two agencies.
        key = _key(certificate, f"{table} line {line}")
        if owners.setdefault(key, code) != code:
            raise Misconfigured(
                f"{table} line {line}: the key of {name} is bound to {owners[key]!r} and to {code!r}",
                hint="bind each certificate to one agency code",
            )
        bindings.append(Binding(code=code, certificate_der=certificate.public_bytes(Encoding.DER)))
    return bindings


def _key(certificate: x509.Certificate, place: str) -> bytes:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as why:
        raise Misconfigured(f"{place}: the key of the certificate is of no kind that can be read") from why
    return spki(key)


def _rows(table: Path) -> list[tuple[int, str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = tuple(cell.strip() for cell in next(reader, []))
            if header != BINDING_COLUMNS:
                raise Misconfigured(
                    f"{table} begins with {','.join(header)!r}; expected the columns {','.join(BINDING_COLUMNS)!r}"
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


def _certificate(path: Path, place: str) -> x509.Certificate:
    try:
        return read_certificate(path.read_bytes(), f"{path} ({place})")
    except OSError as why:
        raise Misconfigured(f"{place}: the certificate {path} cannot be read: {why.strerror}") from why
