"""The answers that clerks, heads and officers got: what the checks of the office hold against the rows. In: answers. Out:
the same; and one bell for each process, as its pages have."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from gateway.store import reporting
from gateway_office.bootstrap.office import Office
from gateway_office.node.exchange import find_partners
from gateway_office.notifications import RingBoard
from gateway_office.todo import TaskCount


@dataclass(slots=True, kw_only=True)
class PutOff:
    """An act that was to wait until it may no longer be undone."""

    id: str
    agency: str
    document_id: str
    code: str
    person_id: str
    is_undone: bool = False


@dataclass(slots=True)
class Diary:
    # (agency, outgoing id) → issued number, as it was answered
    issued: dict[tuple[str, str], str] = field(default_factory=dict)
    # Outgoing ids that were called back, or discarded as drafts, as it was answered
    ended: set[str] = field(default_factory=set)
    acts: dict[str, PutOff] = field(default_factory=dict)
    # Ids of acts that persons saw as failed
    failed: set[str] = field(default_factory=set)
    # (person, incoming id) where an answer was lost
    unsure: set[tuple[str, str]] = field(default_factory=set)
    _boards: dict[str, tuple[Office, RingBoard]] = field(default_factory=dict)

    def board_of(self, host: str, node: Office) -> RingBoard:
        cached = self._boards.get(host)
        if cached is None or cached[0] is not node:
            board = RingBoard(
                bell=TaskCount(node.todo, node.background),
                quarantined=partial(reporting.parked_packets, node.store),
                partners=partial(find_partners, node),
            )
            cached = self._boards[host] = node, board
        return cached[1]
