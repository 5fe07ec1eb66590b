"""Collects what can be known about a signing certificate at a time: its chain to our anchors, its use, and whether
it was revoked. In: a certificate and a time. Out: `domain.proof.Evidence`, facts that `policy.trust` judges.
Anchors, intermediates and revocation lists are files; nothing is ever fetched, from no address in a certificate."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from gateway.domain.proof import Evidence
from gateway.errors import Misconfigured
from gateway.trust import chain, revocation

_log = logging.getLogger(__name__)

# A file of anchors or lists is small; a bigger one is not what it should be.
_MAX_FILE = 64 * 1024 * 1024


class Trust:
    """Anchors, intermediates and revocation lists of one node. Holds no state; safe to share between threads."""

    def __init__(
        self,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        lists: Sequence[x509.CertificateRevocationList] = (),
        *,
        lists_expected: bool | None = None,
        check_anchors: bool = True,
    ) -> None:
        """`lists_expected` says that revocation lists are configured here; by default, when there are any.
        `check_anchors` False: an anchor that is no authority breaks every chain to it and is no error here."""
        for anchor in anchors:
            if check_anchors and not chain.is_authority(anchor):
                raise Misconfigured(
                    f"the trust anchor {anchor.subject.rfc4514_string()!r} is no certificate authority",
                    hint="anchors are root certificates; intermediates belong in the chain folder",
                )
        self._anchors = tuple(anchors)
        self._intermediates = tuple(intermediates)
        self._lists = tuple(lists)
        self._lists_expected = bool(lists) if lists_expected is None else lists_expected

    @classmethod
    def from_files(
        cls,
        anchors: Path,
        chain_files: Iterable[Path] = (),
        crl_files: Iterable[Path] | None = None,
        *,
        check_anchors: bool = True,
    ) -> Trust:
        """Reads PEM files. `crl_files` None: no revocation lists are configured. Misconfigured names a bad file."""
        found = _certificates(anchors)
        if not found:
            raise Misconfigured(
                f"{anchors} holds no certificate", hint="put the root certificates there, in PEM form"
            )
        between = [each for path in chain_files for each in _certificates(path)]
        lists = [each for path in crl_files or () for each in _revocation_lists(path)]
        return cls(found, between, lists, lists_expected=crl_files is not None, check_anchors=check_anchors)

    def collect(self, certificate_der: bytes, at: datetime) -> Evidence:
        """The evidence at that time. Never raises for what the certificate says; never decides."""
        try:
            leaf = x509.load_der_x509_certificate(certificate_der)
            subject = leaf.subject.rfc4514_string()
        except ValueError as why:
            return _unreadable(f"the certificate cannot be read: {why}")
        found = chain.find(leaf, self._anchors, self._intermediates, at)
        standing = self._revocation(found, at)
        _log.debug("evidence collected", extra={"serial": f"{leaf.serial_number:x}", "code": found.code})
        return Evidence(
            chain_code=found.code,
            chain_detail=found.detail
            or " < ".join(each.subject.rfc4514_string() for each in found.certificates),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            usage_ok=chain.usage_holds(leaf),
            revocation=standing.state,
            revoked_at=standing.revoked_at,
            revocation_age_s=standing.age_s,
            subject=subject,
            serial=f"{leaf.serial_number:x}",
        )

    def _revocation(self, found: chain.Chain, at: datetime) -> revocation.Standing:
        """The worst standing of all links below the anchor: one revoked authority revokes what it issued."""
        if not self._lists_expected:
            # K7: with no list configured the grace of K4 counts as running, from the time of the question.
            return revocation.Standing(state="unknown", age_s=0.0)
        links = list(zip(found.certificates, found.certificates[1:], strict=False))
        if not links:
            if found.code is None:  # the certificate is itself an anchor: nobody above could revoke it
                return revocation.Standing(state="good", age_s=0.0)
            return revocation.Standing(state="unknown")
        return revocation.worst(
            [revocation.standing(each, issuer, self._lists, at) for each, issuer in links]
        )


def _unreadable(detail: str) -> Evidence:
    never = datetime.min.replace(tzinfo=UTC)
    return Evidence(
        chain_code="CERT-CHAIN",
        chain_detail=detail,
        not_before=never,
        not_after=never,
        usage_ok=False,
        revocation="unknown",
    )


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_content(path))
    except ValueError as why:
        raise Misconfigured(f"{path} is not a file of PEM certificates: {why}") from why


def _revocation_lists(path: Path) -> list[x509.CertificateRevocationList]:
    content = _content(path)
    end = b"-----END X509 CRL-----"
    parts = [part + end for part in content.split(end)[:-1]]
    if not parts:
        raise Misconfigured(
            f"{path} holds no revocation list in PEM form", hint="remove it, or convert it from DER"
        )
    try:
        return [x509.load_pem_x509_crl(part) for part in parts]
    except ValueError as why:
        raise Misconfigured(f"{path} is not a file of PEM revocation lists: {why}") from why


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as why:
        raise Misconfigured(f"the trust file {path} cannot be read: {why.strerror}") from why
    if len(content) > _MAX_FILE:
        raise Misconfigured(f"the trust file {path} is larger than {_MAX_FILE} bytes")
    return content
