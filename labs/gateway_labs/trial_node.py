"""Preparations of every trial node before it opens: a schema, its agencies, keys, certificates of one authority, a trust
folder, rows of the registry. In: a folder or settings, names, a time. Every step may be repeated."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.account import HostedAgency
from gateway.domain.proof import Binding
from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.store import SqlStore
from gateway.trust.keys import KeyDirectory
from gateway_labs.authority import Authority

_TEN_YEARS = timedelta(days=3650)


def authority_in(folder: Path, name: str, at: datetime) -> Authority:
    """Return the authority that lies there, or a new one."""
    if (folder / "ca.pem").is_file():
        return Authority.load(folder)
    authority = Authority.create(name, at)
    authority.save(folder)
    return authority


async def host(settings: Settings, agencies: Iterable[HostedAgency], clock: Clock) -> None:
    """Create the database, and let the node speak for the agencies."""
    await migrate.up(settings.database.address)
    store = SqlStore(settings.database.address, clock)
    try:
        await store.open()
        for agency in agencies:
            if await store.accounts.hosted_by_code(agency.code) is None:
                await store.accounts.add_hosted(agency)
    finally:
        await store.close()


def certified(
    keys: KeyDirectory,
    authority: Authority,
    code: str,
    name: str,
    at: datetime,
    valid: timedelta = timedelta(days=730),
) -> x509.Certificate:
    """Return the certificate of the code's own key, which is made where there is none."""
    entries = keys.entries(code)
    if all(e.not_before is None for e in entries):
        entry = entries[0] if entries else keys.generate(code)
        issued = authority.issue_for_request(keys.request(code, entry.key_id, name), at, valid)
        keys.import_certificate(code, issued.public_bytes(Encoding.PEM))
    return x509.load_der_x509_certificate(keys.signer(code, at).certificate_der)


def write_trust(
    folder: Path, authority: Authority, bound: Mapping[str, x509.Certificate], at: datetime
) -> None:
    """Write the trust folder, with an empty revocation list: without it every arrival would wait for a clerk."""
    authority.write_trust(folder, bound)
    write_revocation(folder, authority, at)


def write_revocation(folder: Path, authority: Authority, at: datetime) -> None:
    """Write an empty revocation list, so that the node can tell."""
    lists = folder / "crl"
    lists.mkdir(parents=True, exist_ok=True)
    if not (lists / "trial.pem").is_file():
        (lists / "trial.pem").write_bytes(authority.revocation_list([], at, _TEN_YEARS))


def binding_of(code: str, certificate: x509.Certificate) -> Binding:
    """Bind the code for as long as the certificate is valid."""
    return Binding(
        code=code,
        certificate_der=certificate.public_bytes(Encoding.DER),
        valid_from=certificate.not_valid_before_utc,
        valid_to=certificate.not_valid_after_utc,
    )


def as_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """Write rows as a registry is imported; the first row names the columns."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
