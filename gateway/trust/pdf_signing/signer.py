"""Appends one signature to a PDF (PAdES). In: a path, a placement, an opened key, a time. Out: a new file that begins
with the old one byte for byte. The new file is read again before it is kept: the new signature and all earlier ones must
be intact. The library builds the signature and lets the agency's key sign. The key is used once, after everything that
can be refused was checked. A timestamp, and answers of authorities about signer and timestamp, make the signature provable
later; where they cannot be had, the file is signed at a lower level, which the result says."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, cast

from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from PIL import Image
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import Signer
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfSigningSession
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from gateway import log
from gateway.domain.identity import Digest
from gateway.domain.pdf import KeyState, Layout, PageView, PdfStanding, Placement, SignedPdf, Size
from gateway.errors import Clash, InvalidProof, NotFound, Unreachable
from gateway.ports.services import AgencyKey
from gateway.trust.asn1 import make_ready
from gateway.trust.pdf_layout import Rect
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.trust.pdf_signing import appearance, look
from gateway.trust.pdf_signing.appearance import Look, read_seal, seal_size, set_text
from gateway.trust.pdf_signing.long_term import NO_ANCHORS, NO_TIMESTAMP, ProofGatherer
from gateway.trust.seals import TimestampAuthority

make_ready()

_log = logging.getLogger(__name__)
UNREACHABLE = f"{NO_TIMESTAMP}-unreachable"
_LARGEST_SIGNATURE = 1024  # of any accepted key, in bytes


class TrustedTime(TimeStamper):
    """Timestamper that asks within limits, and raises InvalidProof for an invalid timestamp."""

    def __init__(self, source: TimestampAuthority) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # of the library
        self._source = source

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        # The call blocks and runs an event loop of its own, so it needs a thread without one.
        answer = await asyncio.to_thread(self._source.ask, req.dump())
        self._must_hold(answer, bytes(req["message_imprint"]["hashed_message"]))
        return tsp.TimeStampResp.load(answer)

    def _must_hold(self, answer: bytes, digest: bytes) -> None:
        try:
            verifier = VerifierBuilder(roots=list(self._source.roots)).build()
            verifier.verify(decode_timestamp_response(answer), digest)
        except (VerificationError, ValueError) as why:
            raise InvalidProof(f"the timestamp does not hold: {why}") from why


@dataclass(frozen=True, slots=True, kw_only=True)
class PadesSigner:
    """Signer of PDFs (the `ports.services.PdfSigner` protocol). Without `time` the level is B-B; with `proofs` it is B-LT
    where they suffice. With a `reader`, the file is examined here only once the reading process has read it within its
    limits."""

    time: TimestampAuthority | None = None
    proofs: ProofGatherer | None = None
    reader: PdfSandbox | None = None

    def examine(self, path: Path) -> PdfStanding:
        if self.reader is not None and not look.is_bearable(path, self.reader):
            digest, size = look.digest_at(path)
            return PdfStanding(digest=digest, size=size, fault="unreadable")
        return look.examine(path)

    def view(self, path: Path, page: int) -> PageView:
        return look.view(path, page)

    def set_text(self, paragraphs: Sequence[str], type_size: float, width: float) -> Layout:
        return set_text(paragraphs, type_size, width)

    def image_size(self, image: bytes) -> Size:
        return seal_size(read_seal(image))

    def preview(self, view: PageView, placement: Placement, image: bytes | None) -> bytes:
        return appearance.draw_preview(view, placement, read_seal(image) if image is not None else None)

    def check_key(self, key: AgencyKey, at: datetime) -> KeyState:
        return self.proofs.check_key(key, at) if self.proofs is not None else KeyState(word=NO_ANCHORS)

    def sign(
        self,
        path: Path,
        out: Path,
        placement: Placement,
        image: bytes | None,
        key: AgencyKey,
        at: datetime,
        expected: Digest | None = None,
    ) -> SignedPdf:
        picture = read_seal(image) if image is not None else None
        return self.sign_picture(path, out, placement, picture, key, at, expected)

    def sign_picture(
        self,
        path: Path,
        out: Path,
        placement: Placement,
        picture: Image.Image | None,
        key: AgencyKey,
        at: datetime,
        expected: Digest | None = None,
    ) -> SignedPdf:
        """Sign as `sign` does, with any picture: the demonstration also shows a person's signature."""
        if self.check_key(key, at).word == "revoked":
            raise _revoked_error()
        frame = look.frame_of(path, placement.page)
        style = Look(placement=placement, picture=picture, matrix=frame.matrix)
        stamper = TrustedTime(self.time) if self.time is not None else None
        work = SignatureWork(style=style, rect=frame.rect(placement.area), key=key, at=at, stamper=stamper)
        with _open_source(path) as source, _new_file(out) as target:
            old_digest = expected or look.digest_of(source)[0]
            missing = self._write(source, target, work)
            target.flush()
            os.fsync(target.fileno())
            _must_hold(source, target, old_digest)
            digest, size = look.digest_of(target)
            level = "B-B" if missing and missing[0].startswith(NO_TIMESTAMP) else "B-T" if missing else "B-LT"
            return SignedPdf(digest=digest, size=size, level=level, missing=tuple(missing))

    def _write(self, source: BinaryIO, target: BinaryIO, work: SignatureWork) -> list[str]:
        """Write the signature and its proofs; return the codes of what is missing for the level B-LT. A timestamp authority
        that does not answer stops nothing; one that answers wrongly does."""
        is_unreachable = False
        try:
            write_signature(source, target, work)
        except Unreachable as why:
            log.action(_log, "signing.no_timestamp", str(why), code=why.code)
            is_unreachable = True
            target.seek(0)
            target.truncate()
            write_signature(source, target, replace(work, stamper=None))
        if self.proofs is None:
            missing = [NO_ANCHORS] if work.stamper and not is_unreachable else [NO_TIMESTAMP, NO_ANCHORS]
        else:
            missing = self.proofs.complete(target, work.at)
        return [UNREACHABLE if code == NO_TIMESTAMP and is_unreachable else code for code in missing]


@contextmanager
def _new_file(out: Path) -> Iterator[BinaryIO]:
    """Yield a new file, which is removed again when the body fails."""
    try:
        target = out.open("xb+")
    except OSError as why:
        raise Clash(
            f"{out} cannot be written: {why.strerror}", code="SIGN-OUT", hint="name another file with --out"
        ) from why
    try:
        with target:
            yield target
    except BaseException as why:
        out.unlink(missing_ok=True)
        if isinstance(why, OSError | PdfError | SigningError | ValueError):
            raise _sign_error(why) from why
        raise


def _open_source(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as why:
        raise NotFound(f"the file {path} cannot be read: {why.strerror}") from why


def _must_hold(source: BinaryIO, target: BinaryIO, old_digest: Digest) -> None:
    """Raise Clash unless the file begins with the old one and all its signatures are intact."""
    if look.digest_of(target, source.seek(0, os.SEEK_END))[0] != old_digest:
        raise Clash(
            "the file changed while it was being signed", code="SIGN-CHANGED", hint="look at it again"
        )
    target.seek(0)
    signatures = PdfFileReader(target).embedded_regular_signatures
    broken = [s.field_name for s in signatures if not look.holds(s)]
    if broken or not signatures:
        raise Clash(
            f"with this signature the file would no longer hold: {', '.join(map(str, broken))}",
            code="SIGN-BREAKS",
            hint="the file was closed by an earlier signature; ask its signer for one that leaves room",
        )


def _revoked_error() -> Clash:
    return Clash(
        "the certificate of the agency's key is revoked",
        code="CERT-REVOKED",
        hint="ask the issuer for a new one",
    )


def _sign_error(why: BaseException) -> Clash:
    return Clash(
        f"the file could not be signed ({type(why).__name__}: {why})",
        code="SIGN-FAILED",
        hint="save the file as PDF once more, with another program if need be",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureWork:
    """Everything that one signature needs besides the files."""

    style: Look
    rect: Rect
    key: AgencyKey
    at: datetime
    stamper: TrustedTime | None = None


def write_signature(source: BinaryIO, target: BinaryIO, work: SignatureWork) -> None:
    """Write the signature, with a timestamp where there is a stamper."""
    source.seek(0)
    writer = IncrementalPdfFileWriter(source)
    name = _free_name(writer)
    signer = _AtTime(
        PdfSignatureMetadata(
            field_name=name,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            reason=work.style.placement.reason or None,
            signer_key_usage=set(),  # policy judges the usage, and accepts either of two
        ),
        _KeySigner(work.key),
        timestamper=work.stamper,
        stamp_style=work.style,
        new_field_spec=SigFieldSpec(name, on_page=work.style.placement.page - 1, box=work.rect),  # type: ignore[arg-type]  # floats are as good
    )
    signer.at = work.at
    asyncio.run(signer.async_sign_pdf(writer, output=cast(IO[bytes], target)))


class _KeySigner(Signer):
    """Signer of the PDF library that uses the agency's key."""

    def __init__(self, key: AgencyKey) -> None:
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # of the library
        store.register_multiple([asn1_x509.Certificate.load(der) for der in key.chain_der])
        certificate = asn1_x509.Certificate.load(key.facts.certificate_der)
        super().__init__(signing_cert=certificate, cert_registry=store)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:
            return bytes(_LARGEST_SIGNATURE)
        return self._key.sign(data)


class _AtTime(PdfSigner):
    """PDF signer that writes `at`, the time shown in the mark, as signing time; the library would use the system clock."""

    at: datetime

    def init_signing_session(
        self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False
    ) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self.at
        return session


def _free_name(writer: IncrementalPdfFileWriter) -> str:
    names = {name for name, _, _ in enumerate_sig_fields(writer.prev)}
    return next(name for n in range(1, len(names) + 2) if (name := f"Agency{n}") not in names)
