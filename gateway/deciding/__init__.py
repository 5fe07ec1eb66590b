"""Decisions of persons: the persons, their proposals and approvals, and the acts that one of them may do at once. Here: the
tools of every decision, and how long certificates overlap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.ports.services import Clock, Pool

if TYPE_CHECKING:
    from gateway.registry.decisions import SqlDecisions
    from gateway.trust.folder import AnchorFile
    from gateway.trust.person_secrets import PersonSecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionServices:
    """The tools of deciding. Made once by the wiring; holds no state of its own."""

    decisions: SqlDecisions
    secrets: PersonSecrets
    anchors: AnchorFile
    clock: Clock
    pool: Pool
    overlap: timedelta
