"""One node per test, stepped by hand or by the batches of its workers."""

from gateway.workers import couriers
from tests.support.node import LEASE_S, Town


async def carried_by_workers(town: Town) -> None:
    """Carry all that is due, until nothing moves any more."""
    out, inn = town.node.out, town.node.inn
    while any(
        [
            await couriers.pack_batch(out, 10, LEASE_S),
            await couriers.dispatch_batch(out, 10, LEASE_S),
            await couriers.land_batch(inn, 10, LEASE_S),
            await couriers.process_batch(inn, 10, LEASE_S),
            await town.node.store.number_events(),
        ]
    ):
        pass
