"""Whom the user of a check believes (E5), never the pack. In: a folder: `ca.pem`, `bindings.csv`, `chain/`, `crl/`, `ocsp/`
as `gateway verify` takes them, `nodes/*.pem` (public keys of nodes and their logs), `tsa/*.pem` (roots of timestamp
authorities); perhaps the file of a published seal. Out: `Anchors` with the fingerprint of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from gateway.domain import seal
from gateway.domain.evidence import CERTIFICATES, REVOCATION, SpoiledPack
from gateway.domain.proof import Binding
from gateway.domain.seal import PublishedSeal
from gateway.errors import InvalidProof, Misconfigured
from gateway.ops.evidence.read import Pack, within
from gateway.ops.evidence.report import Anchor
from gateway.trust import crl, folder, ocsp, seal_key
from gateway.trust.answers import AnswerFiles, Answers, Known
from gateway.trust.evidence import Trust, certificates_in

_MOST_KEY = 64 * 1024
_MOST_CERTIFICATE = 64 * 1024
# Bounds what a pack can make a reader hold; more authorities than this answer for nobody.
_MOST_CERTIFICATES, _MOST_ANSWERS = 1000, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """What the user brought. `where` None: nothing, so that nothing can be more than consistent."""

    where: Path | None = None
    registry: folder.TrustFolder | None = None
    node_keys: Collection[bytes] = ()
    authorities: Sequence[x509.Certificate] = ()
    published: PublishedSeal | None = None
    told: Sequence[Anchor] = field(default_factory=tuple)

    def bindings(self, code: str) -> Sequence[Binding]:
        return self.registry.bindings(code) if self.registry is not None else ()


def read(where: Path | None, published: Path | None) -> Anchors:
    """Misconfigured names the file to mend."""
    seal_given = _seal(published) if published is not None else None
    told = (
        [Anchor(kind="seal", name=_seal_word(seal_given), sha256=seal_given.signed.digest.hex())]
        if seal_given
        else []
    )
    # Whoever has a published seal knows the log's key by it.
    of_seal = {seal_given.signed.key} if seal_given else set()
    if where is None:
        return Anchors(published=seal_given, node_keys=of_seal, told=tuple(told))
    registry = folder.read(where)
    keys = {path.name: _key(path) for path in _inside(where / "nodes")}
    authorities = [each for path in _inside(where / "tsa") for each in certificates_in(path)]
    told += [_of_certificate("ca", each) for each in registry.trust.chains.anchors]
    told += [_of_certificate("tsa", each) for each in authorities]
    told += [
        Anchor(kind="node", name=name, sha256=hashlib.sha256(der).hexdigest()) for name, der in keys.items()
    ]
    return Anchors(
        where=where,
        registry=registry,
        node_keys=frozenset(keys.values()) | of_seal,
        authorities=tuple(authorities),
        published=seal_given,
        told=tuple(told),
    )


def trust_with(anchors: Anchors, pack: Pack, now: Callable[[], datetime]) -> Trust | None:
    """The user's anchors, with what the pack brings to fill gaps: intermediates, and answers that an authority signed. Both
    count for what leads to an anchor, and for nothing else."""
    if anchors.where is None or anchors.registry is None:
        return None
    own = anchors.registry.trust.chains
    return Trust(
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
            _ = (
                certificate.subject,
                certificate.issuer,
            )  # read only when asked for, and then with errors of its own
        except (ValueError, TypeError, x509.InvalidVersion) as cause:
            raise SpoiledPack(each.name, "it is no certificate") from cause
        found.append(certificate)
    return found


def _answers(pack: Pack) -> Known:
    lists, about = [], dict[int, tuple[bytes, ...]]()
    members = pack.under(REVOCATION)
    if len(members) > _MOST_ANSWERS:
        raise SpoiledPack(REVOCATION, f"a pack needs at most {_MOST_ANSWERS} answers")
    within(REVOCATION, members)
    for each in members:
        body = pack.read(each.name)
        try:
            if each.name.endswith(".crl"):
                lists.append(crl.read(body))
            else:
                serial = ocsp.serial_of(body)
                about[serial] = (*about.get(serial, ()), body)
        except (ValueError, ocsp.NoAnswer) as cause:
            raise SpoiledPack(each.name, "it is no answer of an authority") from cause
    return Known(lists=tuple(lists), about=about)


def _inside(where: Path) -> list[Path]:
    return sorted(where.glob("*.pem")) if where.is_dir() else []


def _key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            key = load_pem_public_key(file.read(_MOST_KEY))
    except (OSError, ValueError, UnsupportedAlgorithm) as why:
        raise Misconfigured(
            f"{path} holds no public key in PEM form", hint="put the public key of a node or of its log there"
        ) from why
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _seal(path: Path) -> PublishedSeal:
    try:
        with path.open("rb") as file:
            found = seal.read(file.read(seal.MOST_BYTES + 1))
        seal_key.check(found.signed)
        return found
    except OSError as why:
        raise Misconfigured(f"the published seal {path} cannot be read: {why.strerror}") from why
    except InvalidProof as why:
        raise Misconfigured(
            f"{path} is no published seal: {why.detail}",
            hint="give the file that gateway audit publish wrote",
        ) from why


def _seal_word(given: PublishedSeal) -> str:
    return f"{given.signed.seal.log_id} {given.signed.seal.number}"


def _of_certificate(kind: str, each: x509.Certificate) -> Anchor:
    return Anchor(
        kind=kind,
        name=each.subject.rfc4514_string(),
        sha256=hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest(),
    )
