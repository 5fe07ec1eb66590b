"""A change in the database past the program is found and named, on both databases (threats 92, 117, 121). Each
case is real SQL on a real log of twelve events and three seals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gateway.domain import sealed_log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import PublishedSeal
from gateway.errors import GatewayError
from gateway.policy.upkeep import is_unsealed
from gateway.pool import ThreadPool
from gateway.store.events import NODE
from gateway.store.log_reading import erase_texts, leaves_of, seal_numbered
from tests.support.clock import ManualClock
from tests.support.databases import fresh_database
from tests.support.proofs import consistency
from tests.support.sealed import OTHER_KEY, Book, codes, fill_log, seal_key, tamper
from tests.support.stores import committing, copied, opened, with_agencies
from tests.support.tsa import tsa


@pytest.fixture(scope="session")
def sealed_file(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the sealed log once, to be copied: each case has the same events and seals."""
    url = copied(blank_database, tmp_path_factory.mktemp("sealed"))
    asyncio.run(fill(url))
    return Path(url.removeprefix("sqlite:///"))


@pytest.fixture(scope="session")
def sealed_template(postgres_template: str) -> Iterator[str]:
    """Make the sealed log on a PostgreSQL server too; in a loop of its own, because sessions outlive the tests' loops."""
    with asyncio.Runner() as runner:
        making = fresh_database(postgres_template)
        url = runner.run(making.__aenter__())
        runner.run(fill(url))
        yield urlsplit(url).path.lstrip("/")
        runner.run(making.__aexit__(None, None, None))


async def fill(url: str) -> None:
    pool, clock = ThreadPool(1), ManualClock()
    async with with_agencies(url, clock) as store:
        await fill_log(Book(store=store, clock=clock, pool=pool))
    pool.close()


@pytest.fixture
async def sealed_server(sealed_template: str) -> AsyncIterator[str]:
    async with fresh_database(sealed_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return copied(request.getfixturevalue("sealed_file"), tmp_path)
    url: str = request.getfixturevalue("sealed_server")
    return url


@pytest.fixture
async def book(store_url: str, clock: ManualClock, pool: ThreadPool) -> AsyncIterator[Book]:
    """Make the log of a node, a moment after its third seal."""
    clock.advance(timedelta(minutes=3))
    async with opened(store_url, clock) as store:
        yield Book(store=store, clock=clock, pool=pool)


@pytest.fixture
async def seals(book: Book) -> list[PublishedSeal]:
    """Return the seals over 4, 8 and 12 events."""
    return [await seal_numbered(book.store, number) for number in (1, 2, 3)]


# What is found, each thing with its place; and what is done to the tables.
Change = tuple[str, *tuple[str, ...]]


def added(number: int) -> str:
    """Return the statement that adds one more event under that number, a copy of the eighth."""
    columns = "agency_id, id, kind, at, subject_id, principal_id, data, node_seq, agency_seq"
    values = f"agency_id, 'evt_made', kind, at, subject_id, principal_id, data, {number}, {number}"
    return f"INSERT INTO event ({columns}) SELECT {values} FROM event WHERE node_seq = 8"  # noqa: S608 - our own numbers


CASES: dict[str, Change] = {
    "an event's row is removed": ("event_removed EVENT 5", "DELETE FROM event WHERE node_seq = 6"),
    "an event's kind is changed": (
        "event_changed EVENT 5",
        "UPDATE event SET kind = 'message.failed' WHERE node_seq = 6",
    ),
    "an event's data is changed": (
        "event_changed EVENT 5",
        """UPDATE event SET data = replace(data, '"n":1', '"n":9') WHERE node_seq = 6""",
    ),
    "an event's time is changed": (
        "event_changed EVENT 5",
        "UPDATE event SET at = '2026-11-20 01:00:01' WHERE node_seq = 6",
    ),
    "who did it is changed": (
        "event_changed EVENT 5",
        "UPDATE event SET principal_id = 'prn_south' WHERE node_seq = 6",
    ),
    "an event's data is made unreadable": (
        "event_changed EVENT 5, text_changed EVENT 5",
        "UPDATE event SET data = '{' WHERE node_seq = 6",
    ),
    "two events are put in each other's place": (
        "event_moved EVENT 5, event_moved EVENT 6",
        "UPDATE event SET node_seq = -1, agency_seq = -1 WHERE node_seq = 6",
        "UPDATE event SET node_seq = 6, agency_seq = 6 WHERE node_seq = 7",
        "UPDATE event SET node_seq = 7, agency_seq = 7 WHERE node_seq = -1",
    ),
    "an event is added among the sealed ones": (
        "event_moved EVENT 8, event_added evt_made",
        "UPDATE event SET node_seq = 100, agency_seq = 100 WHERE node_seq = 9",
        added(9),
    ),
    "a text is changed": (
        "text_changed EVENT 5",
        "UPDATE event SET data = replace(data, 'Sai', 'Sao') WHERE node_seq = 6",
    ),
    "a text and its salt are taken away and nothing tells of it": (
        "text_erased EVENT 5",
        """UPDATE event SET data = '{"n":1}' WHERE node_seq = 6""",
        "UPDATE log_leaf SET salts = NULL WHERE leaf_index = 5",
    ),
    "the bytes of a leaf are changed": (
        "leaf_changed leaf 5, event_changed EVENT 5",
        """UPDATE log_leaf SET body = replace(body, '"n":1', '"n":9') WHERE leaf_index = 5""",
    ),
    "a leaf is made unreadable": (
        "leaf_changed leaf 5, leaf_unreadable leaf 5",
        "UPDATE log_leaf SET body = 'x' WHERE leaf_index = 5",
    ),
    "a leaf is made to lack a part": (
        "leaf_changed leaf 5, leaf_unreadable leaf 5",
        """UPDATE log_leaf SET body = replace(body, '"data":', '"dates":') WHERE leaf_index = 5""",
    ),
    "the hash of a leaf is changed": (
        "leaf_changed leaf 5, seal_root seal 2, log_peaks log",
        "UPDATE log_leaf SET hash = (SELECT hash FROM log_leaf WHERE leaf_index = 4) WHERE leaf_index = 5",
    ),
    "a leaf is removed": (
        "leaf_missing leaf 5, event_added EVENT 5",
        "DELETE FROM log_leaf WHERE leaf_index = 5",
    ),
    "leaf and event are removed together": (
        "leaf_missing leaf 5",
        "DELETE FROM log_leaf WHERE leaf_index = 5",
        "DELETE FROM event WHERE node_seq = 6",
    ),
    "the end of the log is cut off": (
        "seal_beyond seal 3, log_size log",
        "DELETE FROM log_leaf WHERE leaf_index > 9",
        "DELETE FROM event WHERE node_seq > 10",
    ),
    "a seal is removed": ("seal_missing seal 2", "DELETE FROM log_seal WHERE number = 2"),
    "a seal's text is changed": (
        "seal_signature seal 2",
        "UPDATE log_seal SET body = replace(body, 'size 8', 'size 7') WHERE number = 2",
    ),
    "a seal is made unreadable": ("seal_signature seal 2", "UPDATE log_seal SET body = 'x' WHERE number = 2"),
    "seals are put in another order": (
        "seal_other seal 2, seal_previous seal 2, "
        "seal_other seal 3, seal_order seal 3, seal_previous seal 3, seal_root seal 3",
        "UPDATE log_seal SET number = 9 WHERE number = 2",
        "UPDATE log_seal SET number = 2 WHERE number = 3",
        "UPDATE log_seal SET number = 3 WHERE number = 9",
    ),
    "the state of the tree is changed": ("log_peaks log", "UPDATE log SET peaks = replace(peaks, 'a', 'b')"),
    "how long the log is": ("log_size log", "UPDATE log SET size = 11"),
    "the first event is removed": ("event_removed EVENT 0", "DELETE FROM event WHERE node_seq = 1"),
    "the last event is removed": ("event_removed EVENT 11", "DELETE FROM event WHERE node_seq = 12"),
    "the first leaf and its event are removed": (
        "leaf_missing leaf 0",
        "DELETE FROM log_leaf WHERE leaf_index = 0",
        "DELETE FROM event WHERE node_seq = 1",
    ),
    "an event's number is taken away": (
        "event_moved EVENT 5",
        "UPDATE event SET node_seq = NULL WHERE node_seq = 6",
    ),
    "the last event's number is taken away": (
        "event_moved EVENT 11",
        "UPDATE event SET node_seq = NULL WHERE node_seq = 12",
    ),
    "an event is added before the first one": ("event_added evt_made", added(0)),
    "an event is added and given a leaf that no tree has": (
        "event_added evt_made",
        added(0),
        "UPDATE event SET position = 5000 WHERE id = 'evt_made'",
        "INSERT INTO log_leaf (leaf_index, position, hash, body) SELECT -1, 5000, hash, body FROM log_leaf "
        "WHERE leaf_index = 5",
    ),
    "the log is told to pass over the events to come": (
        "event_added evt_made, log_place log",
        "UPDATE log SET last_seq = 1000",
        added(13),
    ),
    "the log is told to begin anew": ("log_place log", "UPDATE log SET last_seq = 3"),
    "what is asked of a seal's row is changed": (
        "seal_other seal 2",
        "UPDATE log_seal SET tree_size = 7 WHERE number = 2",
    ),
}
# A column of that database takes whatever it is given.
LOOSE: dict[str, Change] = {
    "a number is no number": ("event_moved EVENT 5", "UPDATE event SET node_seq = 'x' WHERE node_seq = 6"),
    "a time is before all time": (
        "event_changed EVENT 5",
        "UPDATE event SET at = '0001-01-01 00:00:00+14:00' WHERE node_seq = 6",
    ),
    "salts are nested without end": (
        "text_changed EVENT 5",
        "UPDATE log_leaf SET salts = replace(hex(zeroblob(50000)), '0', '[') WHERE leaf_index = 5",
    ),
    "a size is no number": ("log_size log", "UPDATE log SET size = 'x'"),
    "the place is no number": ("log_place log", "UPDATE log SET last_seq = 'x'"),
}


async def test_an_untouched_log_holds_and_a_seal_of_another_log_or_key_is_no_anchor(
    book: Book, seals: list[PublishedSeal]
) -> None:
    report = await book.examine(*seals)

    assert (report.holds, report.anchored, report.leaves, report.seals) == (True, True, 12, 3)
    assert [note.code for note in report.notes] == ["unstamped"]

    other = replace(seals[1].signed.seal, log_id="f" * 32)
    foreign = PublishedSeal(signed=seal_key(OTHER_KEY).sign(other))
    forged = PublishedSeal(signed=replace(seals[1].signed, signature=seals[0].signed.signature))

    assert ("published_log", "seal 2") in codes(await book.examine(foreign))
    assert ("published_signature", "seal 2") in codes(await book.examine(forged))


async def findings_of_change(book: Book, store_url: str, change: Change) -> tuple[str, str]:
    """Return the findings after such a change, and the expected ones: events by the numbers of their leaves."""
    expected, *statements = change
    if "postgresql" in store_url:
        moment = "'2026-11-20 01:00:01'"
        statements = [x.replace(moment, moment[:-1] + "+00'") for x in statements]
    ids = {x.event_id: f"EVENT {x.index}" for x in await leaves_of(book.store, "agy_north", "msg_1")}
    await tamper(store_url, *statements)
    findings = [f"{code} {ids.get(place, place)}" for code, place in codes(await book.examine())]
    return ", ".join(findings), expected


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("change", LOOSE.values(), ids=LOOSE)
async def test_threat_092_no_kind_of_value_in_a_row_stops_the_examination(
    book: Book, store_url: str, change: Change
) -> None:
    findings, expected = await findings_of_change(book, store_url, change)

    assert findings == expected


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET peaks = 'zz'",
        "UPDATE log SET size = 'x'",
        "UPDATE log_seal SET stamp = 'x', stamped_at = '2026-11-20 01:00:00' WHERE number = 2",
        "UPDATE log_seal SET body = x'ff' WHERE number = 3",
    ],
)
async def test_where_the_log_stands_is_an_error_with_a_name_when_its_rows_are_spoiled(
    book: Book, store_url: str, statement: str
) -> None:
    await tamper(store_url, statement)

    with pytest.raises(GatewayError):
        await book.store.log.head()


@pytest.mark.parametrize("change", CASES.values(), ids=CASES)
async def test_threat_092_what_is_changed_in_the_database_is_found_and_named(
    book: Book, seals: list[PublishedSeal], store_url: str, change: Change
) -> None:
    findings, expected = await findings_of_change(book, store_url, change)

    assert findings == expected


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_threat_092_no_single_change_of_a_leaf_or_seal_stays_unseen(
    book: Book, seals: list[PublishedSeal], store_url: str, data: st.DataObject
) -> None:
    """Any one character of any one leaf or seal; put back afterwards."""
    table, key, column = data.draw(
        st.sampled_from([("log_leaf", "leaf_index", "body"), ("log_seal", "number", "body")])
    )
    row = data.draw(st.integers(0, 11) if table == "log_leaf" else st.integers(1, 3))
    async with book.store.reading() as tx:
        ((body,),) = await tx.tuples(text(f"SELECT {column} FROM {table} WHERE {key} = {row}"))  # noqa: S608 - of our own names
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda c: c != body[at]))
    change = f"UPDATE {table} SET {column} = :body WHERE {key} = {row}"  # noqa: S608 - of our own names

    await tamper(store_url, change, body=body[:at] + other + body[at + 1 :])
    report = await book.examine()
    await tamper(store_url, change, body=body)

    assert not report.holds
    assert (await book.examine()).holds


async def test_threat_117_a_log_that_was_told_to_pass_over_what_comes_counts_as_unsealed(
    book: Book, seals: list[PublishedSeal], store_url: str
) -> None:
    """The log would never be sealed again, and no event would wait for its seal."""
    assert (await book.store.log.head()).unsealed_since is None
    await tamper(store_url, "UPDATE log SET last_seq = 1000")
    await book.tell(3)
    book.clock.advance(timedelta(minutes=6))

    head = await book.store.log.head()

    assert head.unsealed_since == seals[2].signed.seal.at
    assert is_unsealed(head, book.clock.now())


async def rewritten(book: Book, url: str) -> None:
    """Make the whole log anew from changed events with the node's own key, as its owner could."""
    await tamper(
        url,
        "UPDATE event SET kind = 'message.failed' WHERE node_seq = 6",
        "DELETE FROM log_leaf",
        "DELETE FROM log_seal",
        "UPDATE log SET size = 0, last_seq = 0, peaks = ''",
    )
    book.clock.advance(-timedelta(minutes=3))
    await book.seal()


async def cut_off(url: str, seal: PublishedSeal) -> None:
    """Cut the log off after its first seal; no row mentions later events."""
    await tamper(
        url,
        "DELETE FROM log_seal WHERE number > 1",
        "DELETE FROM log_leaf WHERE leaf_index > 3",
        "DELETE FROM event WHERE node_seq > 4",
        "UPDATE log SET size = 4, last_seq = 4, peaks = :peaks",
        "UPDATE event_counter SET last = 4",
        peaks=seal.signed.seal.root.hex(),
    )


async def test_threat_117_a_history_made_anew_is_found_from_any_published_seal(
    book: Book, seals: list[PublishedSeal], store_url: str
) -> None:
    await rewritten(book, store_url)

    for seal in seals[1:]:
        findings = codes(await book.examine(seal))
        assert ("published_differs", f"seal {seal.signed.seal.number}") in findings, seal
    newest = await seal_numbered(book.store)
    old, new = seals[1].signed.seal, newest.signed.seal
    proof = await consistency(book.store, old.tree_size, new.tree_size)
    assert not sealed_log.proves_prefix(old.tree_size, old.root, new.tree_size, new.root, proof)
    assert ("published_differs", "seal 2") in codes(await book.examine(since=seals[1]))
    # Two people were shown seals that the node's own key signed under one number.
    both = codes(await book.examine(seals[2], newest))
    assert [code for code, _ in both] == ["published_differs", "seal_missing"]
    # Without a published seal the cut cannot be seen, and the report says so.
    alone = await book.examine()
    assert (alone.holds, alone.anchored) == (True, False)
    assert "unanchored" in [note.code for note in alone.notes]


async def test_threat_092_a_log_cut_off_with_all_that_tells_of_it_is_found_by_a_published_seal(
    book: Book, seals: list[PublishedSeal], store_url: str
) -> None:
    await cut_off(store_url, seals[0])

    assert (await book.examine()).holds
    assert (await book.examine(seals[0])).holds
    assert codes(await book.examine(seals[2])) == [("published_beyond", "seal 3")]
    goes_on = await book.examine(since=seals[2])
    assert [(finding.code, finding.params) for finding in goes_on.findings] == [
        ("published_beyond", {"size": 12, "leaves": 4})
    ]


@pytest.mark.parametrize("from_number", [3, 2, 1])
async def test_threat_117_seals_cut_off_while_their_leaves_stay_are_named_by_a_published_one(
    book: Book, seals: list[PublishedSeal], store_url: str, from_number: int
) -> None:
    """An attacker who seals the end anew removes its seals first; without a published seal it goes unseen."""
    await tamper(store_url, f"DELETE FROM log_seal WHERE number >= {from_number}")  # noqa: S608 - of our own numbers

    assert (await book.examine()).holds
    assert codes(await book.examine(*seals)) == [("seal_missing", f"seal {from_number}")]


async def test_threat_092_a_timestamp_that_was_taken_away_is_named_by_the_seal_that_was_published_with_it(
    book: Book, seals: list[PublishedSeal], store_url: str
) -> None:
    signed, at = seals[1].signed, seals[1].signed.seal.at
    published = replace(seals[1], stamp=tsa().token(signed.to_bytes(), at))

    assert codes(await book.examine(published, roots=[tsa().root])) == [("stamp_missing", "seal 2")]
    assert codes(await book.examine(published, roots=[tsa("other").root])) == [
        ("stamp_wrong", "seal 2"),
        ("stamp_missing", "seal 2"),
    ]
    await book.store.log.stamp(signed.seal, published.stamp or b"", at, book.clock)
    assert (await book.examine(published, roots=[tsa().root])).holds


async def test_a_seal_with_another_key_is_named(
    book: Book, seals: list[PublishedSeal], store_url: str
) -> None:
    """The attacker has the database and not the key."""
    signed = seal_key(OTHER_KEY).sign(seals[2].signed.seal)
    await tamper(
        store_url, "UPDATE log_seal SET body = :body WHERE number = 3", body=signed.to_bytes().decode()
    )

    report = await book.examine()

    assert codes(report) == [("seal_key", "seal 3")]
    assert list(report.keys) == [seals[0].signed.key_id, signed.key_id]


async def test_an_examination_goes_on_from_a_seal(
    book: Book, seals: list[PublishedSeal], store_url: str
) -> None:
    """Leaves that were examined before are not read again; later ones are."""
    report = await book.examine(seals[2], since=seals[1])
    assert (report.holds, report.anchored, report.leaves, report.seals) == (True, True, 12, 1)

    await tamper(store_url, "UPDATE event SET kind = 'message.failed' WHERE node_seq = 2")
    assert (await book.examine(since=seals[1])).holds
    await tamper(store_url, "UPDATE event SET kind = 'message.failed' WHERE node_seq = 10")
    assert [code for code, _ in codes(await book.examine(since=seals[1]))] == ["event_changed"]


async def test_threat_121_only_a_recorded_deletion_of_a_text_is_one(
    book: Book, seals: list[PublishedSeal], store_url: str
) -> None:
    """A record for one event and one name excuses no other."""
    first, second = (
        leaf for leaf in await leaves_of(book.store, "agy_north", "msg_1") if leaf.index in (5, 6)
    )
    await erase_texts(book.store, book.clock, first.event_id, ["reason"], "prn_1", "Decision 12")
    await book.store.number_events()
    await book.seal()
    assert (await book.examine(*seals)).holds

    await tamper(
        store_url,
        """UPDATE event SET data = '{"n":2}' WHERE node_seq = 7""",
        "UPDATE log_leaf SET salts = NULL WHERE leaf_index = 6",
    )
    assert codes(await book.examine(*seals)) == [("text_erased", second.event_id)]


@pytest.mark.parametrize(
    ("stamp", "authority", "expected"),
    [
        ("good", "", []),
        ("good", "other", [("stamp_wrong", "seal 2")]),
        ("of another seal", "", [("stamp_wrong", "seal 2")]),
        ("rubbish", "", [("stamp_wrong", "seal 2")]),
        ("too old", "", [("stamp_before", "seal 2")]),
        ("good", None, []),
    ],
)
async def test_threat_092_a_wrong_timestamp_is_named(
    book: Book,
    seals: list[PublishedSeal],
    stamp: str,
    authority: str | None,
    expected: list[tuple[str, str]],
) -> None:
    """The stamp is checked by the authority's own root, another root, or no root."""
    roots = [] if authority is None else [(tsa(authority) if authority else tsa()).root]
    signed = seals[1].signed
    at = signed.seal.at + timedelta(seconds=2)
    stamped = seals[0].signed if stamp == "of another seal" else signed
    stamped_at = at - timedelta(hours=1) if stamp == "too old" else at
    token = b"rubbish" if stamp == "rubbish" else tsa().token(stamped.to_bytes(), stamped_at)
    await book.store.log.stamp(signed.seal, token, at, book.clock)

    report = await book.examine(*seals, roots=roots)

    assert codes(report) == expected
    assert ("stamps_unchecked" in [note.code for note in report.notes]) == (not roots)


async def test_a_stamp_that_came_late_is_said_to_be(book: Book, seals: list[PublishedSeal]) -> None:
    signed = seals[1].signed
    at = signed.seal.at + timedelta(hours=5)
    await book.store.log.stamp(signed.seal, tsa().token(signed.to_bytes(), at), at, book.clock)

    report = await book.examine(*seals, roots=[tsa().root])

    assert (report.holds, report.stamps) == (True, 1)
    assert [note.code for note in report.notes] == ["unsealed", "unstamped", "stamps_late"]


async def test_a_restore_stands_in_the_log_and_explains_why_later_seals_do_not_fit(
    book: Book, seals: list[PublishedSeal], store_url: str
) -> None:
    """An older copy came back: the log went on from it, and does not hide it (decision 0013)."""
    first = seals[0].signed.seal
    await cut_off(store_url, seals[0])
    node = AgencyScope(agency_id=NODE, principal_id="operator")
    async with committing(book.store, node) as work:
        await work.events.append(
            EventKind.NODE_RESTORED, "restore", book.clock.now(), {"copied_at": first.at.isoformat()}
        )
    await book.store.number_events()
    await book.pages(8)

    report = await book.examine(*seals)

    assert ("published_differs", "seal 3") in codes(report)
    assert ("published_differs", "seal 1") not in codes(report)
    assert [note.params["leaf"] for note in report.notes if note.code == "restored"] == [4]


async def test_as_many_findings_are_named_as_somebody_can_look_at_and_all_are_counted(
    book: Book, store_url: str
) -> None:
    await book.pages(238)
    await tamper(store_url, "UPDATE event SET kind = 'message.failed'")

    report = await book.examine()

    assert (len(report.findings), report.count) == (200, 250)


async def test_a_wrong_node_is_found_before_a_proof_is_made_with_it(book: Book, store_url: str) -> None:
    await book.pages(300)
    await tamper(store_url, "UPDATE log_node SET hash = (SELECT hash FROM log_leaf WHERE leaf_index = 0)")

    assert codes(await book.examine()) == [("node_changed", "node 8/0")]
