"""Wires what keeps harm out: the scanner for malware and the sealed hold. In: settings, the store, the content. Out: a
`Scanner` and a `HoldDesk`. Part of the wiring; nothing runs on import."""

from __future__ import annotations

from gateway.holding.desk import HoldDesk
from gateway.ports import Blobs, Clock, Pool, Scanner, Store, Vault
from gateway.settings import Settings
from gateway.store.vault import FileVault
from gateway.trust.clamav import ClamScanner, NoScanner, ScanLimits, read_address
from gateway.trust.hold_seal import RecipientSealer

MB = 1024 * 1024
SEALED = "sealed"  # in the content folder, which all nodes of one database share; no backup has it


def scanner(settings: Settings, pool: Pool) -> Scanner:
    """The scanner for malware, or the one that says nothing. Misconfigured when its address cannot be read."""
    if not settings.scanner.address:
        return NoScanner()
    limits = ScanLimits(timeout_s=settings.scanner.timeout_s, max_bytes=settings.scanner.max_mb * MB)
    return ClamScanner(read_address(settings.scanner.address), pool, limits)


def vault(settings: Settings, pool: Pool) -> Vault:
    """Where sealed content lies."""
    return FileVault(settings.node.data_dir / "content" / SEALED, pool)


def holding(
    settings: Settings, store: Store, blobs: Blobs, apart: Vault, clock: Clock, pool: Pool
) -> HoldDesk:
    """The sealed hold; Misconfigured when the recipient's key is set and cannot be used."""
    recipient = settings.seal.recipient
    return HoldDesk(
        store=store,
        blobs=blobs,
        vault=apart,
        sealer=RecipientSealer.from_file(recipient) if recipient is not None else None,
        clock=clock,
        pool=pool,
    )
