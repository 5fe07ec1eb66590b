"""Verifies an evidence pack without a node, a network or a database (E5). In: the pack, the time of the check, and
whom the user believes, never the pack: a folder with `ca.pem`, `bindings.csv`, `chain/`, `crl/`, `ocsp/` as `gateway
verify` takes them, `nodes/*.pem` (public keys of nodes and their logs), `tsa/*.pem` (roots of timestamp authorities);
perhaps the file of a published seal. Out: `PackReport`: what holds, what does not, what cannot be told, and for what
time, with the fingerprint of each who was believed. What a pack contains never raises; a file or a folder that cannot
be used is an error that says what to mend."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.domain import sealed_log
from gateway.domain.evidence import CERTIFICATES, MANIFEST, REVOCATION, SIGNATURE, STORY, SpoiledPack
from gateway.domain.proof import Binding
from gateway.domain.sealed_log import PublishedSeal
from gateway.errors import InvalidProof, Misconfigured
from gateway.ops.evidence import judge, log, pack_file
from gateway.ops.evidence.contents import MOST_STORY, read_story
from gateway.ops.evidence.judge import Anchor, PackReport, ReportLine
from gateway.ops.evidence.pack_file import Pack, within
from gateway.trust import folder, revocation, seals
from gateway.trust.evidence import AnswerFiles, Answers, KnownAnswers, NodeTrust, certificates_in, fingerprint
from gateway.trust.key_material import spki


def verify(path: Path, trust: Path | None, published: Path | None, at: datetime) -> PackReport:
    """The report on one file, as of `at`."""
    if at.tzinfo is None:
        raise Misconfigured(
            f"the time {at.isoformat()} has no zone", hint="write it like 2031-03-04T09:15:00+07:00"
        )
    believed = read_anchors(trust, published)
    lines: list[ReportLine] = []
    about: dict[str, str] = {}
    try:
        pack = pack_file.read_pack(path)
        about |= _about_pack(pack)
        lines.extend(_lines(pack, believed, at))  # those before a fault stay
    except SpoiledPack as fault:
        lines.append(
            ReportLine(step="container", ok=False, note="spoiled", member=fault.member, detail=fault.why)
        )
    return PackReport(at=at, lines=tuple(lines), anchors=believed.told, about=about)


def _lines(pack: Pack, believed: BroughtTrust, at: datetime) -> Iterator[ReportLine]:
    """As they are found: what a spoiled member hides is not told."""
    members = pack.manifest.members
    size = sum(each.size for each in members)
    yield ReportLine(
        step="container", ok=True, note="whole", params={"count": str(len(members)), "size_bytes": str(size)}
    )
    yield _manifest_line(pack, believed)
    story = read_story(pack.read(STORY, MOST_STORY))
    digests = frozenset(each.sha256 for each in story.packets)
    lines, times = log.check_log(pack, believed.of_time, digests)
    yield from lines
    who = judge.Believed(trust=trust_with(believed, pack, lambda: at), bindings=believed.bindings, at=at)
    yield from judge.check_packets(pack, story, who, times)


def _manifest_line(pack: Pack, believed: BroughtTrust) -> ReportLine:
    """Who put the pack together; whether one believes that key is the user's to say."""
    pack_file.check_signature(pack.signature, pack.manifest_bytes)
    known = pack.signature.public_key in believed.of_time.node_keys
    return ReportLine(
        step="manifest",
        ok=True if known else None,
        note="manifest_known" if known else "not_anchored",
        params={
            "node": pack.manifest.node,
            "time": pack.manifest.made_at,
            "fingerprint": hashlib.sha256(pack.signature.public_key).hexdigest(),
        },
        member=MANIFEST if known else SIGNATURE,
    )


def _about_pack(pack: Pack) -> dict[str, str]:
    manifest = pack.manifest
    return {
        "pack": manifest.pack,
        "made_at": manifest.made_at,
        "node": manifest.node,
        "agency": manifest.agency,
        "software": manifest.software,
        **manifest.about,
    }


_MOST_KEY = 64 * 1024
_MOST_CERTIFICATE = 64 * 1024
# Bounds what a pack can make a reader hold; more authorities than this answer for nobody.
_MOST_CERTIFICATES, _MOST_ANSWERS = 1000, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtTrust:
    """What the user brought. `where` None: nothing, so that nothing can be more than consistent."""

    where: Path | None = None
    registry: folder.TrustFolder | None = None
    of_time: log.TimeAnchors = field(default_factory=log.TimeAnchors)
    told: Sequence[Anchor] = field(default_factory=tuple)

    def bindings(self, code: str) -> Sequence[Binding]:
        return self.registry.bindings(code) if self.registry is not None else ()


def read_anchors(where: Path | None, published: Path | None) -> BroughtTrust:
    """Misconfigured names the file to mend."""
    seal_given = _published_seal(published) if published is not None else None
    told, of_seal = list[Anchor](), set[bytes]()
    if seal_given is not None:
        seal = seal_given.signed
        name = f"{seal.seal.log_id} {seal.seal.number}"
        told.append(Anchor(kind="seal", name=name, sha256=seal.digest.hex()))
        of_seal.add(seal.key)  # whoever has a published seal knows the log's key by it
    if where is None:
        of_time = log.TimeAnchors(published=seal_given, node_keys=of_seal)
        return BroughtTrust(of_time=of_time, told=told)
    registry = folder.read_trust_folder(where)
    keys = {path.name: _node_key(path) for path in _inside(where / "nodes")}
    authorities = [each for path in _inside(where / "tsa") for each in certificates_in(path)]
    told += [_of_certificate("ca", each) for each in registry.trust.chains.anchors]
    told += [_of_certificate("tsa", each) for each in authorities]
    told += [
        Anchor(kind="node", name=name, sha256=hashlib.sha256(der).hexdigest()) for name, der in keys.items()
    ]
    of_time = log.TimeAnchors(
        authorities=authorities, node_keys={*keys.values(), *of_seal}, published=seal_given
    )
    return BroughtTrust(where=where, registry=registry, of_time=of_time, told=told)


def trust_with(anchors: BroughtTrust, pack: Pack, now: Callable[[], datetime]) -> NodeTrust | None:
    """The user's anchors, with what the pack brings to fill gaps: intermediates, and answers that an authority signed. Both
    count for what leads to an anchor, and for nothing else."""
    if anchors.where is None or anchors.registry is None:
        return None
    own = anchors.registry.trust.chains
    return NodeTrust(
        own.anchors,
        (*own.intermediates, *certificates_of(pack)),
        answers=Answers(AnswerFiles(anchors.where), fixed=_answers(pack)),
        check_anchors=False,
        now=now,
    )


def certificates_of(pack: Pack) -> list[x509.Certificate]:
    """Those that the pack brings; SpoiledPack for one that is none, or is not what it is called."""
    members = pack.under(CERTIFICATES)
    if len(members) > _MOST_CERTIFICATES:
        raise SpoiledPack(CERTIFICATES, f"a pack needs at most {_MOST_CERTIFICATES} certificates")
    found = []
    for each in members:
        der = pack.read(each.name, _MOST_CERTIFICATE)
        if each.name != f"{CERTIFICATES}{each.sha256}.cer":
            raise SpoiledPack(each.name, "it is not called after its fingerprint")
        try:
            certificate = x509.load_der_x509_certificate(der)
            # Read only when asked for, and then with errors of its own.
            _ = certificate.subject, certificate.issuer
        except (ValueError, TypeError, x509.InvalidVersion) as cause:
            raise SpoiledPack(each.name, "it is no certificate") from cause
        found.append(certificate)
    return found


def _answers(pack: Pack) -> KnownAnswers:
    lists, about = [], dict[int, tuple[bytes, ...]]()
    members = pack.under(REVOCATION)
    if len(members) > _MOST_ANSWERS:
        raise SpoiledPack(REVOCATION, f"a pack needs at most {_MOST_ANSWERS} answers")
    within(REVOCATION, members)
    for each in members:
        body = pack.read(each.name)
        try:
            if each.name.endswith(".crl"):
                lists.append(revocation.read_list(body))
            else:
                serial = revocation.serial_of_answer(body)
                about[serial] = (*about.get(serial, ()), body)
        except (ValueError, revocation.NoAnswer) as cause:
            raise SpoiledPack(each.name, "it is no answer of an authority") from cause
    return KnownAnswers(lists=tuple(lists), about=about)


def _inside(where: Path) -> list[Path]:
    return sorted(where.glob("*.pem")) if where.is_dir() else []


def _node_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            key = load_pem_public_key(file.read(_MOST_KEY))
    except (OSError, ValueError, UnsupportedAlgorithm) as why:
        raise Misconfigured(
            f"{path} holds no public key in PEM form", hint="put the public key of a node or of its log there"
        ) from why
    return spki(key)


def _published_seal(path: Path) -> PublishedSeal:
    try:
        with path.open("rb") as file:
            found = sealed_log.read_seal(file.read(sealed_log.MOST_SEAL_BYTES + 1))
        seals.check_seal(found.signed)
        return found
    except OSError as why:
        raise Misconfigured(f"the published seal {path} cannot be read: {why.strerror}") from why
    except InvalidProof as why:
        raise Misconfigured(
            f"{path} is no published seal: {why.detail}",
            hint="give the file that gateway audit publish wrote",
        ) from why


def _of_certificate(kind: str, each: x509.Certificate) -> Anchor:
    return Anchor(kind=kind, name=each.subject.rfc4514_string(), sha256=fingerprint(each))
