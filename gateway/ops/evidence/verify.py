"""Verify an evidence pack without a node, a network or a database (E5, offline check). In: the pack, the time of the check,
and the user's own trust, never the pack's: a folder with `ca.pem`, `bindings.csv`, `chain/`, `crl/`, `ocsp/` as `gateway
verify` takes them, `pdf/` for signatures inside PDFs, `nodes/*.pem` (public keys of nodes and their logs), `tsa/*.pem`
(roots of timestamp authorities); perhaps the file of a published seal. Out: a `PackReport` of passed, failed and undecided
checks, with their times and the fingerprint of each trusted anchor. Bad contents of a pack are reported; only an unusable
file or folder raises an error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.domain import sealed_log
from gateway.domain.evidence import (
    CERTIFICATES,
    MANIFEST,
    REVOCATION,
    SIGNATURE,
    STORY,
    SpoiledPack,
    signed_bytes,
)
from gateway.domain.proof import Binding
from gateway.domain.sealed_log import PublishedSeal
from gateway.errors import InvalidProof, Misconfigured
from gateway.ops.evidence import judge, log, pack_file
from gateway.ops.evidence.contents import MOST_STORY, read_story
from gateway.ops.evidence.judge import Anchor, PackReport, ReportLine
from gateway.ops.evidence.pack_file import Pack, check_total_size
from gateway.ops.evidence.pdfs import PDF_STEP, PdfTrust, read_pdfs
from gateway.ops.plain_data import plain_fields
from gateway.trust import folder, revocation, seals
from gateway.trust.evidence import AnswerFiles, Answers, KnownAnswers, NodeTrust, certificates_in, fingerprint
from gateway.trust.key_material import spki

_MOST_KEY = 64 * 1024
_MOST_CERTIFICATE = 64 * 1024
# A pack with more certificates or answers is refused, so that the reader's memory stays bounded.
_MOST_CERTIFICATES, _MOST_ANSWERS = 1000, 1000


def verify(path: Path, trust: Path | None, published: Path | None, at: datetime) -> PackReport:
    """Check one pack as of the time `at`, with the trust folder and published seal of the user; return the report."""
    if at.tzinfo is None:
        raise Misconfigured(
            f"the time {at.isoformat()} has no zone", hint="write it like 2031-03-04T09:15:00+07:00"
        )
    trusted = read_anchors(trust, published)
    lines: list[ReportLine] = []
    description: dict[str, str] = {}
    try:
        pack = pack_file.read_pack(path)
        description |= _about_pack(pack)
        lines.extend(_lines(pack, trusted, at))  # the lines before a SpoiledPack are kept
    except SpoiledPack as fault:
        lines.append(
            ReportLine(step="container", ok=False, note="spoiled", member=fault.member, detail=fault.why)
        )
    return PackReport(
        at=at,
        lines=tuple(line for line in lines if line.step != PDF_STEP),
        pdf_lines=tuple(line for line in lines if line.step == PDF_STEP),
        anchors=trusted.anchors,
        description=description,
    )


def _lines(pack: Pack, trusted: BroughtTrust, at: datetime) -> Iterator[ReportLine]:
    """Yield the report lines in the order of the checks; SpoiledPack ends them at a spoiled member."""
    members = pack.manifest.members
    size = sum(m.size for m in members)
    yield ReportLine(
        step="container", ok=True, note="whole", params={"count": str(len(members)), "size_bytes": str(size)}
    )
    yield _manifest_line(pack, trusted)
    story = read_story(pack.read(STORY, MOST_STORY))
    digests = frozenset(p.sha256 for p in story.packets)
    lines, times = log.check_log(pack, trusted.of_time, digests, at)
    yield from lines
    trust = judge.PacketTrust(trust=trust_with(trusted, pack, lambda: at), bindings=trusted.bindings, at=at)
    if trusted.trust_folder is not None:
        pdf_trust = PdfTrust(folder=trusted.trust_folder, at=at)
        trust = replace(trust, read_pdfs=partial(read_pdfs, pack, pdf_trust))
    yield from judge.check_packets(pack, story, trust, times)


def _manifest_line(pack: Pack, trusted: BroughtTrust) -> ReportLine:
    """Check the pack's signature, and return the line about its key, which the user may or may not trust."""
    pack_file.check_signature(pack.signature, signed_bytes(pack.manifest_bytes))
    is_trusted = pack.signature.public_key in trusted.of_time.node_keys
    return ReportLine(
        step="manifest",
        ok=True if is_trusted else None,
        note="manifest_known" if is_trusted else "not_anchored",
        params={
            "node": pack.manifest.node,
            "time": pack.manifest.made_at,
            "fingerprint": hashlib.sha256(pack.signature.public_key).hexdigest(),
        },
        member=MANIFEST if is_trusted else SIGNATURE,
    )


def _about_pack(pack: Pack) -> dict[str, str]:
    return plain_fields(pack.manifest, "pack made_at node agency software") | pack.manifest.about


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtTrust:
    """Trust of the user. Without a trust folder (None) a pack can be found consistent at best."""

    trust_folder: Path | None = None
    registry: folder.TrustFolder | None = None
    of_time: log.TimeAnchors = field(default_factory=log.TimeAnchors)
    anchors: Sequence[Anchor] = field(default_factory=tuple)

    def bindings(self, code: str) -> Sequence[Binding]:
        return self.registry.bindings(code) if self.registry is not None else ()


def read_anchors(trust_folder: Path | None, published: Path | None) -> BroughtTrust:
    """Read the user's trust folder and published seal. Misconfigured, with the file's name, when one is unusable."""
    published_seal = _read_published_seal(published) if published is not None else None
    anchors, seal_keys = list[Anchor](), set[bytes]()
    if published_seal is not None:
        seal = published_seal.signed
        name = f"{seal.seal.log_id} {seal.seal.number}"
        anchors.append(Anchor(kind="seal", name=name, sha256=seal.digest.hex()))
        seal_keys.add(seal.key)  # a trusted published seal also makes the log's key trusted
    if trust_folder is None:
        of_time = log.TimeAnchors(published=published_seal, node_keys=seal_keys)
        return BroughtTrust(of_time=of_time, anchors=anchors)
    registry = folder.read_trust_folder(trust_folder)
    keys = read_node_keys(trust_folder)
    authorities = [c for path in _pem_files(trust_folder / "tsa") for c in certificates_in(path)]
    anchors += [_certificate_anchor("ca", a) for a in registry.trust.chains.anchors]
    anchors += [_certificate_anchor("tsa", a) for a in authorities]
    anchors += [
        Anchor(kind="node", name=name, sha256=hashlib.sha256(der).hexdigest()) for name, der in keys.items()
    ]
    of_time = log.TimeAnchors(
        authorities=authorities, node_keys={*keys.values(), *seal_keys}, published=published_seal
    )
    return BroughtTrust(trust_folder=trust_folder, registry=registry, of_time=of_time, anchors=anchors)


def trust_with(anchors: BroughtTrust, pack: Pack, now: Callable[[], datetime]) -> NodeTrust | None:
    """Return the user's anchors together with the pack's intermediates and signed answers, which count only in a chain that
    leads to an anchor of the user. None without a trust folder."""
    if anchors.trust_folder is None or anchors.registry is None:
        return None
    own, certificates = anchors.registry.trust.chains, certificates_of(pack)
    answers = _answers_about((*own.anchors, *own.intermediates, *certificates), _read_answers(pack))
    return NodeTrust(
        own.anchors,
        (*own.intermediates, *certificates),
        answers=Answers(AnswerFiles(anchors.trust_folder), fixed=answers),
        check_anchors=False,
        now=now,
    )


def certificates_of(pack: Pack) -> list[x509.Certificate]:
    """Load the certificates that the pack contains. SpoiledPack for a broken or misnamed one."""
    members = pack.under(CERTIFICATES)
    if len(members) > _MOST_CERTIFICATES:
        raise SpoiledPack(CERTIFICATES, f"a pack needs at most {_MOST_CERTIFICATES} certificates")
    certificates = []
    for member in members:
        der = pack.read(member.name, _MOST_CERTIFICATE)
        if member.name != f"{CERTIFICATES}{member.sha256}.cer":
            raise SpoiledPack(member.name, "it is not called after its fingerprint")
        try:
            certificate = x509.load_der_x509_certificate(der)
            # These fields are parsed only on access, and then raise errors of their own.
            _ = certificate.subject, certificate.issuer
        except (ValueError, TypeError, x509.InvalidVersion) as cause:
            raise SpoiledPack(member.name, "it is no certificate") from cause
        certificates.append(certificate)
    return certificates


def _answers_about(certificates: Sequence[x509.Certificate], answers: KnownAnswers) -> KnownAnswers:
    """Return the answers by or about these certificates. Others, such as those about a seal in a PDF, do not say that
    answers about an envelope's certificate are to be had."""
    subjects, serials = {c.subject for c in certificates}, {c.serial_number for c in certificates}
    return KnownAnswers(
        lists=tuple(x for x in answers.lists if x.listed.issuer in subjects),
        by_serial={serial: bodies for serial, bodies in answers.by_serial.items() if serial in serials},
    )


def _read_answers(pack: Pack) -> KnownAnswers:
    lists, bodies_by_serial = [], dict[int, tuple[bytes, ...]]()
    members = pack.under(REVOCATION)
    if len(members) > _MOST_ANSWERS:
        raise SpoiledPack(REVOCATION, f"a pack needs at most {_MOST_ANSWERS} answers")
    check_total_size(REVOCATION, members)
    for member in members:
        body = pack.read(member.name)
        try:
            if member.name.endswith(".crl"):
                lists.append(revocation.read_list(body))
            else:
                serial = revocation.serial_of_answer(body)
                bodies_by_serial[serial] = (*bodies_by_serial.get(serial, ()), body)
        except (ValueError, revocation.NoAnswer) as cause:
            raise SpoiledPack(member.name, "it is no answer of an authority") from cause
    return KnownAnswers(lists=tuple(lists), by_serial=bodies_by_serial)


def read_node_keys(trust_folder: Path) -> dict[str, bytes]:
    """Read the public keys of nodes that the reader trusts, by the names of their files."""
    return {path.name: _read_node_key(path) for path in _pem_files(trust_folder / "nodes")}


def _pem_files(pem_folder: Path) -> list[Path]:
    return sorted(pem_folder.glob("*.pem")) if pem_folder.is_dir() else []


def _read_node_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            key = load_pem_public_key(file.read(_MOST_KEY))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise Misconfigured(
            f"{path} holds no public key in PEM form", hint="put the public key of a node or of its log there"
        ) from error
    return spki(key)


def _read_published_seal(path: Path) -> PublishedSeal:
    try:
        with path.open("rb") as file:
            published = sealed_log.read_seal(file.read(sealed_log.MOST_SEAL_BYTES + 1))
        seals.check_seal(published.signed)
        return published
    except OSError as error:
        raise Misconfigured(f"the published seal {path} cannot be read: {error.strerror}") from error
    except InvalidProof as error:
        raise Misconfigured(
            f"{path} is no published seal: {error.detail}",
            hint="give the file that gateway audit publish wrote",
        ) from error


def _certificate_anchor(kind: str, certificate: x509.Certificate) -> Anchor:
    return Anchor(kind=kind, name=certificate.subject.rfc4514_string(), sha256=fingerprint(certificate))
