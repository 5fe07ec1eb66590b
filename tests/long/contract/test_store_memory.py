"""Remembered answers about the registry, ended keys, hosted agencies and API keys change with the tables, whatever program
writes them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Engine, event, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import Pool

from gateway import errors
from gateway.deciding.proposals import seal_change
from gateway.domain.account import ApiScope, ClientCertificate, HostedAgency, KeyAuth, PrincipalKind
from gateway.domain.certificates import KeyEnd
from gateway.domain.event import BINDING_KINDS, EventKind
from gateway.domain.seals import CertificateKind
from gateway.registry.binding_events import SqlBindingLog
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.seal_changes import SqlSeals
from gateway.store import drivers
from gateway.store import memory as memories
from gateway.store.memory import Memory
from gateway.store.people import SqlKeyEnds
from gateway.store.server_connection import DirectConnection
from gateway.store.store import SqlStore
from tests.support import pki
from tests.support.clock import ManualClock
from tests.support.hosted import save_hosted
from tests.support.pdf_pki import root
from tests.support.stores import NORTH, committing, opened

CODE, OTHER, SECRET = "Z91.07", "Z91.08", "0" * 64
WEST = HostedAgency(id="agy_west", code="Z91.03", name="West")
CERTIFICATE = ClientCertificate(
    sha256="1" * 64,
    name="qlvb",
    begins_at=ManualClock().now(),
    ends_at=ManualClock().now() + timedelta(days=9),
)
END = KeyEnd(agency_code=CODE, key_id="k1", fingerprint="f1", at=ManualClock().now(), by="an")


@dataclass(frozen=True, slots=True)
class Process:
    """One of several that share the database."""

    store: SqlStore
    directory: SqlDirectory
    directory_changes: SqlDirectoryChanges
    clock: ManualClock

    async def answers(self) -> list[object]:
        """Return the answers of every question that is remembered."""
        today, now = self.clock.now().date(), self.clock.now()
        return [
            *[await self.directory.find(code, today) for code in (CODE, OTHER)],
            await self.directory.entry(CODE),
            *[await self.directory.resolve(code, today) for code in (CODE, OTHER, "Sở Một", "000.00.07.Z91")],
            *[await self.directory.bindings(code) for code in (CODE, OTHER)],
            sorted(await self.directory.bound([CODE, OTHER], now)),
            await self.directory.seal_register(CODE, ()),
            await self.directory.former([CODE, OTHER], today),
            await self.directory.taken_over(OTHER, today),
            await self.store.key_ends(CODE),
            await self.store.hosted(),
            await self.store.accounts.find_key(SECRET),
            await self.store.accounts.keys_of_certificate(CERTIFICATE.sha256),
        ]

    async def imports(self, *rows: str) -> None:
        head = "code,alias,name,parent,valid_from,valid_to,successor"
        plan = await self.directory_changes.plan_import("\n".join([head, *rows]).encode())
        await self.directory_changes.apply(plan, "operator")

    async def seal(self, code: str, der: bytes) -> None:
        change = seal_change(code, CertificateKind.SEAL, der)
        async with self.store.writing() as tx:
            await SqlSeals(tx.connection, self.clock, "an").register(change, ("an", "binh"), {})
            await tx.commit()

    async def runs(self, sql: str) -> None:
        async with self.store.writer.begin() as connection:
            await connection.execute(text(sql))


def seal(name: str) -> bytes:
    return root().issue(name, agency=True).certificate.public_bytes(Encoding.DER)


def process(store: SqlStore, clock: ManualClock) -> Process:
    directory = SqlDirectory(store.reader, store.memory, clock)
    return Process(store, directory, SqlDirectoryChanges(store.writer, store.reader, clock), clock)


@pytest.fixture
async def near(store: SqlStore, clock: ManualClock) -> Process:
    """Return a process that knows two codes, a certificate and an ended key."""
    near = process(store, clock)
    await near.imports("Z91,,UBND tỉnh,,,,", f"{CODE},,Sở Một,Z91,,,", f"{OTHER},,Sở Hai,Z91,,,")
    der = pki.der(pki.root().issue(CODE, pki.key("p256", "one")))
    await near.directory_changes.bind(CODE, der, None, None, "an", "binh")
    await near.seal(CODE, seal("one"))
    await store.accounts.add_key(
        secret_hash=SECRET,
        principal=await store.accounts.principal_for(PrincipalKind.PROGRAM, "qlvb"),
        agency_ids=[NORTH.agency_id],
        scopes=[ApiScope.MESSAGES_SEND],
    )
    await near.answers()  # from now on that the key is in use is known
    return near


@pytest.fixture
async def far(near: Process, store_url: str, clock: ManualClock) -> AsyncIterator[Process]:
    async with opened(store_url, clock) as store:
        yield process(store, clock)


async def _fingerprint(process: Process) -> str:
    async with process.store.reading() as tx:
        ((fingerprint,),) = await tx.tuples(text("SELECT fingerprint FROM agency_binding"))
    return str(fingerprint)


async def _end_key(by: Process) -> None:
    async with by.store.writing() as tx:
        await SqlKeyEnds(tx).save(END)
        await tx.commit()


async def _unbind(by: Process) -> None:
    await by.directory_changes.unbind(CODE, await _fingerprint(by))


async def _close(by: Process) -> None:
    await by.store.accounts.leave(NORTH.agency_id)


async def _host(by: Process) -> None:
    await by.store.accounts.add_hosted(WEST)


async def _revoke(by: Process) -> None:
    (key,) = await by.store.accounts.list_keys()
    await by.store.accounts.revoke_key(key.id)


async def _bind_to_key(by: Process) -> None:
    (key,) = await by.store.accounts.list_keys()
    await by.store.accounts.bind_certificate(key.id, KeyAuth.CERTIFICATE, CERTIFICATE)


async def _bind(by: Process) -> None:
    der = pki.der(pki.root().issue(OTHER, pki.key("p256", "two")))
    await by.directory_changes.bind(OTHER, der, None, None, "an", "binh")


CHANGES: dict[str, Callable[[Process], Awaitable[None]]] = {
    "an import that names anew": lambda by: by.imports(f"{CODE},,Sở Một mới,Z91,,,"),
    "an import that gives an alias": lambda by: by.imports(f"{CODE},000.00.07.Z91,Sở Một,Z91,,,"),
    "an import that closes": lambda by: by.imports(f"{CODE},,Sở Một,Z91,,2020-01-01,{OTHER}"),
    "an earlier period": lambda by: by.runs(
        "INSERT INTO agency_period (id, code, until, name, folded, source, scheme, believed_from, change_id)"
        " VALUES ('p', 'Z91.07', '2999-01-01', 'Sở Cũ', 'so cu', 'imported', 'x', '2020-01-01 00:00:00', 'c')"
    ),
    "a certificate": _bind,
    "no certificate any more": _unbind,
    "a row of a certificate put in past the program": lambda by: by.runs(
        "UPDATE agency_binding SET code = 'Z91.08'"
    ),
    "a row of a certificate taken away": lambda by: by.runs("DELETE FROM agency_binding"),
    "an event taken away": lambda by: by.runs("DELETE FROM event WHERE kind = 'binding.approved'"),
    "an event written over": lambda by: by.runs(
        "UPDATE event SET kind = 'binding.untold' WHERE kind = 'binding.approved'"
    ),
    "a seal": lambda by: by.seal(CODE, seal("two")),
    "a row of a seal put in past the program": lambda by: by.runs("UPDATE agency_seal SET code = 'Z91.08'"),
    "an event of a seal taken away": lambda by: by.runs("DELETE FROM event WHERE kind = 'seal.approved'"),
    "an ended key": _end_key,
    "one more hosted agency": _host,
    "an agency that left": _close,
    "a key that was revoked": _revoke,
    "a key whose end was put in past the program": lambda by: by.runs(
        "UPDATE api_key SET expires_at = '2020-01-01 00:00:00'"
    ),
    "a key that a certificate opens from now on": _bind_to_key,
    "a key's way put in past the program": lambda by: by.runs("UPDATE api_key SET way = 'both'"),
    "a key that serves nobody any more": lambda by: by.runs("DELETE FROM api_key_agency"),
    "another name of who has the key": lambda by: by.runs(
        "UPDATE principal SET name = 'x' WHERE name = 'qlvb'"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_an_answer_changes_at_once_here_and_in_another_process(
    near: Process, far: Process, clock: ManualClock, store_url: str, change: str
) -> None:
    old_answers = await near.answers()
    assert await far.answers() == old_answers

    await CHANGES[change](far)

    new_answers = await near.answers()
    assert new_answers != old_answers
    assert await far.answers() == new_answers
    async with opened(store_url, clock) as fresh:
        assert await process(fresh, clock).answers() == new_answers


async def test_a_take_over_taken_away_past_the_program_counts_no_more(near: Process, far: Process) -> None:
    await near.imports(f"{CODE},,Sở Một,Z91,,2020-01-01,{OTHER}")
    assert [*await near.directory.taken_over(OTHER, near.clock.now().date())] == [CODE]

    await far.runs("DELETE FROM registry_takeover")

    assert await near.directory.taken_over(OTHER, near.clock.now().date()) == {}


async def test_a_later_day_and_a_later_moment_are_other_questions(near: Process) -> None:
    await near.imports(f"{CODE},,Sở Một,Z91,,{near.clock.now().date()},{OTHER}")
    fingerprint = await _fingerprint(near)
    await near.directory_changes.unbind(CODE, fingerprint, near.clock.now() + timedelta(hours=1))
    today = near.clock.now().date()
    assert await near.directory.find(CODE, today) is not None
    assert await near.directory.bound([CODE], near.clock.now()) == {CODE}

    assert await near.directory.find(CODE, today + timedelta(days=1)) is None
    assert await near.directory.bound([CODE], near.clock.now() + timedelta(hours=2)) == set()
    assert dict(await near.directory.former([OTHER], today + timedelta(days=1))) == {CODE: OTHER}


async def test_what_was_undone_or_is_changed_by_whoever_was_given_it_changes_no_answer(near: Process) -> None:
    old_answers = await near.answers()

    async with near.store.writing() as tx:
        await tx.connection.execute(text("DELETE FROM agency_binding"))
        assert await near.answers() == old_answers

    assert await near.answers() == old_answers

    (await _listed(near.directory.bindings(CODE))).clear()
    (await _listed(near.store.key_ends(CODE))).clear()

    assert await near.answers() == old_answers


async def _listed(query: Awaitable[Sequence[object]]) -> list[object]:
    rows = await query
    assert isinstance(rows, list)
    return rows


async def _version(store: SqlStore) -> list[tuple[str, str]]:
    async with store.reading() as tx:
        return [tuple(row) for row in await tx.tuples(text("SELECT subject, token FROM memory_version"))]


_REFORM = (
    "INSERT INTO registry_reform (id, kind, effective_on, state, content, lives_before, lives_after, proposed_by,"
    " approved_by, approved_at) VALUES ('{id}', 'k', '2026-01-01', 's', '', '', '', 'a', 'b', '2026-01-01 00:00:00')"
)
WRITES = {
    "agency": "UPDATE agency SET host = 'x' WHERE code = 'Z91'",
    "agency_period": "DELETE FROM agency_period",
    "registry_reform": _REFORM.format(id="later"),
    "registry_reform_code": "INSERT INTO registry_reform_code (reform_id, code, part)"
    " VALUES ('earlier', 'Z91.07', 'ended')",
    "registry_takeover": "INSERT INTO registry_takeover (code, successor, by_id, decision, at)"
    " VALUES ('Z91.07', 'Z91', 'c', '', '2026-01-01 00:00:00')",
    "agency_binding": "UPDATE agency_binding SET valid_to = NULL",
    "agency_seal": "UPDATE agency_seal SET code = 'Z91.08'",
    "agency_sealing_right": "INSERT INTO agency_sealing_right (id, acting_code, code, act_number, act_date, valid_from,"
    " state, proposed_by, approved_by, created_at)"
    " VALUES ('r', 'Z91', 'Z91.07', '1/QD', '2026-01-01', '2026-01-01', 's', 'a', 'b', '2026-01-01 00:00:00')",
    "key_end": "DELETE FROM key_end",
    "agency_profile": "INSERT INTO agency_profile (agency_id, id, key, value, set_by, set_at, from_when)"
    " SELECT id, 'v', 'numbering', 'A', 'a', '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM hosted_agency LIMIT 1",
    "hosted_agency": "UPDATE hosted_agency SET code = 'Z91.99' WHERE code = 'Z91.01'",
    "api_key": "UPDATE api_key SET scopes = '[]'",
    "api_key_agency": "DELETE FROM api_key_agency",
    "principal": "UPDATE principal SET name = 'x' WHERE name = 'qlvb'",
}


@pytest.mark.parametrize("table", WRITES)
async def test_every_table_that_is_remembered_tells_of_its_changes(near: Process, table: str) -> None:
    await near.imports(f"{CODE},,Sở Một mới,Z91,,,")  # keeps what was believed before
    await _end_key(near)
    await near.runs(_REFORM.format(id="earlier"))
    old_version = await _version(near.store)

    await near.runs(WRITES[table])

    changed = set(await _version(near.store)) - set(old_version)
    assert len(changed) == 1


async def test_no_table_tells_of_its_changes_that_is_not_written_above(near: Process) -> None:
    """Events have tests of their own, below."""
    async with near.store.reading() as tx:
        triggers_by_dialect = {
            "sqlite": "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'memory%'",
            "postgresql": "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'memory%'",
        }[tx.connection.dialect.name]
        tables = {table for (table,) in await tx.tuples(text(triggers_by_dialect))}

    assert tables == {*WRITES, "event"}


@pytest.mark.parametrize("kind", BINDING_KINDS)
async def test_each_event_that_tells_of_bindings_is_a_change(near: Process, kind: EventKind) -> None:
    old_version = await _version(near.store)

    async with near.store.writer.begin() as connection:
        log = SqlBindingLog(near.clock)
        await log.tell(connection, kind, CODE, "node", {"code": CODE, "fingerprint": "x"})

    assert await _version(near.store) != old_version


async def test_other_events_numbers_and_the_use_of_keys_are_none(near: Process) -> None:
    """Or nothing would be remembered for longer than a moment."""
    old_version = await _version(near.store)

    async with committing(near.store) as work:
        await work.events.append(EventKind.CODES_IMPORTED, "x", near.clock.now())
    await near.store.number_events()  # where the event has no number yet
    (numbered,) = [
        event
        for event in await near.store.events_after(None, 0, 1000)
        if event.kind is EventKind.CODES_IMPORTED and event.subject_id == "x"
    ]
    assert numbered.node_seq
    near.clock.advance(timedelta(minutes=2))
    assert await near.store.accounts.find_key(SECRET) is not None  # and that it is in use is written down
    await near.store.accounts.principal_for(PrincipalKind.PROGRAM, "qlvb")

    assert await _version(near.store) == old_version


async def test_an_answer_is_never_older_than_the_last_change_that_was_confirmed(
    near: Process, far: Process
) -> None:
    """Two processes change and ask, whichever is next."""
    confirmed, changes = 0, 40
    readings: list[tuple[int, int]] = []

    async def change() -> None:
        nonlocal confirmed
        for n in range(1, changes + 1):
            by = (near, far)[n % 2]
            (north,) = [agency for agency in await by.store.hosted() if agency.id == NORTH.agency_id]
            await save_hosted(by.store.accounts, replace(north, name=str(n)))
            confirmed = n

    async def ask(process: Process) -> None:
        while confirmed < changes:
            least = confirmed
            names = [agency.name for agency in await process.store.hosted() if agency.id == NORTH.agency_id]
            readings.append((least, int(names[0]) if names[0].isdigit() else 0))
            await asyncio.sleep(0)

    await asyncio.gather(change(), *(ask(process) for process in (near, far, near)))

    assert len({least for least, _ in readings}) > 2
    assert [reading for reading in readings if reading[1] < reading[0]] == []


async def test_the_second_time_a_question_costs_one_statement_at_most(
    near: Process, store_url: str, clock: ManualClock
) -> None:
    """On SQLite those of one turn of the event loop share it."""
    statements: list[str] = []

    def trace(connection: Any, *_: object) -> None:  # Any: a connection of either driver
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(statements.append)
        if isinstance(connection, DirectConnection):
            connection.driver_connection.add_query_logger(lambda logged: statements.append(logged.query))

    def note(*args: Any) -> None:
        statements.append(args[2])

    event.listen(Pool, "connect", trace)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        async with opened(store_url, clock) as store:
            fresh = process(store, clock)
            first = await fresh.answers()
            statements.clear()
            assert await fresh.answers() == first
            assert len(statements) == (1 if store_url.startswith("sqlite") else len(first))
            version_query = "data_version" if store_url.startswith("sqlite") else "memory_version"
            assert all(version_query in statement for statement in statements)
    finally:
        event.remove(Pool, "connect", trace)
        event.remove(Engine, "before_cursor_execute", note)


async def _read(connection: AsyncConnection) -> object:
    return (await connection.execute(text("SELECT 1"))).scalar_one()


async def test_no_more_is_kept_than_fits_and_no_long_question(
    near: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memories, "MOST", 2)
    memory, read = near.store.memory, list[str]()

    async def ask(key: str) -> None:
        async def reading(connection: AsyncConnection) -> object:
            read.append(key[:1])
            return await _read(connection)

        assert await memory.ask((key,), reading) == 1

    for name in ("a", "b", "a", "c", "a", "b", "x" * 1001, "x" * 1001):
        await ask(name)

    assert read == ["a", "b", "c", "b", "x", "x"]


async def test_who_asks_at_the_same_time_reads_once_and_shares_the_looks_of_a_server(
    near: Process, store_url: str
) -> None:
    statements: list[str] = []

    def note(*args: Any) -> None:
        statements.append(args[2])

    def note_query(logged: Any) -> None:  # Any: the driver has no public types
        statements.append(logged.query)

    def trace(connection: Any, *_: object) -> None:  # Any: a connection of either driver
        if isinstance(connection, DirectConnection):
            connection.driver_connection.add_query_logger(note_query)

    event.listen(near.store.reader.sync_engine, "before_cursor_execute", note)
    event.listen(near.store.reader.sync_engine, "checkout", trace)
    await near.store.memory.close()
    await near.store.hosted()
    statements.clear()

    answers = await asyncio.gather(*(near.store.hosted() for _ in range(50)))

    assert len(statements) in ((1, 2) if store_url.startswith("postgresql") else (0,))
    assert len({id(agencies) for agencies in answers}) == 1


async def test_a_step_looks_once_and_hears_of_what_changed_before_it(
    near: Process, far: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that is over in a moment; in one that takes longer a later look says more."""
    await near.answers()
    looks, is_server = 0, near.store.reader.dialect.name == "postgresql"
    look = drivers.first_column

    async def counted(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        return await look(*args)

    monkeypatch.setattr(drivers, "first_column", counted)
    monkeypatch.setattr(memories, "MOMENT_S", 3_600.0)
    await _host(far)
    with near.store.memory.moment():
        assert WEST.id in {agency.id for agency in await near.store.hosted()}
        looks_before = looks
        for _ in range(3):
            await near.answers()
            await asyncio.gather(*(near.store.hosted() for _ in range(5)))
        assert (looks_before, looks) == ((1, 1) if is_server else (0, 0))
        await far.store.accounts.leave(WEST.id)
        monkeypatch.setattr(memories, "MOMENT_S", 0.0)
        assert WEST.id not in {agency.id for agency in await near.store.hosted()}
    await near.store.hosted()
    assert looks == (3 if is_server else 0)


async def test_a_database_that_does_not_answer_is_a_failure_and_no_old_answer(near: Process) -> None:
    await near.answers()
    await near.runs("DROP TABLE memory_version")

    with pytest.raises(errors.StoreFailure):
        await near.store.hosted()


async def test_a_memory_that_is_closed_is_opened_again_by_the_next_question(near: Process) -> None:
    agencies = await near.store.hosted()

    await near.store.memory.close()

    assert await near.store.hosted() == agencies
    assert isinstance(near.store.memory, Memory)
