"""What reading and writing out the books is handed: the store, the clock, and threads for what takes long."""

from dataclasses import dataclass

from gateway.office.ports.store import OfficeStore
from gateway.ports import Clock, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDesk:
    """Made once by the wiring; holds no state of its own."""

    store: OfficeStore
    clock: Clock
    pool: Pool
    series_by_type: bool = True
    """Whether each type of outgoing document has a run of numbers of its own (R33)."""
