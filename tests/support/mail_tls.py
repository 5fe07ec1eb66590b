"""A certificate for a mail server on this machine, and the authority that a client must believe."""

from __future__ import annotations

import ssl
from pathlib import Path

from tests.support.tls_servers import in_days, make_certificate


def server_side(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """The server's side of TLS, and the file of its authority: its own certificate, valid now."""
    certificate, private = make_certificate(folder, "mail", in_days(1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return context, certificate
