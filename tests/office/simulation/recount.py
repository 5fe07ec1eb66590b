"""What the offices of a world at rest show, held against a plain count of their rows and facts. In: a world at rest, and
the diary. Out: each broken promise in words, with its ids. The rows are read from the files; what pages show is
asked of the running nodes."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import cast

from gateway.domain.account import AgencyScope
from gateway.domain.document import STANDING, Kind
from gateway_office.bootstrap.office import Office
from tests.office.simulation import page_checks
from tests.office.simulation.diary import Diary, PutOff
from tests.simulation.checkers import read
from tests.simulation.rows import Rows
from tests.simulation.world import World

# Tables of the office whose rows are about a document.
ABOUT_DOCUMENTS = (
    "submission",
    "unit_part",
    "letter_comment",
    "letter_seen",
    "content_text",
    "content_read",
)
# Kinds that have a number of their own.
_LETTERS = (Kind.DOCUMENT, Kind.REPLACEMENT)
_OPEN_WORK = (
    ("list rows", "SELECT document_id AS id FROM list_change"),
    ("an act", "SELECT document_id AS id FROM pending_act WHERE failed_at IS NULL"),
    ("words of", "SELECT document_id AS id FROM content_due"),
)


def remains(world: World) -> list[str]:
    """Name what the offices have still to do."""
    return [
        f"{side.name}: {label} {row['id']} wait"
        for side in read(world)
        for label, question in _OPEN_WORK
        for row in side.ask(question)
    ]


def check_sides(sides: Sequence[Rows], diary: Diary, numbered: Collection[str]) -> Iterator[str]:
    """Yield every promise that the rows of the nodes break. `numbered` are the agencies whose numbers the node gives."""
    admitted = {row["packet_id"] for side in sides for row in side["incoming_document"]}
    for side in sides:
        for code in sorted(side.codes.values()):
            if code in numbered:
                yield from _numbers(side, code)
        yield from _issued(side, diary)
        yield from _ended(side, diary, admitted)
        yield from _recalls(side)
        yield from _own_documents(side)
        yield from _acts(side, diary)


async def check_running(world: World) -> list[str]:
    """Return the promises that running offices break at rest."""
    broken = []
    for host in world.hosts.values():
        for code, id in host.site.agencies.items():
            shares = [host.site.people[code, post] for post in ("first", "second")]
            scope = AgencyScope(agency_id=id, principal_id=host.site.people[code, "clerk"])
            faults = await host.call(
                lambda node, scope=scope, shares=shares: page_checks.faults(cast(Office, node), scope, shares)  # type: ignore[misc]  # mypy cannot type a lambda with a default
            )
            broken += [f"{code}: {fault}" for fault in faults]
    return broken


# --- letters and their numbers ------------------------------------------------------------------------------------


def _numbers(side: Rows, code: str) -> Iterator[str]:
    """Check that each series counts 1, 2, 3, and that a number stands for the one document that has it."""
    documents = [
        row for row in side["outgoing_document"] if row["agency"] == code and row["kind"] in _LETTERS
    ]
    drafts = {row["id"] for row in documents if row["state"] == "draft"}
    standing = {row["document_id"]: row["id"] for row in documents if row["state"] in STANDING}
    series: dict[tuple[str, int], list[int]] = defaultdict(list)
    holders: Counter[str] = Counter()
    for row in side["given_number"]:
        if row["agency"] != code:
            continue
        series[row["book"], row["year"]].append(row["number"])
        is_used = row["document_id"] in standing or row["subject_id"] in drafts
        label = f"{code} number {row['number']} of {row['book']}: {row['state']} for {row['subject_id']}"
        if row["state"] == "issued":
            holders[row["document_id"]] += 1
        if row["state"] in ("issued", "void") and is_used != (row["state"] == "issued"):
            yield f"{label}, and its document {'stands' if is_used else 'does not stand'}"
        if row["state"] in ("reserved", "free") and row["document_id"] in standing:
            yield f"{label}, and {standing[row['document_id']]} has it"
    for place, numbers in series.items():
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            yield f"{code} series {place}: not 1 to {len(numbers)}: {sorted(numbers)[:30]}"
    for document_id, id in standing.items():
        if holders[document_id] != 1:
            yield f"{code} {id}: {holders[document_id]} issued numbers"


def _issued(side: Rows, diary: Diary) -> Iterator[str]:
    """Check that every letter has the number that was answered."""
    for row in side["outgoing_document"]:
        answered = diary.issued.get((row["agency"], row["id"]))
        number = json.loads(row["body"])["draft"]["number"]
        if answered is not None and answered != number:
            yield f"{row['id']}: number {number}, answered {answered}"


def _ended(side: Rows, diary: Diary, admitted: Collection[str]) -> Iterator[str]:
    """Check that nothing that was called back, or discarded, has left."""
    for row in side["outgoing_document"]:
        if row["id"] in diary.ended:
            if row["state"] != "cancelled":
                yield f"{row['id']}: {row['state']}, and its end was answered"
            if row["packet_id"] in admitted:
                yield f"{row['id']}: called back in time, and a recipient has it"


def _recalls(side: Rows) -> Iterator[str]:
    """Check that a recall left exactly where a head agreed."""
    sent = {row["id"]: row for row in side["outgoing_document"]}
    results = Counter(row["result"] for row in side["recall_ask"] if row["result"])
    for row in side["recall_ask"]:
        if (row["state"] == "approved") != (row["result"] is not None):
            yield f"recall request {row['id']}: {row['state']}, with the recall {row['result']}"
        elif row["result"] is not None:
            result = sent.get(row["result"])
            if result is None or result["parent_id"] != row["document_id"] or results[row["result"]] != 1:
                yield f"recall request {row['id']}: {row['result']} is not the recall of {row['document_id']}"


def _own_documents(side: Rows) -> Iterator[str]:
    """Check that rows of the office are about documents of their own agency."""
    own = {
        (row["agency"], row["id"])
        for table in ("outgoing_document", "incoming_document")
        for row in side[table]
    }
    for table in ABOUT_DOCUMENTS:
        for row in side[table]:
            if (row["agency"], row["document_id"]) not in own:
                yield f"{side.name} {table}: {row['document_id']} is no document of {row['agency']}"


# --- acts that wait until they may no longer be undone ---------------------------------------------------------------


def _acts(side: Rows, diary: Diary) -> Iterator[str]:
    """Check that acts that were undone did not happen, and that others did, once."""
    failed = diary.failed | {row["id"] for row in side["pending_act"] if row["failed_at"] is not None}
    acts_by_key: dict[tuple[str, str, str], list[PutOff]] = defaultdict(list)
    for act in diary.acts.values():
        if act.agency in side.codes.values():
            acts_by_key[act.person_id, act.document_id, act.code].append(act)
    counts, facts = _count_statuses(side), _facts(side)
    for (person, document, code), acts in acts_by_key.items():
        count = counts[person, document, code]
        expected = [act for act in acts if not act.is_undone and act.id not in failed]
        label = (
            f"{document}: {code} by {person}: done {count} times, {len(expected)} of {len(acts)} acts stand"
        )
        if (person, document) in diary.unsure:
            continue
        if count > (len(expected) if code == "04" else min(len(expected), 1)):
            yield label
        # The same status by another before it leaves nothing to do.
        elif expected and not count and code not in facts.get(document, ()):
            yield f"{label}; {', '.join(act.id for act in expected)} left no trace"
        elif code == "04" and count != len(expected):
            yield label


def _count_statuses(side: Rows) -> Counter[tuple[str, str, str]]:
    """Count the statuses that each person gave each document, by their events; an assignment anew has no code."""
    return Counter(
        (row["principal_id"], row["subject_id"], json.loads(row["data"]).get("code", "04"))
        for row in side["event"]
        if row["kind"] == "inbox.status"
    )


def _facts(side: Rows) -> Mapping[str, set[str]]:
    codes: dict[str, set[str]] = defaultdict(set)
    for row in side["fact"]:
        if row["track"] == "business":
            codes[row["subject_id"]].add(row["code"])
    return codes
