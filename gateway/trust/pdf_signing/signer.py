"""Appends one signature to a PDF (PAdES). In: a path, a placement, an opened key, a time. Out: a new file that begins
with the old one byte for byte. The new file is read again before it is kept: the new signature and all earlier ones must
be intact. The library builds the signature and lets the agency's key sign. The key is used once, after everything that
can be refused was checked. A timestamp, and revocation lists from a folder, make the signature provable later; only the
configured timestamp authority is asked, and nothing else is fetched."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, cast

from asn1crypto import pem, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
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
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import RevokedError
from pyhanko_certvalidator.registry import SimpleCertificateStore
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from gateway.domain.identity import Digest
from gateway.domain.pdf import Layout, PageView, PdfStanding, Placement, SignedPdf, Size
from gateway.errors import Clash, InvalidProof, Misconfigured, NotFound
from gateway.ports.services import AgencyKey
from gateway.trust.asn1 import make_ready
from gateway.trust.pdf_layout import Rect
from gateway.trust.pdf_signatures.sandbox import PdfSandbox
from gateway.trust.pdf_signing import appearance, look
from gateway.trust.pdf_signing.appearance import Look, read_seal, seal_size, set_text
from gateway.trust.seals import TimestampAuthority

make_ready()

_MOST_FILES = 500
_MOST_BYTES = 32 * 1024 * 1024


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


def proofs_at_hand(folder: Path, tsa: Sequence[x509.Certificate], at: datetime) -> ValidationContext | None:
    """Return the context that checks the signer's chain and whose data is embedded in the file: anchors, certificates
    and revocation lists of PDF signatures from one folder. None without anchors or lists."""
    anchors = [*_certificates(folder / "ca.pem")]
    lists = [der for path in _proof_files(folder / "crl") for der in _objects(path)]
    if not anchors or not lists:
        return None
    chain = [c for path in _proof_files(folder / "chain") for c in _certificates(path)]
    of_time = (asn1_x509.Certificate.load(c.public_bytes(Encoding.DER)) for c in tsa)
    return ValidationContext(
        trust_roots=[*anchors, *of_time],
        other_certs=chain,
        crls=lists,
        moment=at,
        allow_fetching=False,
        revocation_mode="require",
    )


def _proof_files(folder: Path) -> list[Path]:
    paths = sorted(p for p in folder.glob("*") if p.suffix in (".pem", ".crl", ".crt"))
    return paths[:_MOST_FILES]


def _certificates(path: Path) -> Iterator[asn1_x509.Certificate]:
    for der in _objects(path):
        yield asn1_x509.Certificate.load(der)


def _objects(path: Path) -> list[bytes]:
    """Return the objects in a PEM or DER file, in DER; none where there is no file."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PadesSigner:
    """Signer of PDFs (the `ports.services.PdfSigner` protocol). Without `time` the level is B-B; with lists in the
    folder `long_term` B-LT. With a `reader`, the file is examined here only once the reading process has read it within
    its limits."""

    time: TimestampAuthority | None = None
    long_term: Path | None = None
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
        frame = look.frame_of(path, placement.page)
        style = Look(placement=placement, picture=picture, matrix=frame.matrix)
        stamper = TrustedTime(self.time) if self.time is not None else None
        work = SignatureWork(style=style, rect=frame.rect(placement.area), key=key, at=at, stamper=stamper)
        with _open_source(path) as source, _new_file(out) as target:
            old_digest = expected or look.digest_of(source)[0]
            level = self._write_best(source, target, work)
            target.flush()
            os.fsync(target.fileno())
            _must_hold(source, target, old_digest)
            digest, size = look.digest_of(target)
            return SignedPdf(digest=digest, size=size, level=level)

    def _write_best(self, source: BinaryIO, target: BinaryIO, work: SignatureWork) -> str:
        """Write the signature and return its level. Lists that do not cover the chain are left out; a revoked key is an
        error."""
        roots = self.time.roots if self.time else ()
        context = proofs_at_hand(self.long_term, roots, work.at) if self.long_term else None
        try:
            write_signature(source, target, work, context)
        except SigningError as why:
            if context is None or _has_cause(why, RevokedError):
                raise
            context = None
            target.seek(0)
            target.truncate()
            write_signature(source, target, work, None)
        return "B-LT" if context and self.time else "B-T" if self.time else "B-B"


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


def _has_cause(why: BaseException, kind: type[BaseException]) -> bool:
    below = why.__cause__ or why.__context__
    return isinstance(why, kind) or (below is not None and _has_cause(below, kind))


def _sign_error(why: BaseException) -> Clash:
    if _has_cause(why, RevokedError):
        return Clash(
            "the certificate of the agency's key is revoked",
            code="CERT-REVOKED",
            hint="ask the issuer for a new one",
        )
    return Clash(
        f"the file could not be signed ({type(why).__name__}: {why})",
        code="SIGN-FAILED",
        hint="save the file as PDF once more, with another program if need be",
    )


_LARGEST_SIGNATURE = 1024  # of any accepted key, in bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureWork:
    """Everything that one signature needs besides the files."""

    style: Look
    rect: Rect
    key: AgencyKey
    at: datetime
    stamper: TrustedTime | None = None


def write_signature(
    source: BinaryIO, target: BinaryIO, work: SignatureWork, context: ValidationContext | None
) -> None:
    """Write the signature; with a context, check the chain first and embed the lists in the file."""
    source.seek(0)
    writer = IncrementalPdfFileWriter(source)
    name = _free_name(writer)
    signer = _AtTime(
        PdfSignatureMetadata(
            field_name=name,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            reason=work.style.placement.reason or None,
            embed_validation_info=context is not None,
            validation_context=context,
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
