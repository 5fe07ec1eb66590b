"""The answers to callers: every document that a node accepted, every number that it gave. In: answers. Out: the same, to
compare with the databases. This is the only memory of a run outside the nodes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A document that was answered with 202: from now on it must not be lost."""

    key: str
    id: str
    sender: str
    recipients: tuple[str, ...]
    name: str
    digest: str


@dataclass(slots=True)
class Ledger:
    """The ledger, which grows while the run goes on."""

    sent: dict[str, Sent] = field(default_factory=dict)
    # (receiving agency, incoming id) → arrival number.
    numbers: dict[tuple[str, str], str] = field(default_factory=dict)
    # Forbidden answers: another answer under the same key, another number, a refusal.
    complaints: list[str] = field(default_factory=list)
    retries: int = 0
    trouble: str = "none"
    # Time of each document's answer, by its id and the machine's clock.
    at: dict[str, float] = field(default_factory=dict)

    @property
    def deliveries(self) -> int:
        return sum(len(s.recipients) for s in self.sent.values())

    def unanswered(self, why: object) -> None:
        """Note that a caller has to ask again; the last reason is shown while the run goes on."""
        self.retries += 1
        self.trouble = str(why)

    def accepted(self, sent: Sent) -> None:
        first = self.sent.setdefault(sent.key, sent)
        self.at.setdefault(sent.id, time.monotonic())
        if first.id != sent.id:
            self.complaints.append(f"{sent.key} was answered with {first.id} and then with {sent.id}")

    def numbered(self, agency: str, incoming_id: str, number: str) -> None:
        first = self.numbers.setdefault((agency, incoming_id), number)
        if first != number:
            self.complaints.append(f"{agency} {incoming_id} was numbered {first} and then {number}")
