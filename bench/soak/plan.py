"""The plan of one soak: documents, faults, axis and database. In: the words of the command line. Out: a frozen `Plan`, from
whose seed every choice of the run follows. Faults are timed by progress, so two runs of one seed harm the same things in
the same order, not at the same instant."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

# Node → codes it hosts. Two agencies a node, so that one parcel may be for two of them.
CAST: dict[str, tuple[str, ...]] = {"north": ("Z91", "Z91.07"), "south": ("Z92", "Z92.01")}
CODES = tuple(code for codes in CAST.values() for code in codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of one run."""

    n: int
    kills: int
    seed: int
    axis: str = "embedded"
    database: str = "sqlite"
    broker_nodes: int = 1
    # Documents and deliveries under way at once; further ones wait with their sender.
    window: int = 80
    senders: int = 8
    patience_s: float = 600.0
    # How long an answer may be missing, with nothing open that could still bring it, before the run gives up.
    silence_s: float = 60.0
    lease_s: int = 15
    cast: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: CAST)
    # Codes that the registry knows and no node hosts.
    absent: tuple[str, ...] = ()
    # Settings of every node besides those of the ground, as names of the environment.
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def processes(self) -> int:
        """Return the processes of each node. Several share a database only on a server."""
        return 2 if self.database == "postgresql" else 1

    @property
    def codes(self) -> tuple[str, ...]:
        """Return every code that a node hosts."""
        return tuple(code for codes in self.cast.values() for code in codes)

    def chance(self, part: str) -> random.Random:
        """Return a stream of chance of its own for each part, so that one part's choices do not move another's."""
        return random.Random(f"{self.seed}/{part}")


def home(code: str) -> str:
    """Return the node that hosts the code."""
    return next(node for node, codes in CAST.items() if code in codes)
