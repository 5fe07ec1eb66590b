"""The part of the wiring that signs PDFs with the agency's own key, in person. In: settings, an open ground. Out: the
desk of signing, and a way to open the key. Only the command line and the pages come here, never a worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from gateway.domain.pdf import MOST_PDF_BYTES
from gateway.errors import Misconfigured
from gateway.outgoing.sign_pdf import SigningDesk
from gateway.ports.services import AgencyKey
from gateway.settings import Settings
from gateway.trust.pdf_signatures.sandbox import PdfLimits, PdfSandbox
from gateway.trust.pdf_signing import AskPin
from gateway.trust.pdf_signing.agency_key import TokenChoice, facts_of, open_token
from gateway.trust.pdf_signing.signer import PadesSigner
from gateway.trust.seals import TimestampAuthority, read_time_roots

if TYPE_CHECKING:
    from gateway.bootstrap.ground import Ground

_READING_S = 30.0


def desk(settings: Settings, ground: Ground, *, stamped: bool = True) -> SigningDesk:
    """Everything but the key. Without `stamped` nobody is asked for a timestamp."""
    return SigningDesk(
        store=ground.store,
        directory=ground.directory,
        signer=signer(settings, stamped=stamped),
        clock=ground.clock,
        pool=ground.pool,
        exchange_keys=_exchange_keys(lambda: [each.key_id for each in ground.keys.entries()]),
    )


def signer(settings: Settings, *, stamped: bool = True) -> PadesSigner:
    """With the timestamp authority of the log, where one is set, and the revocation lists of PDF signatures."""
    tsa, trust = settings.log.tsa_url, settings.trust.folder
    stamps = tsa and stamped
    source = TimestampAuthority(url=tsa, roots=read_time_roots(trust / "tsa" / "ca.pem")) if stamps else None
    # It judges nobody, so it is given a folder that is not there: a broken one must not hinder it.
    reader = PdfSandbox(trust / "pdf" / "none", PdfLimits(max_bytes=MOST_PDF_BYTES, seconds=_READING_S))
    return PadesSigner(time=source, long_term=trust / "pdf", reader=reader)


def token(
    settings: Settings, label: str | None, key: str | None, ask: AskPin, at: datetime
) -> AbstractContextManager[AgencyKey]:
    """The key on the token. Misconfigured when no module is set, or when the exchange keys lie on that token."""
    told = settings.sign
    if told.module is None:
        raise Misconfigured(
            "no PKCS#11 module is set, so no token can be opened",
            hint="set sign.module to the library that came with the token; to try out: --p12 FILE",
        )
    chosen = TokenChoice(module=told.module, label=label or told.token, key=key or "")
    _must_lie_apart(settings, chosen)
    return open_token(chosen, ask, at)


def seal_file(settings: Settings, agency_code: str) -> Path:
    """Where the image of an agency's seal is looked for."""
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
    def known(certificates: Sequence[bytes]) -> Collection[str]:
        bound = [facts_of(x509.load_der_x509_certificate(each)).key_id for each in certificates]
        return frozenset([*own(), *bound])

    return known
