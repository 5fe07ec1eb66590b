"""Reads PDFs from outside in a child process. Started by `sandbox`, it reports that it is ready, then takes one question
per line on stdin and writes one answer per line to stdout. Its memory is limited; it cannot open files for writing,
start programs or use the network. The node kills it when it takes too long, and its own alarm does when the node is
gone. Code that parses hostile PDFs runs only here, and all modules are loaded before the fence is set up.

It combines the signatures in the bytes of a PDF with what is known about their certificates, at all times that matter,
in `PdfFacts`; it decides nothing. A folder names the trusted authorities: `ca.pem` (anchors), and optionally `tsa.pem`
(anchors of timestamps; else `ca.pem`), `chain/*.pem`, `crl/*.pem` and `ocsp/*.der`. It is read again when a file in it
changed; Misconfigured names a bad file. A question may bring more answers, which the node fetched."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from asn1crypto import crl, ocsp, pem, x509
from pydantic import TypeAdapter

from gateway.domain.algorithms import ALGORITHMS, Algorithms
from gateway.domain.certificates import RevocationSource
from gateway.domain.pdf import PdfText
from gateway.domain.signatures import (
    CertificateFacts,
    CertificateStanding,
    PdfFacts,
    SignatureFacts,
    TimestampFacts,
)
from gateway.errors import Misconfigured
from gateway.trust import pdf_layout
from gateway.trust.apart import F, fence, folder_argument, read_safely, serve
from gateway.trust.pdf_signatures import cms
from gateway.trust.pdf_signatures.cms import Material, SignatureStamp
from gateway.trust.pdf_signatures.reading import LIBRARY, Reading, ReadSignature, read
from gateway.trust.pdf_signatures.sandbox import PdfSandbox

T = TypeVar("T")

_MOST_FILES = 200
_MOST_BYTES = 64 * 1024 * 1024
_LONGEST_NAME = 300
ANSWER = TypeAdapter(PdfFacts)
TEXT = TypeAdapter(PdfText)


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfTrust:
    """Anchors of signers and of timestamps, with further certificates and revocation answers, and the table of
    algorithms."""

    anchors: tuple[x509.Certificate, ...] = ()
    stamp_anchors: tuple[x509.Certificate, ...] = ()
    material: Material = field(default_factory=Material)
    algorithms: Algorithms = ALGORITHMS


class PdfFolder:
    """Folder of anchors and answers, read again when a file in it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stats: tuple[tuple[str, int, int], ...] | None = None
        self._trust = PdfTrust()

    def read(self) -> PdfTrust:
        stats = tuple(self._stat_files())
        if stats != self._stats:
            self._trust = _read_folder(self._folder)
            self._stats = stats
        return self._trust

    def _stat_files(self) -> Iterator[tuple[str, int, int]]:
        for _, path in _files(self._folder):
            try:
                stat = path.stat()
            except OSError:
                continue
            yield str(path), stat.st_mtime_ns, stat.st_size


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Return each trust file with its use: the file's own name, or the name of its folder."""
    single = [(name, folder / name) for name in ("ca.pem", "tsa.pem")]
    listed = [
        (kind, path)
        for kind, pattern in (("chain", "*.pem"), ("crl", "*.pem"), ("ocsp", "*.der"))
        for path in sorted((folder / kind).glob(pattern))
    ]
    return [(name, path) for name, path in single if path.is_file()] + listed[:_MOST_FILES]


def _read_folder(folder: Path) -> PdfTrust:
    kinds = defaultdict[str, list[Path]](list)
    for kind, path in _files(folder):
        kinds[kind].append(path)
    anchors = _certificates(kinds["ca.pem"])
    return PdfTrust(
        anchors=anchors,
        stamp_anchors=_certificates(kinds["tsa.pem"]) or anchors,
        material=Material(
            certificates=_certificates(kinds["chain"]),
            lists=_load_pem(
                kinds["crl"], "X509 CRL", crl.CertificateList.load, "a PEM file of revocation lists"
            ),
            answers=tuple(
                _load(ocsp.OCSPResponse.load, _file_content(path), path, "an OCSP answer in DER form")
                for path in kinds["ocsp"]
            ),
        ),
    )


def _certificates(paths: Sequence[Path]) -> tuple[x509.Certificate, ...]:
    certificates = _load_pem(paths, "CERTIFICATE", x509.Certificate.load, "a PEM file of certificates")
    for certificate in certificates:
        _ = certificate.subject.hashable, certificate.issuer.hashable
    return certificates


def _load_pem(paths: Sequence[Path], label: str, load: Callable[[bytes], T], form: str) -> tuple[T, ...]:
    return tuple(_load(load, part, path, form) for path in paths for part in _parts(path, label))


def _parts(path: Path, label: str) -> list[bytes]:
    octets = _file_content(path)
    try:
        parts = [body for kind, _, body in pem.unarmor(octets, multiple=True) if kind == label]
    except ValueError as why:
        raise Misconfigured(f"{path} is no PEM file: {why}", hint="convert it to PEM") from why
    if not parts:
        raise Misconfigured(f"{path} holds no {label} in PEM form", hint="convert it to PEM, or remove it")
    return parts


def _load(load: Callable[[bytes], T], octets: bytes, path: Path, form: str) -> T:
    try:
        loaded = load(octets)
        loaded.native  # type: ignore[attr-defined]  # noqa: B018  # asn1crypto reads nothing before it is asked
    except (ValueError, TypeError, KeyError, AttributeError) as why:
        raise Misconfigured(
            f"{path} is not {form}: {why}", hint="put a good file there, or remove it"
        ) from why
    return loaded


def _file_content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_MOST_BYTES + 1)
    except OSError as why:
        raise Misconfigured(f"the trust file {path} cannot be read: {why.strerror}") from why
    if len(octets) > _MOST_BYTES:
        raise Misconfigured(f"the trust file {path} is larger than {_MOST_BYTES} bytes")
    return octets


def collect(stream: BinaryIO, trust: PdfTrust, seen_at: datetime, now: datetime) -> PdfFacts:
    """Return the facts about every signature of the file. Bad content becomes a fault, never an error."""
    reading = read(stream)
    inside = reading.inside
    return PdfFacts(
        seen_at=seen_at,
        now=now,
        signatures=tuple(_signature(s, reading, trust, seen_at, now) for s in reading.signatures),
        fault=reading.fault,
        detail=reading.detail,
        anchored=bool(trust.anchors),
        proofs_inside=bool(inside.answers or inside.lists),
    )


def _signature(
    sig: ReadSignature, reading: Reading, trust: PdfTrust, seen_at: datetime, now: datetime
) -> SignatureFacts:
    signed = sig.signed
    timestamps = tuple(_timestamps(sig, reading, trust, seen_at))
    times = {seen_at, now, *(t.at for t in timestamps)}
    if sig.claimed_at is not None and sig.claimed_at < seen_at:
        times.add(sig.claimed_at)
    return SignatureFacts(
        field=sig.field,
        fault=sig.fault,
        detail=sig.detail,
        coverage=sig.coverage,
        change=sig.update,
        later_detail=sig.later_detail,
        certified=sig.certified,
        intact=signed.intact if signed else False,
        authentic=signed.authentic if signed else False,
        algorithm=signed.algorithm if signed else "",
        weak=signed.weak if signed else False,
        strong_until=_strong_until(signed.names, trust.algorithms) if signed else None,
        claimed_at=sig.claimed_at,
        reason=sig.reason,
        mark=sig.mark,
        certificate=certificate_facts(signed.certificate) if signed else None,
        standings=_standings(sig, reading, trust, times),
        timestamps=timestamps,
    )


def _strong_until(names: Sequence[str], table: Algorithms) -> datetime | None:
    """Return the first moment at which the key or the digest of a signature is refused; None for no end."""
    rows = [row for row in map(table.find, names) if row is not None and row.until is not None]
    return min((row.ends_at for row in rows), default=None)


def _standings(
    signature: ReadSignature, reading: Reading, trust: PdfTrust, times: set[datetime]
) -> tuple[CertificateStanding, ...]:
    if signature.signed is None or not (signature.signed.intact and signature.signed.authentic):
        return ()
    leaf, inside = signature.signed.certificate, signature.signed.embedded + reading.inside
    return tuple(_standing(leaf, trust, inside, at) for at in sorted(times))


def _timestamps(
    sig: ReadSignature, reading: Reading, trust: PdfTrust, seen_at: datetime
) -> Iterator[TimestampFacts]:
    """Yield the timestamps that vouch for a signature, the last first. Each authority is judged for the time before which
    its timestamp existed: that of a valid later one, else our own first sight of the file."""
    proved = seen_at
    stamps = sorted((s for s in reading.stamps if s[0] > sig.revision), key=lambda s: s[0], reverse=True)
    for _, stamp in stamps:
        facts = _timestamp(stamp, reading.inside, trust, proved)
        if facts.fault is None and facts.standing.code is None and facts.standing.revocation == "good":
            proved = min(proved, facts.at)
        yield facts
    for stamp in sig.stamps:
        yield _timestamp(stamp, reading.inside, trust, proved)


def _timestamp(stamp: SignatureStamp, inside: Material, trust: PdfTrust, proved: datetime) -> TimestampFacts:
    theirs = stamp.embedded + inside
    standing = _standing(stamp.certificate, trust, theirs, proved, for_timestamps=True)
    return TimestampFacts(
        at=stamp.at, standing=standing, authority=_subject(stamp.certificate), fault=stamp.fault
    )


def _standing(
    leaf: x509.Certificate,
    trust: PdfTrust,
    inside: Material,
    at: datetime,
    *,
    for_timestamps: bool = False,
) -> CertificateStanding:
    anchors = trust.stamp_anchors if for_timestamps else trust.anchors
    judge = partial(cms.standing, for_timestamps=for_timestamps, algorithms=trust.algorithms)
    try:
        return judge(leaf, anchors, trust.material, at, inside=inside)
    except LIBRARY as why:
        return CertificateStanding(
            at=at, code="CERT-CHAIN", detail=f"the certificate cannot be read: {why}"[:500]
        )


def certificate_facts(certificate: x509.Certificate) -> CertificateFacts | None:
    """Return the facts in a certificate, or None where it cannot be read."""
    try:
        return CertificateFacts(
            subject=_subject(certificate),
            issuer=certificate.issuer.human_friendly[:_LONGEST_NAME],
            serial=f"{certificate.serial_number:x}"[:64],
            sha256=certificate.sha256.hex(),
            not_before=certificate.not_valid_before,
            not_after=certificate.not_valid_after,
            names=tuple(_names(certificate)),
            policies=tuple(_policies(certificate)),
            content=b64encode(certificate.dump()).decode(),
        )
    except LIBRARY:
        return None


def _subject(certificate: x509.Certificate) -> str:
    return str(certificate.subject.human_friendly)[:_LONGEST_NAME]


def _names(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    """Yield the parts of the subject under the library's names: `common_name`, `organization_name`, `user_id`."""
    for part in list(certificate.subject.chosen)[:20]:
        for pair in part:
            yield str(pair["type"].native)[:60], str(pair["value"].native)[:_LONGEST_NAME]


def _policies(certificate: x509.Certificate) -> Iterator[str]:
    policies = certificate.certificate_policies_value
    for policy in list(policies)[:20] if policies is not None else ():
        yield policy["policy_identifier"].dotted


def main() -> None:
    serve(partial(_answer, folder=PdfFolder(folder_argument())), fence)


def _answer(question: dict[str, Any], folder: PdfFolder) -> bytes:  # Any: JSON that the node wrote
    """Return the facts about the signatures, or the text of the pages, as JSON."""
    if question.get("what") == "text":
        return TEXT.dump_json(_read(question, PdfText, pdf_layout.read_text))
    seen_at, now = datetime.fromisoformat(question["seen_at"]), datetime.fromisoformat(question["now"])
    make = partial(PdfFacts, seen_at=seen_at, now=now)

    def read(file: BinaryIO) -> PdfFacts:
        trust = folder.read()
        days = {name: date.fromisoformat(day) for name, day in question.get("last_days", {}).items()}
        full_trust = replace(
            trust,
            material=trust.material + _fetched(question.get("answers", ())),
            algorithms=ALGORITHMS.shortened(days),
        )
        return collect(file, full_trust, seen_at, now)

    return ANSWER.dump_json(_read(question, make, read))


def _fetched(answers: Sequence[tuple[str, str]]) -> Material:
    """Return the answers that the node fetched and checked: pairs of their kind and their DER as base64."""
    contents = [(kind, b64decode(body)) for kind, body in answers]
    return Material(
        lists=tuple(crl.CertificateList.load(der) for kind, der in contents if kind == RevocationSource.LIST),
        answers=tuple(ocsp.OCSPResponse.load(der) for kind, der in contents if kind == RevocationSource.OCSP),
    )


def _read(question: dict[str, Any], make: Callable[..., F], read: Callable[[BinaryIO], F]) -> F:
    def look() -> F:
        try:
            with Path(question["path"]).open("rb") as file:
                return read(file)
        except Misconfigured as why:
            return make(fault="PDF-TRUST", detail=f"{why} ({why.hint})")

    return read_safely(look, make, PdfSandbox.area, PdfSandbox.does[0])


if __name__ == "__main__":
    main()
