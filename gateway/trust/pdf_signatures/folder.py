"""The folder that says whose signatures on PDFs we believe: `ca.pem` (anchors), and optionally `tsa.pem` (anchors of
timestamps; else the same), `chain/*.pem`, `crl/*.pem` and `ocsp/*.der`. In: the folder. Out: `PdfTrust`, read again
when a file in it changed, or Misconfigured that names the file to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from asn1crypto import crl, ocsp, pem, x509

from gateway.errors import Misconfigured
from gateway.trust.pdf_signatures.chain import Material

T = TypeVar("T")

_MOST_FILES = 200
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfTrust:
    """Anchors of signers and of timestamps, and what we know beside them."""

    anchors: tuple[x509.Certificate, ...] = ()
    stamp_anchors: tuple[x509.Certificate, ...] = ()
    material: Material = field(default_factory=Material)


class PdfFolder:
    """The folder as it is now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._trust = PdfTrust()

    def read(self) -> PdfTrust:
        seen = tuple(self._stand())
        if seen != self._seen:
            self._trust = _read(self._folder)
            self._seen = seen
        return self._trust

    def _stand(self) -> Iterator[tuple[str, int, int]]:
        for path in _files(self._folder):
            try:
                stat = path.stat()
            except OSError:
                continue
            yield str(path), stat.st_mtime_ns, stat.st_size


def _files(folder: Path) -> list[Path]:
    single = [folder / "ca.pem", folder / "tsa.pem"]
    listed = [
        *sorted((folder / "chain").glob("*.pem")),
        *sorted((folder / "crl").glob("*.pem")),
        *sorted((folder / "ocsp").glob("*.der")),
    ]
    return [path for path in single if path.is_file()] + listed[:_MOST_FILES]


def _read(folder: Path) -> PdfTrust:
    kinds: dict[str, list[Path]] = {}
    for path in _files(folder):
        kinds.setdefault(path.name if path.parent == folder else path.parent.name, []).append(path)
    anchors = _certificates(kinds.get("ca.pem", ()))
    return PdfTrust(
        anchors=anchors,
        stamp_anchors=_certificates(kinds.get("tsa.pem", ())) or anchors,
        material=Material(
            certificates=_certificates(kinds.get("chain", ())),
            lists=tuple(_lists(kinds.get("crl", ()))),
            answers=tuple(_answers(kinds.get("ocsp", ()))),
        ),
    )


def _certificates(paths: Sequence[Path]) -> tuple[x509.Certificate, ...]:
    found = [
        _loaded(x509.Certificate.load, part, path, "a PEM file of certificates")
        for path in paths
        for part in _parts(path, "CERTIFICATE")
    ]
    for each in found:
        _ = each.subject.hashable, each.issuer.hashable
    return tuple(found)


def _lists(paths: Sequence[Path]) -> Iterator[crl.CertificateList]:
    for path in paths:
        for part in _parts(path, "X509 CRL"):
            yield _loaded(crl.CertificateList.load, part, path, "a PEM file of revocation lists")


def _answers(paths: Sequence[Path]) -> Iterator[ocsp.OCSPResponse]:
    for path in paths:
        yield _loaded(ocsp.OCSPResponse.load, _content(path), path, "an OCSP answer in DER form")


def _parts(path: Path, label: str) -> list[bytes]:
    octets = _content(path)
    try:
        parts = [body for kind, _, body in pem.unarmor(octets, multiple=True) if kind == label]
    except ValueError as why:
        raise Misconfigured(f"{path} is no PEM file: {why}", hint="convert it to PEM") from why
    if not parts:
        raise Misconfigured(f"{path} holds no {label} in PEM form", hint="convert it to PEM, or remove it")
    return parts


def _loaded(load: Callable[[bytes], T], octets: bytes, path: Path, what: str) -> T:
    try:
        found = load(octets)
        found.native  # type: ignore[attr-defined]  # noqa: B018  # asn1crypto reads nothing before it is asked
    except (ValueError, TypeError, KeyError, AttributeError) as why:
        raise Misconfigured(
            f"{path} is not {what}: {why}", hint="put a good file there, or remove it"
        ) from why
    return found


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_MOST_BYTES + 1)
    except OSError as why:
        raise Misconfigured(f"the trust file {path} cannot be read: {why.strerror}") from why
    if len(octets) > _MOST_BYTES:
        raise Misconfigured(f"the trust file {path} is larger than {_MOST_BYTES} bytes")
    return octets
