"""Gathers what makes a signature on a PDF provable later (PAdES B-LT). In: the folder of PDF trust, the roots of timestamp
authorities, and where the node may ask them, the authorities. Out: the standing of a key before it signs; and in a signed
file a store (DSS) with the certificates and the answers of authorities about signer and timestamp, or the codes of what is
missing for it. What was asked once is not asked again by the same gatherer. It blocks: use the pool."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, cast

from asn1crypto import crl, ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.dss import DocumentSecurityStore

from gateway import log
from gateway.domain.certificates import RevocationSource
from gateway.domain.pdf import KeyState
from gateway.domain.signatures import CertificateStanding, Unanswered
from gateway.errors import GatewayError
from gateway.ports.services import AgencyKey
from gateway.trust.pdf_authorities import PdfAuthorities
from gateway.trust.pdf_signatures import cms
from gateway.trust.pdf_signatures.child import PdfFolder
from gateway.trust.pdf_signatures.cms import Material

_log = logging.getLogger(__name__)
NO_ANCHORS, NO_TIMESTAMP = "anchors", "timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proofs:
    """Standing of one certificate, and what a later reader needs to see it."""

    standing: CertificateStanding
    certificates: Sequence[asn1_x509.Certificate] = ()
    answers: Sequence[ocsp.OCSPResponse] = ()
    lists: Sequence[crl.CertificateList] = ()

    def missing(self, holder: str) -> str | None:
        """Return the code of what is missing about this holder, `signer` or `tsa`."""
        if self.standing.code is not None:
            return f"{holder}-chain"
        return None if self.standing.revocation == "good" else f"{holder}-revocation"


@dataclass(slots=True, kw_only=True)
class ProofGatherer:
    """Gatherer for a few signatures. `time_roots` are trusted for timestamps besides the folder's anchors."""

    folder: Path
    time_roots: Sequence[x509.Certificate] = ()
    authorities: PdfAuthorities | None = None
    _fetched: Material = field(default_factory=Material)
    _asked_links: set[Unanswered] = field(default_factory=set)

    def check_key(self, key: AgencyKey, at: datetime) -> KeyState:
        """Return the standing of the key's certificate now, after asking where that is allowed."""
        trust = PdfFolder(self.folder).read()
        if not trust.anchors:
            return KeyState(word=NO_ANCHORS)
        leaf = asn1_x509.Certificate.load(key.facts.certificate_der)
        inside = Material(certificates=tuple(asn1_x509.Certificate.load(der) for der in key.chain_der))
        standing = self._prove(leaf, trust.anchors, trust.material, inside, at).standing
        if standing.code is not None:
            return KeyState(word="chain", detail=standing.detail)
        return KeyState(word=standing.revocation, revoked_at=standing.revoked_at, detail=standing.detail)

    def complete(self, target: BinaryIO, at: datetime) -> list[str]:
        """Append the store for the newest signature of a file; return the codes of what is missing for B-LT."""
        trust = PdfFolder(self.folder).read()
        signature = PdfFileReader(target).embedded_regular_signatures[-1]
        signed_data = signature.signed_data
        signed = cms.check_signature(signed_data, signature.compute_digest(cms.digest_name(signed_data)))
        stamps = list(cms.check_stamps(signed_data))
        missing = [] if stamps else [NO_TIMESTAMP]
        if not trust.anchors:
            return [*missing, NO_ANCHORS]
        proofs = [self._prove(signed.certificate, trust.anchors, trust.material, signed.embedded, at)]
        codes = [proofs[0].missing("signer")]
        roots = tuple(asn1_x509.Certificate.load(root.public_bytes(Encoding.DER)) for root in self.time_roots)
        for stamp in stamps:
            anchors = (*trust.stamp_anchors, *roots)
            proofs.append(
                self._prove(
                    stamp.certificate, anchors, trust.material, stamp.embedded, at, for_timestamps=True
                )
            )
            codes.append(proofs[-1].missing("tsa"))
        _write_store(target, [p for p in proofs if p.standing.revocation == "good"])
        return [*missing, *(code for code in codes if code is not None)]

    def _prove(
        self,
        leaf: asn1_x509.Certificate,
        anchors: tuple[asn1_x509.Certificate, ...],
        own: Material,
        inside: Material,
        at: datetime,
        *,
        for_timestamps: bool = False,
    ) -> _Proofs:
        standing = cms.standing(
            leaf, anchors, own + self._fetched, at, inside=inside, for_timestamps=for_timestamps
        )
        if standing.unanswered and self._ask(standing.unanswered, at):
            standing = cms.standing(
                leaf, anchors, own + self._fetched, at, inside=inside, for_timestamps=for_timestamps
            )
        material = own + self._fetched
        return _Proofs(
            standing=standing,
            certificates=list(_path(leaf, (*inside.certificates, *material.certificates))),
            answers=[x for x in material.answers if _digest(x) in standing.answers],
            lists=[x for x in material.lists if _digest(x) in standing.answers],
        )

    def _ask(self, links: Sequence[Unanswered], at: datetime) -> bool:
        """Ask about certificates that were not asked about yet; return whether there is an answer."""
        answers = []
        for link in links if self.authorities is not None else ():
            if link in self._asked_links or self.authorities is None:
                continue
            self._asked_links.add(link)
            try:
                answers.append(self.authorities.ask(link, at))
            except GatewayError as error:
                log.action(_log, "signing.no_answer", str(error), about=link.serial, code=error.code)
        lists = [a.body for a in answers if a.question.source is RevocationSource.LIST]
        bodies = [a.body for a in answers if a.question.source is RevocationSource.OCSP]
        self._fetched += Material(
            lists=tuple(crl.CertificateList.load(body) for body in lists),
            answers=tuple(ocsp.OCSPResponse.load(body) for body in bodies),
        )
        return bool(answers)


def _path(
    leaf: asn1_x509.Certificate, other_certificates: Sequence[asn1_x509.Certificate]
) -> Iterator[asn1_x509.Certificate]:
    """Yield the certificate and those above it that are at hand, without the anchor."""
    current, count = leaf, 0
    while current is not None and count < cms.LONGEST_PATH:
        yield current
        issuer, count = current.issuer.hashable, count + 1
        above = (c for c in other_certificates if c.subject.hashable == issuer and c.sha256 != current.sha256)
        current = next(above, None)


def _digest(content: ocsp.OCSPResponse | crl.CertificateList) -> str:
    return hashlib.sha256(content.dump()).hexdigest()


def _write_store(target: BinaryIO, proofs: Sequence[_Proofs]) -> None:
    """Append a store with these proofs to the file; nothing where there are no answers."""
    if not any(p.answers or p.lists for p in proofs):
        return
    DocumentSecurityStore.add_dss(
        cast(IO[bytes], target),
        sig_contents=None,
        certs=[c for p in proofs for c in p.certificates],
        ocsps=[a for p in proofs for a in p.answers],
        crls=[x for p in proofs for x in p.lists],
    )
