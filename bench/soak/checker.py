"""Compares the answers to callers with the rows of both sides. In: a ledger and the holdings of every node. Out:
`Findings`: each lost, doubled or unexplained document or row in words, with its ids. Pure: it knows only the promises."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.soak.ledger import Ledger, Sent
from bench.soak.rows import Holdings, Row

# Statuses of a clerk of ours for each document, after the node's own 01.
_STATUSES = ("01", "03")


@dataclass(slots=True)
class Findings:
    """`sent` and `admitted` count deliveries: a document for two agencies is two."""

    sent: int = 0
    admitted: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.unexplained) and self.sent == self.admitted

    def line(self) -> str:
        return (
            f"sent {self.sent} admitted {self.admitted} lost {len(self.lost)} doubled {len(self.doubled)} "
            f"unexplained {len(self.unexplained)}"
        )


def check(ledger: Ledger, sides: Sequence[Holdings], remains: Sequence[str] = ()) -> Findings:
    """Check the ledger against the holdings; `remains` names the remains on the axis."""
    findings = Findings(unexplained=[*ledger.complaints, *remains])
    _Check(ledger, sides, findings).run()
    return findings


class _Check:
    """One check: it indexes the rows once, then checks one promise after another."""

    def __init__(self, ledger: Ledger, sides: Sequence[Holdings], findings: Findings) -> None:
        self._ledger, self._sides, self._found = ledger, sides, findings
        self._outgoing = {row["id"]: row for side in sides for row in side.outgoing}
        self._deliveries: dict[str, dict[str, Row]] = defaultdict(dict)
        for row in _all(sides, "deliveries"):
            self._deliveries[row["document_id"]][row["code"]] = row
        self._incoming: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in _all(sides, "incoming"):
            self._incoming[row["agency"], row["packet_id"]].append(row)
        self._facts: dict[str, list[Row]] = defaultdict(list)
        for row in _all(sides, "facts"):
            self._facts[row["subject_id"]].append(row)
        self._entries = Counter((row["agency"], row["incoming_id"]) for row in _all(sides, "register"))
        self._files = {id: files for side in sides for id, files in side.files.items()}

    def run(self) -> None:
        for sent in self._ledger.sent.values():
            self._document(sent)
        self._strangers()
        for side in self._sides:
            self._register(side)
            self._remains(side)
            self._answers(side)
            self._identities(side)
            self._events(side)

    def _document(self, sent: Sent) -> None:
        row = self._outgoing.get(sent.id)
        if row is None:
            self._found.sent += len(sent.recipients)
            self._found.lost += [f"{sent.key} {sent.id}: accepted, and {sent.sender} does not have it"]
            return
        deliveries = self._deliveries[sent.id]
        if set(deliveries) != set(sent.recipients):
            self._found.unexplained.append(f"{sent.id}: deliveries to {sorted(deliveries)}")
        for code in sent.recipients:
            self._found.sent += 1
            self._delivery(sent, code, row["packet_id"], deliveries.get(code))

    def _delivery(self, sent: Sent, code: str, packet_id: str, delivery: Row | None) -> None:
        label = f"{sent.key} {sent.id} to {code}"
        admitted = self._incoming[code, packet_id]
        if not admitted:
            state = delivery["state"] if delivery else "no delivery"
            self._found.lost.append(f"{label}: {state}, and the receiver does not have it")
            return
        self._found.admitted += 1
        if len(admitted) > 1:
            self._found.doubled.append(f"{label}: admitted as {', '.join(row['id'] for row in admitted)}")
        self._content(sent, label, admitted[0])
        self._taken_in(label, code, admitted[0])
        self._state(label, delivery)

    def _content(self, sent: Sent, label: str, document: Row) -> None:
        files = self._files.get(document["id"], {})
        if files != {sent.name: sent.digest}:
            self._found.unexplained.append(f"{label}: other content: {dict(files)}")

    def _taken_in(self, label: str, code: str, document: Row) -> None:
        answered = self._ledger.numbers.get((code, document["id"]))
        register_no = json.loads(document["body"]).get("register_no")
        entries = self._entries[code, document["id"]]
        if entries > 1:
            self._found.doubled.append(f"{label}: {entries} numbers in the book")
        if document["state"] != "accepted" or entries == 0 or answered is None or register_no != answered:
            self._found.unexplained.append(
                f"{label}: at the receiver {document['state']}, number {register_no}, in the book {entries} times, "
                f"answered {answered}"
            )

    def _state(self, label: str, delivery: Row | None) -> None:
        """Check that the sender knows the receiver's acts: one proved receipt for each status, and the resulting state."""
        if delivery is None:
            return
        business_facts = [row for row in self._facts[delivery["id"]] if row["track"] == "business"]
        counts = Counter(row["code"] for row in business_facts)
        for code, count in counts.items():
            if count > 1:
                self._found.doubled.append(f"{label}: {count} receipts of {code}")
        unproved = [row["code"] for row in business_facts if not json.loads(row["body"])["proved"]]
        if sorted(counts) != list(_STATUSES) or unproved or delivery["state"] != "accepted":
            self._found.unexplained.append(
                f"{label}: delivery {delivery['state']}, receipts {sorted(counts)}, not proved {unproved}"
            )

    def _strangers(self) -> None:
        """Find documents that no caller knows."""
        known_ids = {sent.id for sent in self._ledger.sent.values()}
        for id, row in self._outgoing.items():
            if id not in known_ids:
                self._found.unexplained.append(
                    f"{id} ({row['external_id']}): sent, and no caller knows of it"
                )
        packets = {(row["packet_id"]) for row in self._outgoing.values()}
        for (code, packet_id), rows in self._incoming.items():
            if packet_id not in packets:
                self._found.unexplained += [
                    f"{code} {row['id']}: admitted, and nobody sent it" for row in rows
                ]

    def _register(self, side: Holdings) -> None:
        """Check mode B: 1, 2, 3 … in each agency's book and year."""
        books: dict[tuple[str, str, int], list[int]] = defaultdict(list)
        for row in side.register:
            books[row["agency"], row["book"], row["year"]].append(int(row["number"]))
        for book, numbers in books.items():
            repeated = [number for number, count in Counter(numbers).items() if count > 1]
            if repeated:
                self._found.doubled.append(f"book {book}: numbers given twice: {repeated}")
            gaps = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
            if gaps:
                self._found.unexplained.append(f"book {book}: numbers never given: {gaps[:20]}")

    def _remains(self, side: Holdings) -> None:
        """Check that no row waits, is set aside or is leased."""
        for row in side.inbox:
            if row["state"] != "done" or row["lease_token"]:
                self._found.unexplained.append(
                    f"{side.node} inbox {row['id']}: {row['state']} {row['code']} {row['reason']}"
                )
        for row in side.outbox:
            if row["state"] != "sent" or row["lease_token"]:
                self._found.unexplained.append(
                    f"{side.node} outbox {row['id']} ({row['kind']}): {row['state']} {row['last_error']}"
                )
        for row in side.jobs:
            self._found.unexplained.append(
                f"{side.node} job {row['id']} ({row['kind']}) waits: {row['last_error']}"
            )
        for row in side.handovers:
            if row["state"] != "acked":
                self._found.unexplained.append(f"{side.node} {row['incoming_id']}: hand-over {row['state']}")

    def _answers(self, side: Holdings) -> None:
        """Check that a repeated packet is answered with the same packets: never two for one status."""
        answers: dict[str, set[str]] = defaultdict(set)
        for row in side.outbox:
            if row["kind"] == "status":
                answers[row["subject_id"]].add(row["packet_id"])
        for subject, packets in answers.items():
            if len(packets) > len(_STATUSES):
                self._found.doubled.append(f"{side.node} {subject}: {len(packets)} different answers")

    def _identities(self, side: Holdings) -> None:
        claimed = Counter((row["agency"], row["sender"], row["packet_id"]) for row in side.identities)
        for identity, count in claimed.items():
            if count > 1:
                self._found.doubled.append(f"{side.node} identity {identity}: claimed {count} times")
        documents = {row["incoming_id"] for row in side.identities}
        for row in side.incoming:
            if row["id"] not in documents:
                self._found.unexplained.append(f"{side.node} {row['id']}: admitted without an identity")

    def _events(self, side: Holdings) -> None:
        """Check that events are numbered densely, of the node and of each agency; the node's own are in its row."""
        runs: dict[str, list[int | None]] = {"": [row["node_seq"] for row in side.events]}
        for row in side.events:
            if row["agency"]:
                runs.setdefault(row["agency"], []).append(row["agency_seq"])
        for owner, numbers in runs.items():
            if sorted(n or 0 for n in numbers) != list(range(1, len(numbers) + 1)):
                self._found.unexplained.append(
                    f"{side.node} {owner}: events are not numbered 1 to {len(numbers)}"
                )


def _all(sides: Sequence[Holdings], table: str) -> Iterator[Row]:
    for side in sides:
        yield from getattr(side, table)
