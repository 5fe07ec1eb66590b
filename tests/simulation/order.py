"""Compares the order of what happened with what each thing follows from. In: the rows of all nodes at rest. Out: each event
or fact that lies before its cause, by the event log's numbers; by time too, where no clock was ever set wrong."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from gateway.domain.states import State, Track
from tests.simulation.rows import Row, Rows

# An event of a subject, and what must lie before it.
_CAUSES = {
    "message.queued": "message.accepted",
    "message.sent": "message.queued",
    "message.retry": "message.queued",
    "message.status": "message.queued",
    "message.cancelled": "message.accepted",
    "message.recall.requested": "message.queued",
    "message.recall.answered": "message.recall.requested",
    "inbox.status": "inbox.received",
    "inbox.acked": "inbox.received",
    "inbox.request": "inbox.received",
    "register.struck": "inbox.status",
}
# What only follow an arrival that lies in another subject's events.
_OF_SUBJECTS = ("msg_", "inb_")
# Statuses of one document at its receiver: those of the work may come in any order, after the acceptance.
_STATUSES = ("01", "03", "04", "05", "06")
_WORK = ("04", "05", "06")
# An act reads the clock several times, and waits for its turn to write.
_ONE_ACT = timedelta(minutes=1)
_TRANSPORT = ("queued", "sending", "sent")


def check(sides: list[Rows], clocks_were_right: bool) -> Iterator[str]:
    """Name what lies before its cause."""
    for side in sides:
        yield from _events(side, clocks_were_right)
        yield from _facts(side, clocks_were_right)
        yield from _sent_once(side)


def _events(side: Rows, clocks_were_right: bool) -> Iterator[str]:
    kinds: dict[str, set[str]] = defaultdict(set)
    last_at: dict[str, datetime] = {}
    for row in sorted(side["event"], key=lambda row: row["node_seq"] or 0):
        subject, kind = row["subject_id"] or "", row["kind"]
        if subject.startswith(_OF_SUBJECTS):
            cause = _CAUSES.get(kind)
            # A document that a person is to judge is held instead.
            causes = {cause, "inbox.held"} if cause == "inbox.received" else {cause}
            if cause is not None and not causes & kinds[subject]:
                yield f"{side.name} {subject}: {kind} is number {row['node_seq']}, and {cause} not before it"
            at, last = datetime.fromisoformat(row["at"]), last_at.get(subject)
            if clocks_were_right and last is not None and at < last - _ONE_ACT:
                yield f"{side.name} {subject}: {kind} at {at}, after one of {last} was written"
            last_at[subject] = at
        kinds[subject].add(kind)


def _sent_once(side: Rows) -> Iterator[str]:
    """Name documents that were sent to a recipient more often than they were queued for it: where two couriers publish a
    packet, one of them records that."""
    queued, sent = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in side["event"]:
        if row["kind"] not in ("message.queued", "message.sent"):
            continue
        data, subject = json.loads(row["data"]), row["subject_id"]
        if row["kind"] == "message.queued":
            queued.update((subject, code) for code in data.get("to", ("",)))
        elif data["delivery"] is not None:  # not an answer
            sent[subject, data["to"]] += 1
    for (subject, code), count in sent.items():
        if count > (most := queued[subject, ""] + queued[subject, code]):
            yield f"{side.name} {subject}: sent to {code} {count} times, and queued {most} times"


def _facts(side: Rows, clocks_were_right: bool) -> Iterator[str]:
    facts: dict[str, dict[str, Row]] = defaultdict(dict)
    for row in side["fact"]:
        facts[row["subject_id"]].setdefault(row["code"], row)
    for document in side["incoming_document"]:
        by_code = facts[document["id"]]
        if clocks_were_right:
            for last in ("03", *_WORK):
                chain = [by_code[code] for code in dict.fromkeys(("01", "03", last)) if code in by_code]
                yield from _rising(side, document["id"], chain)
    if clocks_were_right:
        yield from _sent_after_all(side)
    for delivery in side["delivery"]:
        by_code = facts[delivery["id"]]
        if "sent" in by_code and "sending" not in by_code:
            yield f"{side.name} {delivery['id']}: sent, and never on its way"
        if not clocks_were_right:
            continue
        yield from _rising(side, delivery["id"], [by_code[code] for code in _TRANSPORT if code in by_code])
        for code in _STATUSES:
            # The first sending may have had no time to be noted, where its courier was killed.
            if code in by_code and by_code[code]["at"] < by_code.get("queued", by_code[code])["at"]:
                yield f"{side.name} {delivery['id']}: {code} came before it was queued"
            stated = json.loads(by_code[code]["body"])["stated_at"] if code in by_code else None
            # The other side states whole seconds.
            if stated is not None and "queued" in by_code:
                queued_s = datetime.fromisoformat(f"{by_code['queued']['at']}+00:00").timestamp()
                if datetime.fromisoformat(stated).timestamp() < int(queued_s):
                    yield f"{side.name} {delivery['id']}: {code} is of {stated}, before it was made"


def _sent_after_all(side: Rows) -> Iterator[str]:
    """Name deliveries that were said to have failed, and were sent again without being queued again."""
    moves: dict[str, list[Row]] = defaultdict(list)
    for row in side["fact"]:
        if row["track"] == Track.TRANSPORT:
            moves[row["subject_id"]].append(row)
    for subject, rows in moves.items():
        for fact, following in pairwise(sorted(rows, key=lambda row: row["at"])):
            if fact["code"] == State.FAILED and following["code"] in (State.SENDING, State.SENT):
                yield f"{side.name} {subject}: {following['code']} at {following['at']}, after it had failed for good"


def _rising(side: Rows, subject: str, facts: list[Row]) -> Iterator[str]:
    for cause, fact in pairwise(facts):
        if fact["at"] < cause["at"]:
            yield f"{side.name} {subject}: {fact['code']} at {fact['at']} before {cause['code']} {cause['at']}"
