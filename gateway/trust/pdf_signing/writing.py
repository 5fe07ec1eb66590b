"""Builds the signature with the library and lets the agency's key make it. In: a source, a target, what is shown and where,
a key, a time. Out: the target, with the source and one signature behind it. The key is used once; whatever can be refused
is refused before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import IO, BinaryIO, cast

from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.signers import Signer
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner, PdfSigningSession
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from gateway.ports.signing import AgencyKey
from gateway.trust.pdf_signing.appearance import Look
from gateway.trust.pdf_signing.geometry import Rect
from gateway.trust.pdf_signing.proof import TrustedTime

_LARGEST_SIGNATURE = 1024  # of any key that is taken, in bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that one signature needs beside the files."""

    shown: Look
    rect: Rect
    key: AgencyKey
    at: datetime
    stamper: TrustedTime | None = None


def write(source: BinaryIO, target: BinaryIO, work: Work, context: ValidationContext | None) -> None:
    """With a context the chain is checked first, and the lists that it was checked with are kept in the file."""
    source.seek(0)
    writer = IncrementalPdfFileWriter(source)
    name = _free_name(writer)
    signer = _AtTime(
        PdfSignatureMetadata(
            field_name=name,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            reason=work.shown.placement.reason or None,
            embed_validation_info=context is not None,
            validation_context=context,
            signer_key_usage=set(),  # judged by policy, which takes either of two uses
        ),
        _KeySigner(work.key),
        timestamper=work.stamper,
        stamp_style=work.shown,
        new_field_spec=SigFieldSpec(name, on_page=work.shown.placement.page - 1, box=work.rect),  # type: ignore[arg-type]  # floats are as good
    )
    signer.at = work.at
    asyncio.run(signer.async_sign_pdf(writer, output=cast(IO[bytes], target)))


class _KeySigner(Signer):
    """Lets the library build the signature and the agency's key make it."""

    def __init__(self, key: AgencyKey) -> None:
        others = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # of the library
        others.register_multiple([asn1_x509.Certificate.load(each) for each in key.chain_der])
        certificate = asn1_x509.Certificate.load(key.facts.certificate_der)
        super().__init__(signing_cert=certificate, cert_registry=others)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:
            return bytes(_LARGEST_SIGNATURE)
        return self._key.sign(data)


class _AtTime(PdfSigner):
    """Writes the time that the mark shows as the time of signing; by itself the library reads the machine's clock."""

    at: datetime

    def init_signing_session(
        self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False
    ) -> PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self.at
        return session


def _free_name(writer: IncrementalPdfFileWriter) -> str:
    taken = {name for name, _, _ in enumerate_sig_fields(writer.prev)}
    return next(name for n in range(1, len(taken) + 2) if (name := f"Agency{n}") not in taken)
