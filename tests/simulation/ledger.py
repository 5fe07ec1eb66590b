"""The answers that callers got: the only memory of a world outside its nodes. In: answers. Out: the same, for the
checkers."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.simulation.kept_out import Ending, Lapse


@dataclass(slots=True, kw_only=True)
class Sent:
    """A document that a node accepted: from then on it must not be lost."""

    key: str
    id: str
    sender: str
    recipients: tuple[str, ...]
    files: dict[str, str]
    is_cancelled: bool = False
    may_be_cancelled: bool = False


@dataclass(slots=True)
class Ledger:
    sent: dict[str, Sent] = field(default_factory=dict)
    # (agency, incoming id) → arrival number
    numbers: dict[tuple[str, str], str] = field(default_factory=dict)
    acked: set[tuple[str, str]] = field(default_factory=set)
    # Those of them that a document system took away from its hot folder
    collected: set[tuple[str, str]] = field(default_factory=set)
    # (agency, incoming id) → statuses that were answered with success
    statuses: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    # Drafts that persons began
    drafts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    # code → its first certificate, where that ends within the world
    lapses: dict[str, Lapse] = field(default_factory=dict)
    # code that ends within the world → its end
    endings: dict[str, Ending] = field(default_factory=dict)
    tried: int = 0
    lost_answers: int = 0

    def accepted(self, sent: Sent) -> Sent:
        first = self.sent.setdefault(sent.key, sent)
        if first.id != sent.id:
            self.complaints.append(f"{sent.key} was answered with {first.id} and then with {sent.id}")
        return first

    def numbered(self, agency: str, incoming_id: str, number: str) -> None:
        first = self.numbers.setdefault((agency, incoming_id), number)
        if first != number:
            self.complaints.append(f"{agency} {incoming_id} was numbered {first} and then {number}")
