"""What the doctor needs to know of a node, taken from its settings. In: settings and a pool. Out: a `Patient`; nothing is
opened."""

from __future__ import annotations

from gateway.bootstrap.axis import open_axis
from gateway.bootstrap.keys import key_token
from gateway.bootstrap.safety import scanner
from gateway.clock import SystemClock
from gateway.ops import server_certificates
from gateway.ops.doctor import Patient
from gateway.ports import Clock, Pool
from gateway.settings import Settings, sqlite_file


def of(settings: Settings, pool: Pool, clock: Clock | None = None) -> Patient:
    """The node of these settings."""
    password = settings.keys.password
    embedded = settings.axis.kind == "embedded"
    return Patient(
        node=settings.node.name,
        database_url=settings.database.address,
        database_file=sqlite_file(settings),
        data_dir=settings.node.data_dir,
        axis_folder=settings.axis.folder,
        keys_folder=settings.keys.folder,
        keys_password=password.reveal().encode() if password else None,
        trust_folder=settings.trust.folder,
        clock=clock or SystemClock(),
        pool=pool,
        lease_s=settings.workers.lease_s,
        open_axis=None if embedded else lambda: open_axis(settings),
        stamped=bool(settings.log.tsa_url),
        scanner=scanner(settings, pool),
        has_recipient=settings.seal.recipient is not None,
        database_ca=settings.database.ca,
        servers=server_certificates.of_settings(settings),
        token=key_token(settings),
    )
