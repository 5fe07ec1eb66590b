"""The part of the wiring that signs PDFs with the agency's own key, in person. In: settings, an open core. Out: the
services for signing, and a way to open the key. Only the command line and the pages come here, never a worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from gateway.domain.pdf import MOST_PDF_BYTES
from gateway.errors import Misconfigured
from gateway.outgoing.sign_pdf import SigningServices
from gateway.ports.services import AgencyKey
from gateway.settings import Settings
from gateway.trust.pdf_authorities import PdfAuthorities, read_pdf_sources
from gateway.trust.pdf_signatures.sandbox import PdfLimits, PdfSandbox
from gateway.trust.pdf_signing import AskPin
from gateway.trust.pdf_signing.agency_key import TokenChoice, facts_of, open_token
from gateway.trust.pdf_signing.long_term import ProofGatherer
from gateway.trust.pdf_signing.signer import PadesSigner
from gateway.trust.seals import TimestampAuthority, read_time_roots

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore

_READING_S = 30.0


def services(settings: Settings, core: NodeCore, *, stamped: bool = True) -> SigningServices:
    """Make the services without the key. With `stamped` false no timestamp is asked for."""
    return SigningServices(
        store=core.store,
        directory=core.directory,
        signer=signer(settings, stamped=stamped),
        clock=core.clock,
        pool=core.pool,
        exchange_keys=_exchange_keys(lambda: [key.key_id for key in core.keys.entries()]),
    )


def signer(settings: Settings, *, stamped: bool = True) -> PadesSigner:
    """Make the signer, with the timestamp authority of the log, if one is set, and the authorities of PDF signatures."""
    tsa, trust = settings.log.tsa_url, settings.trust.folder
    stamps = tsa and stamped
    source = TimestampAuthority(url=tsa, roots=read_time_roots(trust / "tsa" / "ca.pem")) if stamps else None
    # It judges no signature, so it gets a folder that does not exist: a broken one must not hinder it.
    reader = PdfSandbox(trust / "pdf" / "none", PdfLimits(max_bytes=MOST_PDF_BYTES, seconds=_READING_S))
    sources = read_pdf_sources(trust / "pdf")
    proofs = ProofGatherer(
        folder=trust / "pdf",
        time_roots=source.roots if source is not None else (),
        authorities=PdfAuthorities(sources) if sources is not None else None,
    )
    return PadesSigner(time=source, proofs=proofs, reader=reader)


def token(
    settings: Settings, label: str | None, key: str | None, ask: AskPin, at: datetime
) -> AbstractContextManager[AgencyKey]:
    """Open the key on the token. Misconfigured when no module is set, or when the exchange keys lie on that token."""
    sign = settings.sign
    if sign.module is None:
        raise Misconfigured(
            "no PKCS#11 module is set, so no token can be opened",
            hint="set sign.module to the library that came with the token; to try out: --p12 FILE",
        )
    chosen = TokenChoice(module=sign.module, label=label or sign.token, key=key or "")
    _must_lie_apart(settings, chosen)
    return open_token(chosen, ask, at)


def seal_file(settings: Settings, agency_code: str) -> Path:
    """Return the path of the image of an agency's seal."""
    return settings.sign.seals / f"{agency_code}.png"


def _must_lie_apart(settings: Settings, chosen: TokenChoice) -> None:
    other = settings.keys.pkcs11_module
    if other is None or other.resolve() != chosen.module.resolve():
        return
    if chosen.label in ("", settings.keys.token):
        raise Misconfigured(
            "the exchange keys lie on a token of the same module, and the agency's own key must lie on another one",
            code="TOKEN-SHARED",
            hint="name the agency's own token: sign.token or --token",
        )


def _exchange_keys(own: Callable[[], Sequence[str]]) -> Callable[[Sequence[bytes]], Collection[str]]:
    def key_ids(certificates: Sequence[bytes]) -> Collection[str]:
        bound = [facts_of(x509.load_der_x509_certificate(certificate)).key_id for certificate in certificates]
        return frozenset([*own(), *bound])

    return key_ids
