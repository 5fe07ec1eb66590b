"""Compares the answers to callers with the rows of all nodes. In: a world at rest, and its ledger. Out: each broken promise
in words, with its ids. It knows only the promises, and nothing of how the nodes keep them."""

from __future__ import annotations

import json
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gateway.domain.account import AgencyScope, NumberingMode
from gateway.domain.document import Kind
from gateway.domain.registry_reform import QueuedMail
from gateway.domain.states import Track
from gateway.domain.status import MAY_HAVE_LEFT
from gateway.store import figures_check
from tests.simulation import audits, kept_out, sources
from tests.simulation.kept_out import Ending
from tests.simulation.ledger import Ledger, Sent
from tests.simulation.rows import Row, Rows
from tests.simulation.stage import CASTS
from tests.simulation.world import World
from tests.support import plain_count
from tests.support.plain_count import Ours

# Reasons of mail to a code that has ended, and the words where an earlier attempt may have reached it.
_CLOSED, _DOUBT = {"recipient-closed", "recipient-closed-in-doubt"}, "an earlier attempt may have reached"
# What is still under way, in words, and how to ask for it. A row that was cancelled after its courier was killed keeps the
# lease of the dead, which nothing asks for any more.
_OPEN_WORK = {
    "{side} outbox {id} {kind}: {state} {last_error}": (
        "SELECT id, kind, state, last_error FROM outbox WHERE state NOT IN ('sent', 'cancelled', 'failed')"
    ),
    "{side} inbox {id} {kind}: {state} {code} {reason}": (
        "SELECT id, kind, state, code, reason FROM inbox WHERE state <> 'done' OR coalesce(lease_token, '') <> ''"
    ),
    "{side} job {id} {kind}: {last_error}": "SELECT id, kind, last_error FROM job",
    "{side} {incoming_id}: hand-over {state}": (
        "SELECT incoming_id, state FROM handover WHERE state <> 'acked'"
    ),
}
_LETTER_KINDS = (Kind.DOCUMENT, Kind.REPLACEMENT)
# Longer than any step that was rung for takes, shorter than a poll.
_QUICK_S, _POLL_S = 25.0, 60.0
# Agencies whose arrivals the node itself numbers.
_OWN_BOOKS = {cast.code for cast in CASTS if cast.numbering is NumberingMode.B}


def read(world: World) -> list[Rows]:
    return [
        Rows(host.name, host.folder, {id: code for code, id in host.site.agencies.items()})
        for host in world.hosts.values()
    ]


def remains(world: World, ledger: Ledger, busy: int) -> list[str]:
    """Name what is still under way."""
    open_rows = [f"{busy} callers are in the middle of something"] if busy else []
    open_rows += (world.axis or world.hub).remains()
    sides = read(world)
    late_ids = {item.row_id for item in kept_out.find(sides, ledger.lapses, ledger.endings)}
    for side in sides:
        for words, query in _OPEN_WORK.items():
            rows = [row for row in side.ask(query) if row.get("id") not in late_ids]
            open_rows += [words.format(side=side.name, **row) for row in rows]
    return open_rows


def check(world: World, ledger: Ledger, calm_since: datetime) -> list[str]:
    """Return every promise that the rows break. Mail that was sent in the calm end, without any fault, must also be
    quick."""
    comparison = _Check(read(world), ledger)
    now = datetime.fromtimestamp(sources.now_s(), UTC).replace(tzinfo=None)
    return [*comparison.run(), *comparison.delays(calm_since, now)]


async def check_running(world: World, ledger: Ledger) -> list[str]:
    """Return the promises that running nodes break at rest: loops that stand, figures and states that a plain recount does
    not give, an event log that is not sealed to its end."""
    broken: list[str] = []
    late_packets = kept_out.find(read(world), ledger.lapses, ledger.endings)
    unheard = {(item.answers, item.sender) for item in late_packets}
    heirs = {code: ending.heir for code, ending in ledger.endings.items()}
    # A successor answers what lay with the code that ended.
    unheard |= {
        (answers, code) for code, heir in heirs.items() for answers, sender in unheard if sender == heir
    }
    all_ours = {}
    for host in world.hosts.values():
        for code, id in host.site.agencies.items():
            scope = AgencyScope(agency_id=id, principal_id="checker")
            all_ours[code] = Ours(host.running.store, scope)
    for host in world.hosts.values():
        broken += [
            f"{host.name}: the loop {name} stands"
            for name, runs in host.running.pulse.loops().items()
            if not runs
        ]
        for code in host.site.agencies:
            try:
                await host.call(
                    lambda node, code=code: plain_count.check(  # type: ignore[misc]  # mypy cannot type a lambda with a default
                        all_ours[code], all_ours, year=2026, gives_numbers=False, heirs=heirs, unheard=unheard
                    )
                )
            except AssertionError as error:
                broken.append(f"{code}: a plain count gives something else: {place_of(error)}")
        _, differences = await host.call(lambda node: figures_check.check(node.store))
        broken += [
            f"{host.name}: the figures differ from the event log: {difference}"
            for difference in differences[:5]
        ]
    answered_documents = {item.document_id for item in late_packets}
    ids = {
        row["packet_id"]
        for side in read(world)
        for row in side["outgoing_document"]
        if row["document_id"] in answered_documents
    }
    broken += await audits.check(world, ids | {item.answers for item in late_packets})
    for side in read(world):
        sealed = side.ask("SELECT coalesce(max(tree_size), 0) AS size FROM log_seal")[0]["size"]
        event_count = side.ask("SELECT count(*) AS size FROM event")[0]["size"]
        if sealed != event_count:
            broken.append(f"{side.name}: {event_count} events, and only {sealed} of them are sealed")
    return broken


def place_of(error: BaseException) -> str:
    """Name the line of a failed assertion, and the values around it that say what differs."""
    frame = list(traceback.walk_tb(error.__traceback__))[-1][0]
    values = {
        name: value for name, value in frame.f_locals.items() if isinstance(value, str | int | dict | tuple)
    }
    return f"{error} in {frame.f_code.co_name}, line {frame.f_lineno}: {str(values)[:600]}"


def add_to_hash(world: World) -> None:
    """Add all rows and files to the hash of the film."""
    for side in read(world):
        for piece in side.everything():
            world.film.add_to_hash(piece)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _body(fact: Row) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(fact["body"])
    return body


def _statuses(facts: list[Row]) -> Counter[str]:
    return Counter(fact["code"] for fact in facts if fact["track"] == Track.BUSINESS)


def _answers_to_requests(facts: list[Row]) -> Counter[str]:
    return Counter(fact["code"] for fact in facts if fact["code"] in ("15", "16"))


class _Check:
    def __init__(self, sides: list[Rows], ledger: Ledger) -> None:
        self._sides, self._ledger = sides, ledger
        self._side_of = {code: side for side in sides for code in side.codes.values()}
        self._outgoing = {row["id"]: row for side in sides for row in side["outgoing_document"]}
        self._kept_out = kept_out.find(sides, ledger.lapses, ledger.endings)
        self._deliveries: dict[str, dict[str, Row]] = defaultdict(dict)
        self._facts: dict[str, list[Row]] = defaultdict(list)
        self._incoming: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for side in sides:
            for row in side["delivery"]:
                self._deliveries[row["document_id"]][row["code"]] = row
            for row in side["fact"]:
                self._facts[row["subject_id"]].append(row)
            for row in side["incoming_document"]:
                self._incoming[row["agency"], row["packet_id"]].append(row)

    def run(self) -> Iterator[str]:
        yield from self._ledger.complaints
        for sent in self._ledger.sent.values():
            yield from self._document(sent)
        yield from self._strangers()
        yield from kept_out.from_ended(self._sides, self._ledger.endings)
        for side in self._sides:
            yield from self._books(side)
            yield from self._events(side)
            yield from self._identities(side)
            yield from self._content(side)
            yield from self._answers(side)

    def delays(self, calm_since: datetime, now: datetime) -> Iterator[str]:
        """Name statuses of documents sent since then whose sender heard of them later than work that is rung for takes. A
        document that is of later than now was sent by a clock that was ahead, with faults about."""
        for sent in self._ledger.sent.values():
            if (row := self._outgoing.get(sent.id)) is None:
                continue  # it is lost
            # A letter that can be called back is packed at the first poll after that time.
            leaves_at = json.loads(row["body"])["leaves_at"]
            began_at = _moment(leaves_at or row["created_at"])
            most_s = _QUICK_S + (_POLL_S if leaves_at else 0.0)
            was_calm = calm_since <= began_at <= now
            for code, delivery in self._deliveries[sent.id].items() if was_calm else ():
                for fact in self._facts[delivery["id"]]:
                    status, stated_at = fact["code"], json.loads(fact["body"]).get("stated_at")
                    if fact["track"] != Track.BUSINESS or not stated_at:
                        continue
                    since = began_at if status == "01" else _moment(stated_at)
                    took_s = (_moment(fact["at"]) - since).total_seconds()
                    if took_s > most_s:
                        yield f"late: {sent.key} to {code}: {took_s:.0f} s until its {status}, with no fault anywhere"

    # --- documents --------------------------------------------------------------------------------------------

    def _document(self, sent: Sent) -> Iterator[str]:
        row = self._outgoing.get(sent.id)
        if row is None:
            yield f"lost: {sent.key} {sent.id} was accepted, and {sent.sender} does not have it"
            return
        yield from self._accepted_late(sent, row)
        deliveries = self._deliveries[sent.id]
        if set(deliveries) != set(sent.recipients):
            yield f"{sent.key} {sent.id}: deliveries to {sorted(deliveries)}, not {sorted(sent.recipients)}"
        for code, delivery in sorted(deliveries.items()):
            yield from self._delivery(sent, row, code, delivery)

    def _accepted_late(self, sent: Sent, row: Row) -> Iterator[str]:
        """Check that a node which knows that a code has ended accepts no document from it or to it."""
        node, at = self._side_of[sent.sender].name, datetime.fromisoformat(f"{row['created_at']}+00:00")
        for code in (sent.sender, *sent.recipients):
            ending = self._ledger.endings.get(code)
            if ending is not None and at >= ending.ends_at and ending.is_known(node, at):
                yield f"{sent.key} {sent.id}: accepted at {at}, and {node} knew that {code} had ended"

    def _delivery(self, sent: Sent, row: Row, code: str, delivery: Row) -> Iterator[str]:
        label = f"{sent.key} {sent.id} to {code}"
        admitted = self._incoming[code, row["packet_id"]]
        if (ending := self._ledger.endings.get(code)) is not None:
            at_heir = self._at_heir(sent, row, delivery, ending)
            is_own_copy = ending.heir in sent.recipients
            yield from self._diverted(label, delivery, ending, admitted, [] if is_own_copy else at_heir)
            if row["kind"] in _LETTER_KINDS:
                yield from self._sent_late(sent, label, delivery, ending)
            admitted = admitted + at_heir
        cancelled = [fact for fact in self._facts[delivery["id"]] if fact["code"] == "cancelled"]
        if cancelled and not sent.may_be_cancelled:
            yield f"{label}: cancelled, and nobody cancelled it"
        if cancelled and not admitted:
            return
        # An attempt whose answer was lost may have brought it to the axis: then the node said so when it was cancelled.
        if cancelled and json.loads(cancelled[0]["body"]).get("reason") != MAY_HAVE_LEFT:
            yield f"{label}: cancelled as never sent, and the receiver has it"
        if sent.is_cancelled and not cancelled:
            yield f"{label}: {delivery['state']}, but its cancelling was answered"
        if not admitted and self._may_lie_nowhere(sent, row, code, delivery):
            return
        if not admitted:
            yield f"lost: {label}: {delivery['state']}, and the receiver does not have it"
            return
        if len(admitted) > 1:
            yield f"doubled: {label}: admitted as {', '.join(document['id'] for document in admitted)}"
        yield from self._agreement(label, row, code, delivery, admitted[0])
        yield from self._files(sent, label, code, admitted[0])

    def _at_heir(self, sent: Sent, row: Row, delivery: Row, ending: Ending) -> list[Row]:
        """Return the document that the successor of an ended recipient got in its place. Where the successor is a recipient
        too, it has a copy of its own, and answers for the other only what it says in so many words."""
        if ending.heir in sent.recipients:
            if self._incoming[delivery["code"], row["packet_id"]]:
                return []
            if not any(_body(fact).get("heir") == ending.heir for fact in self._facts[delivery["id"]]):
                return []
        return self._incoming[ending.heir, row["packet_id"]]

    def _diverted(
        self, label: str, delivery: Row, ending: Ending, at_old: list[Row], at_heir: list[Row]
    ) -> Iterator[str]:
        """Check that a document to a code that ended met what the registry says of waiting mail, and that its sender knows
        its successor."""
        for fact in self._facts[delivery["id"]]:
            reason, note = _body(fact).get("reason"), _body(fact).get("note") or ""
            if fact["track"] != Track.TRANSPORT:
                continue
            if reason == "recipient-redirected":
                if ending.queued is not QueuedMail.REDIRECT:
                    yield f"{label}: redirected, and mail that waits is to be {ending.queued}"
                if at_old and _DOUBT not in note:
                    yield f"{label}: redirected to {ending.heir}, and the code that ended has it"
            elif reason in _CLOSED:
                if ending.queued is QueuedMail.REDIRECT:
                    yield f"{label}: returned, and mail that waits is to be {ending.queued}"
                if ending.heir not in note:
                    yield f"{label}: returned, and its sender does not read of {ending.heir}: {note}"
                if (at_old and _DOUBT not in note) or at_heir:
                    yield f"{label}: returned, and a receiver has it"

    def _sent_late(self, sent: Sent, label: str, delivery: Row, ending: Ending) -> Iterator[str]:
        """Check that a node which knows that a code has ended sends it nothing more that waited."""
        node = self._side_of[sent.sender].name
        facts = [fact for fact in self._facts[delivery["id"]] if fact["track"] == Track.TRANSPORT]
        begun = [_moment(fact["at"]) for fact in facts if fact["code"] == "sending"]
        to_old = [fact for fact in facts if fact["code"] == "sent" and not _body(fact).get("heir")]
        began = max(begun, default=datetime.min).replace(tzinfo=UTC)
        if to_old and began >= ending.ends_at and ending.is_known(node, began):
            yield f"{label}: sent at {began}, and {node} knew that the code had ended"

    def _may_lie_nowhere(self, sent: Sent, row: Row, code: str, delivery: Row) -> bool:
        """Tell whether a document that was not cancelled may be with no receiver: it arrived too late to be proved, or its
        sender or recipient had ended before it left, which its sender can read."""
        ending = self._ledger.endings.get(code)
        codes = {code, ending.heir} if ending is not None else {code}
        if any(item.packet_id == row["packet_id"] and item.recipient in codes for item in self._kept_out):
            return True
        last = [fact for fact in self._facts[delivery["id"]] if fact["track"] == Track.TRANSPORT][-1:]
        reasons = {_body(fact).get("reason") for fact in last if fact["code"] == "failed"}
        # The successor got it too, and had said so before the sender's node knew of it.
        if (
            ending is not None
            and ending.heir in sent.recipients
            and self._incoming[ending.heir, row["packet_id"]]
        ):
            return True
        # A code that has just begun may not be on the axis yet.
        if "unroutable" in reasons and code not in {cast.code for cast in CASTS}:
            return True
        has_ended_sender = sent.sender in self._ledger.endings and kept_out.SENDER_CLOSED in reasons
        return has_ended_sender or (ending is not None and bool(_CLOSED & reasons))

    def _agreement(self, label: str, sent: Row, code: str, delivery: Row, document: Row) -> Iterator[str]:
        """Check that the sender knows every business status of the receiver, once, with its proof, and nothing else. Of
        those that came too late to be proved it may know none."""
        ending = self._ledger.endings.get(code)
        codes = {code, ending.heir} if ending is not None else {code}
        late = [item for item in self._kept_out if item.sender in codes and item.recipient == sent["agency"]]
        unheard = Counter(item.status for item in late if item.answers == sent["packet_id"])
        shared, others_statuses = self._shared(sent, code, document)
        theirs = _statuses(self._facts[document["id"]])
        ours = _statuses(self._facts[delivery["id"]])
        receipts = ours.pop("01", 0)
        if not (not receipts and unheard["01"]) and not 1 <= receipts <= theirs.pop("01", 0) + shared["01"]:
            yield f"{label}: its sender has not exactly one receipt 01"
        theirs.pop("01", 0)
        if not ours - theirs <= shared or not theirs - ours <= unheard + others_statuses:
            yield f"{label}: the receiver set {dict(theirs)}, its sender knows {dict(ours)}"
        for fact in self._facts[delivery["id"]]:
            if fact["track"] == "business" and not json.loads(fact["body"]).get("proved"):
                yield f"{label}: receipt {fact['code']} is not proved"
        answered = self._ledger.statuses.get((code, document["id"]), [])
        missing = [
            status for status in answered if status in ("02", "03", "04", "05", "06") and not theirs[status]
        ]
        if missing:
            yield f"{label}: answered statuses {missing} are not recorded at {code}"
        agreed = _answers_to_requests(self._facts[document["id"]])
        sender_codes = _answers_to_requests(self._facts[delivery["id"]])
        unheard = Counter(item.status for item in late if item.document_id == sent["document_id"])
        if not sender_codes - agreed <= shared or not agreed - sender_codes <= unheard + others_statuses:
            yield f"{label}: the receiver answered requests with {dict(agreed)}, its sender knows {dict(sender_codes)}"

    def _shared(self, sent: Row, code: str, document: Row) -> tuple[Counter[str], Counter[str]]:
        """Count the statuses that may be taken for those of this copy, where a code that ended and its successor have one
        each and the successor answers for both: those of the other copy; and those of this one that the sender may know
        as the other's."""
        shared, others_statuses = Counter[str](), Counter[str]()
        for other, delivery in self._deliveries[sent["id"]].items():
            endings = [self._ledger.endings.get(code), self._ledger.endings.get(other)]
            if [e.heir for e in endings if e is not None and e.heir in (code, other)] == []:
                continue
            for copy in self._incoming[other, sent["packet_id"]] if other != code else ():
                if copy["id"] != document["id"]:
                    shared += _statuses(self._facts[copy["id"]])
                    shared += _answers_to_requests(self._facts[copy["id"]])
                others_statuses += _statuses(self._facts[delivery["id"]])
                others_statuses += _answers_to_requests(self._facts[delivery["id"]])
        return shared, others_statuses

    def _files(self, sent: Sent, label: str, code: str, document: Row) -> Iterator[str]:
        side = self._side_of[document["agency"]]
        if document["kind"] not in _LETTER_KINDS:
            return
        body = json.loads(document["body"])
        if body.get("destroyed") is not None:
            return
        files = {file["name"]: side.digest_of(file) for file in body["files"]}
        updated = any(f["code"] == "15" for f in self._facts[document["id"]])
        if files != sent.files and not updated:
            yield f"{label}: other content: {files}, not {sent.files}"

    def _strangers(self) -> Iterator[str]:
        packets = {row["packet_id"] for row in self._outgoing.values()}
        for (code, packet_id), rows in self._incoming.items():
            if packet_id not in packets:
                yield from (f"forged: {code} {row['id']}: admitted, and nobody sent it" for row in rows)
        sent_ids = self._ledger.drafts | {sent.id for sent in self._ledger.sent.values()}
        for id, row in self._outgoing.items():
            if (
                row["kind"] in (*_LETTER_KINDS, Kind.UPDATE)
                and id not in sent_ids
                and row["state"] != "draft"
            ):
                yield f"{id} ({row['external_id']}): sent, and no caller knows of it"

    # --- sequences --------------------------------------------------------------------------------------------

    def _books(self, side: Rows) -> Iterator[str]:
        """Check that the node's own books count 1, 2, 3, and that a document has one number: the one that was answered."""
        books: dict[tuple[str, str, int], list[str]] = defaultdict(list)
        entries: Counter[tuple[str, str]] = Counter()
        for row in side["register_entry"]:
            books[row["agency"], row["book"], row["year"]].append(row["number"])
            entries[row["agency"], row["incoming_id"]] += 1
            answered = self._ledger.numbers.get((row["agency"], row["incoming_id"]))
            if answered is not None and answered != row["number"]:
                yield f"{row['incoming_id']}: number {row['number']} in the book, answered {answered}"
        for book, numbers in books.items():
            twice = [number for number, count in Counter(numbers).items() if count > 1]
            if twice:
                yield f"book {book}: numbers given twice: {twice}"
            if book[0] in _OWN_BOOKS and sorted(map(int, numbers)) != list(range(1, len(numbers) + 1)):
                yield f"book {book}: not 1 to {len(numbers)}: {sorted(map(int, numbers))[:30]}"
        yield from (f"{key}: {count} numbers in the book" for key, count in entries.items() if count > 1)
        for (code, id), number in self._ledger.numbers.items():
            if self._side_of[code] is side and not entries[code, id]:
                yield f"{code} {id}: number {number} was answered, and the book does not have it"

    def _events(self, side: Rows) -> Iterator[str]:
        runs: dict[str, list[int]] = {"": [row["node_seq"] or 0 for row in side["event"]]}
        for row in side["event"]:
            if row["agency"]:
                runs.setdefault(row["agency"], []).append(row["agency_seq"] or 0)
        for owner, numbers in runs.items():
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                yield f"{side.name} {owner}: events are not numbered 1 to {len(numbers)}"

    def _identities(self, side: Rows) -> Iterator[str]:
        claimed = Counter((row["agency"], row["sender"], row["packet_id"]) for row in side["identity"])
        yield from (
            f"{side.name} {identity}: claimed {n} times"
            for identity, n in claimed.items()
            if n > 1 and identity[2]
        )
        documents = {row["incoming_id"] for row in side["identity"]}
        for row in side["incoming_document"]:
            if row["id"] not in documents:
                yield f"{side.name} {row['id']}: admitted without an identity"

    def _content(self, side: Rows) -> Iterator[str]:
        """Check that every row of large content has its file, whole."""
        for row in side.ask("SELECT digest, size FROM blob WHERE body IS NULL"):
            digest = row["digest"]
            path = side.folder / "content" / digest[:2] / digest[2:4] / digest
            if not path.is_file():
                yield f"{side.name}: the file of content {digest} is missing"
            elif path.stat().st_size != row["size"]:
                yield f"{side.name}: content {digest} has {path.stat().st_size} bytes, not {row['size']}"

    def _answers(self, side: Rows) -> Iterator[str]:
        """Check that nothing of one agency lies with another."""
        codes = set(side.codes.values())
        for table in (
            "outgoing_document",
            "incoming_document",
            "delivery",
            "fact",
            "outbox",
            "inbox",
            "event",
        ):
            for row in side[table]:
                if row["agency"] and row["agency"] not in codes:
                    yield f"{side.name} {table}: a row of {row['agency']}, which it does not host"
