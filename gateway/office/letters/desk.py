"""The desks of the two flows where the office opened them: their units of work have what the office keeps."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.incoming.desk import InDesk
from gateway.office.ports.store import OfficeStore
from gateway.outgoing.desk import OutDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeOut(OutDesk):
    store: OfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeIn(InDesk):
    store: OfficeStore
