"""Collects what can be known about a signing certificate at a time: its chain to our anchors, its use, and whether
it was revoked. In: a certificate and a time. Out: `domain.proof.Evidence`, facts that `policy.trust` judges.
Anchors and intermediates are files; answers about revocation are those that are known already: nothing is fetched here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.proof import ChainLink, Evidence
from gateway.errors import Misconfigured
from gateway.trust import chain, crl, revocation
from gateway.trust.answers import Answers, Known, content, fingerprint, lists_in

_log = logging.getLogger(__name__)
# The same few certificates are asked about with every packet; what is in them is read once.
_KEPT = 1024


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Trust:
    """Anchors, intermediates and known answers of one node. Safe to share between threads."""

    def __init__(
        self,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        lists: Sequence[x509.CertificateRevocationList] = (),
        *,
        answers: Answers | None = None,
        lists_expected: bool | None = None,
        check_anchors: bool = True,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """`lists` are taken where no `answers` are given. `lists_expected` says that answers are configured here; by
        default, when there are any. `check_anchors` False: an anchor that is no authority breaks every chain to it and is
        no error here. `now` tells which answers lie in the future."""
        for anchor in anchors:
            if check_anchors and not chain.is_authority(anchor):
                raise Misconfigured(
                    f"the trust anchor {anchor.subject.rfc4514_string()!r} is no certificate authority",
                    hint="anchors are root certificates; intermediates belong in the chain folder",
                )
        self.chains = chain.Chains(anchors, intermediates)
        self.answers = answers or Answers(
            fixed=Known(lists=tuple(crl.RevocationList(each) for each in lists))
        )
        self._expected = lists_expected
        self._now = now

    @classmethod
    def from_files(
        cls,
        anchors: Path,
        chain_files: Iterable[Path] = (),
        crl_files: Iterable[Path] | None = None,
        *,
        answers: Answers | None = None,
        check_anchors: bool = True,
        now: Callable[[], datetime] = _utc_now,
    ) -> Trust:
        """Reads PEM files. `crl_files` None: no lists but those among `answers`. Misconfigured names a bad file."""
        found = certificates_in(anchors)
        if not found:
            raise Misconfigured(
                f"{anchors} holds no certificate", hint="put the root certificates there, in PEM form"
            )
        between = [each for path in chain_files for each in certificates_in(path)]
        lists = [each for path in crl_files or () for each in lists_in(path)]
        return cls(
            found,
            between,
            lists,
            answers=answers,
            lists_expected=True if crl_files is not None else None,
            check_anchors=check_anchors,
            now=now,
        )

    def collect(self, certificate_der: bytes, at: datetime) -> Evidence:
        """The evidence at that time. Never raises for what the certificate says; never decides."""
        try:
            leaf = _read(certificate_der)
            subject = _subject(leaf)
        except (ValueError, TypeError, x509.InvalidVersion) as why:
            return _unreadable(f"the certificate cannot be read: {why}")
        found = self.chains.find(leaf, at)
        standings = self._standings(found, at)
        standing = revocation.worst(standings)
        _log.debug("evidence collected", extra={"serial": f"{leaf.serial_number:x}", "code": found.code})
        return Evidence(
            chain_code=found.code,
            chain_detail=found.detail or " < ".join(map(_subject, found.certificates)),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            usage_ok=_usage_holds(leaf),
            revocation=standing.state,
            revoked_at=standing.revoked_at,
            revocation_age_s=standing.age_s,
            revocation_source=standing.source,
            revocation_as_of=standing.as_of,
            revocation_reason=standing.reason,
            answers=tuple(each.digest for each in standings if each.digest is not None),
            subject=subject,
            serial=f"{leaf.serial_number:x}",
            chain=tuple(_link(each, anchor=each in self.chains.anchors) for each in found.certificates),
        )

    @property
    def version(self) -> object:
        """Another value whenever more is known about revocation than before."""
        return self.answers.version

    def _standings(self, found: chain.Chain, at: datetime) -> list[revocation.Standing]:
        """One for each link below the anchor: one revoked authority revokes what it issued."""
        expected = self._expected if self._expected is not None else self.answers.expected
        if not expected:
            # K7: where no answers are configured the grace of K4 counts as running, from the time of the question.
            return [revocation.Standing(state="unknown", age_s=0.0)]
        links = list(pairwise(found.certificates))
        if not links:
            if found.code is None:  # the certificate is itself an anchor: nobody above could revoke it
                return [revocation.Standing(state="good", age_s=0.0)]
            return [revocation.Standing(state="unknown")]
        return [self._standing(each, issuer, at) for each, issuer in links]

    def _standing(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> revocation.Standing:
        return revocation.standing(
            self.answers.statements(certificate, issuer),
            at,
            now=self._now(),
            expires=certificate.not_valid_after_utc,
            asked_since=self.answers.asked_since(certificate, issuer),
        )


@lru_cache(maxsize=_KEPT)
def _read(certificate_der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate_der)


@lru_cache(maxsize=_KEPT)
def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


_usage_holds = lru_cache(maxsize=_KEPT)(chain.usage_holds)


@lru_cache(maxsize=_KEPT)
def _link(certificate: x509.Certificate, *, anchor: bool) -> ChainLink:
    return ChainLink(
        subject=_subject(certificate),
        serial=f"{certificate.serial_number:x}",
        sha256=fingerprint(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        anchor=anchor,
        der=certificate.public_bytes(Encoding.DER),
    )


def certificates_in(path: Path) -> list[x509.Certificate]:
    """The certificates of one PEM file."""
    try:
        return x509.load_pem_x509_certificates(content(path))
    except (ValueError, x509.InvalidVersion) as why:
        raise Misconfigured(f"{path} is not a file of PEM certificates: {why}") from why


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
