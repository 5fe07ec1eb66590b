"""What makes a signature provable later: a trusted timestamp, and the revocation lists at hand. In: an address of a
timestamp authority, a folder of certificates and lists. Out: what the library that signs asks for. Only the configured
authority is ever asked; nothing else is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from asn1crypto import pem, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator import ValidationContext
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from gateway.errors import InvalidProof, Misconfigured
from gateway.trust.bounded_http import Bounds, Question, ask

_ANSWER = Bounds(answer_bytes=64 * 1024, seconds=15.0)
_MOST_FILES = 500
_MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSource:
    """The one timestamp authority that is asked, and whom its certificate must come from."""

    url: str
    roots: Sequence[x509.Certificate]
    tls_ca: Path | None = None


class TrustedTime(TimeStamper):
    """Asks for timestamps within limits, and takes none that does not hold."""

    def __init__(self, source: TimeSource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # of the library
        self._source = source

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        question = Question(
            url=self._source.url,
            expects="application/timestamp-reply",
            body=req.dump(),
            headers={"Content-Type": "application/timestamp-query"},
        )
        # It blocks: signing has a thread and a loop of its own.
        answer = ask(question, _ANSWER, self._source.tls_ca)
        self._must_hold(answer, bytes(req["message_imprint"]["hashed_message"]))
        return tsp.TimeStampResp.load(answer)

    def _must_hold(self, answer: bytes, digest: bytes) -> None:
        try:
            verifier = VerifierBuilder(roots=list(self._source.roots)).build()
            verifier.verify(decode_timestamp_response(answer), digest)
        except (VerificationError, ValueError) as why:
            raise InvalidProof(f"the timestamp does not hold: {why}") from why


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTerm:
    """Anchors, certificates and revocation lists of PDF signatures, as files in one folder."""

    folder: Path

    def context(self, tsa: Sequence[x509.Certificate], at: datetime) -> ValidationContext | None:
        """What the signer's chain is checked with, and what of it is kept in the file. None without anchors or lists."""
        anchors = [*_certificates(self.folder / "ca.pem")]
        lists = [der for path in _files(self.folder / "crl") for der in _objects(path)]
        if not anchors or not lists:
            return None
        chain = [each for path in _files(self.folder / "chain") for each in _certificates(path)]
        return ValidationContext(
            trust_roots=[*anchors, *(asn1_x509.Certificate.load(_der(each)) for each in tsa)],
            other_certs=chain,
            crls=lists,
            moment=at,
            allow_fetching=False,
            revocation_mode="require",
        )


def _files(folder: Path) -> list[Path]:
    found = sorted(each for each in folder.glob("*") if each.suffix in (".pem", ".crl", ".crt"))
    return found[:_MOST_FILES]


def _certificates(path: Path) -> Iterator[asn1_x509.Certificate]:
    for der in _objects(path):
        yield asn1_x509.Certificate.load(der)


def _objects(path: Path) -> list[bytes]:
    """What a file holds, in DER."""
    if not path.is_file():
        return []
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
        return (
            [der for _, _, der in pem.unarmor(content, multiple=True)] if pem.detect(content) else [content]
        )
    except (OSError, ValueError) as why:
        raise Misconfigured(f"{path} cannot be read as PEM or DER") from why


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)
