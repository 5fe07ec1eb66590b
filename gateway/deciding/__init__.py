"""Decisions of persons: the persons who decide, their proposals and approvals, and acts that one person may do alone.
This module has the ports of every decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.ports.services import Clock, Pool

if TYPE_CHECKING:
    from gateway.registry_authoring.decisions import SqlDecisions
    from gateway.trust.folder import AnchorFile
    from gateway.trust.person_secrets import PersonSecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionServices:
    """Ports of the decisions, made once by the wiring. Certificates of one code are valid together for `overlap`."""

    decisions: SqlDecisions
    secrets: PersonSecrets
    anchors: AnchorFile
    clock: Clock
    pool: Pool
    overlap: timedelta
