"""What persons decide: who they are, what they propose and approve together, and what one of them may end at once. Here:
what every decision is handed, the ports, and how long certificates overlap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from gateway.ports import Clock, Pool
from gateway.ports.deciding import Decisions, SignInSecrets


class Anchors(Protocol):
    """The root certificates of this node, kept as a file that the node reads at start. Sync: call it in the pool."""

    def add(self, certificate_der: bytes) -> None:
        """Durable on return; one that is there changes nothing. Clash for what is no authority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidingDesk:
    """The tools of deciding. Made once by the wiring; holds no state of its own."""

    decisions: Decisions
    secrets: SignInSecrets
    anchors: Anchors
    clock: Clock
    pool: Pool
    overlap: timedelta
