"""What the steps of the sealed hold are handed: the ports, and the sealer for the head's key where one is set."""

from dataclasses import dataclass

from gateway.ports import Blobs, Clock, Pool, Sealer, Store, Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDesk:
    """Made once by the wiring; holds no state of its own. Without `sealer` content stays frozen: nobody reads it, and it
    lies unsealed until `seal.recipient` is set."""

    store: Store
    blobs: Blobs
    vault: Vault
    sealer: Sealer | None
    clock: Clock
    pool: Pool
