"""The doctor: a healthy node is green throughout, and each thing that can break is found, named and cured."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap import core
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.diagnosis import Diagnosis, worst
from gateway.domain.document import Lane
from gateway.domain.event import EventKind
from gateway.domain.pace import Beat, Metric
from gateway.domain.sealed_log import LogHead
from gateway.domain.wall_clock import moment_text
from gateway.errors import TransportFailure
from gateway.ops import backup, checks
from gateway.ops.checks_of_parts import log_findings
from gateway.ops.subject import Subject
from gateway.policy import upkeep
from gateway.pool import ThreadPool
from gateway.ports.axis import AxisState
from gateway.settings import load
from gateway.settings.options import Database, Secret, Settings, WorkerSettings
from gateway.stopwatch import Stopwatch
from gateway.store import migrate, restored
from gateway.store.store import SqlStore
from gateway.transport.embedded import EmbeddedAxis
from gateway.trust.keys import KeyDirectory
from gateway.words import labels
from gateway.workers.heartbeat import Pulse
from gateway_labs.authority import Authority
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.parcels import parcel
from tests.support.stores import inbox_item, migrated
from tests.support.waiting import wait_until

AGENCY = HostedAgency(id="agy_trial", code="Z91.02", name="Trial")
SCOPE = AgencyScope(agency_id=AGENCY.id, principal_id="prn_trial")
PASSWORD = b"invented"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A healthy node, ready to be harmed."""

    subject: Subject
    authority: Authority
    clock: ManualClock

    @property
    def settings(self) -> Settings:
        return self.subject.settings

    @property
    def data(self) -> Path:
        return self.settings.node.data_dir

    @property
    def database(self) -> Path:
        return self.data / "gateway.db"

    @property
    def keys(self) -> Path:
        return self.settings.keys.folder

    @property
    def anchors(self) -> Path:
        return self.settings.trust.folder / "ca.pem"

    @property
    def lists(self) -> Path:
        return self.settings.trust.folder / "crl"

    def with_settings(self, **sections: Any) -> Ward:
        return replace(self, subject=replace(self.subject, settings=replace(self.settings, **sections)))

    def examine(self) -> list[Diagnosis]:
        return asyncio.run(checks.examine(self.subject))

    def find(self, check: str) -> list[Diagnosis]:
        return [fault for fault in self.examine() if fault.check == check]

    def advance(self, **span: float) -> None:
        self.clock.advance(timedelta(**span))


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("blank"))


@contextmanager
def ward_in(folder: Path, blank: Path) -> Iterator[Ward]:
    clock, pool = ManualClock(datetime.now(UTC)), ThreadPool(1)
    folders = {name: folder / name for name in ("data", "axis", "keys", "trust")}
    for path in folders.values():
        path.mkdir(mode=0o700, parents=True)
    database = Path(shutil.copy(blank, folders["data"] / "gateway.db"))
    variables = {
        "NODE_NAME": "trial",
        "NODE_DATA_DIR": folders["data"],
        "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "AXIS_FOLDER": folders["axis"],
        "KEYS_FOLDER": folders["keys"],
        "KEYS_PASSWORD": PASSWORD.decode(),
        "TRUST_FOLDER": folders["trust"],
        "LIMITS_DISK_FREE_MB": 0,
    }
    settings = load(None, {f"GATEWAY_{name}": str(value) for name, value in variables.items()})
    subject = Subject(settings=settings, clock=clock, pool=pool)
    authority = Authority.create("Trial", clock.now())
    asyncio.run(furnished(subject, authority))
    yield Ward(subject=subject, authority=authority, clock=clock)
    pool.close()


@pytest.fixture
def ward(tmp_path: Path, blank: Path) -> Iterator[Ward]:
    with ward_in(tmp_path, blank) as new_ward:
        yield new_ward


@asynccontextmanager
async def store_of(subject: Subject) -> AsyncIterator[SqlStore]:
    store = SqlStore(subject.settings.database.url, subject.clock)
    try:
        yield store
    finally:
        await store.close()


async def furnished(subject: Subject, authority: Authority) -> None:
    """Add anchors, a revocation list, a hosted agency with a certified key, and an axis that was opened once."""
    now, settings = subject.clock.now(), subject.settings
    keys = KeyDirectory(settings.keys.folder, PASSWORD)
    entry = keys.generate(AGENCY.code)
    certificate = authority.issue_for_request(keys.request(AGENCY.code, entry.key_id, AGENCY.name), now)
    keys.import_certificate(AGENCY.code, certificate.public_bytes(Encoding.PEM))
    trust = settings.trust.folder
    (trust / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (trust / "crl").mkdir()
    (trust / "crl" / "root.pem").write_bytes(authority.revocation_list((), now))
    async with store_of(subject) as store:
        await store.accounts.add_hosted(AGENCY)
    axis = EmbeddedAxis(settings.axis.folder, "trial", subject.clock, subject.pool)
    await axis.host([AGENCY.code])
    await axis.close()
    await Pulse(folder=subject.heartbeat, clock=subject.clock, pool=subject.pool).beat()


def test_a_healthy_node_is_green_throughout(ward: Ward) -> None:
    ward.database.chmod(0o600)

    findings = ward.examine()

    assert "database.file" not in {finding.check for finding in findings}
    gravest = worst(findings)
    assert gravest is not None
    assert (gravest.level, gravest.cause) == ("yellow", "scanner.off")
    assert {finding.level for finding in findings if finding.check != "scanner"} == {"green"}
    assert {finding.check for finding in findings} >= {
        *("folder.data", "folder.axis", "folder.keys", "disk", "clock", "trust", "revocation"),
        *("database", "leases", "keys", "queues", "axis"),
    }


def test_examining_changes_nothing(ward: Ward) -> None:
    shutil.rmtree(ward.settings.axis.folder)
    ward.settings.axis.folder.mkdir()

    def snapshot() -> set[Path]:
        every = ward.data.parent.rglob("*")
        return {path for path in every if not path.name.endswith(("-wal", "-shm"))}

    earlier = snapshot()

    ward.examine()

    assert snapshot() == earlier


def on_server(ward: Ward, url: str) -> Subject:
    return replace(ward.subject, settings=replace(ward.settings, database=Database(url=url)))


async def test_a_clock_far_from_the_database_servers_is_red_and_a_near_one_is_not(
    ward: Ward, migrated_postgres_url: str
) -> None:
    """Near is a third of a lease."""
    clock = ManualClock(datetime.now(UTC) + timedelta(seconds=61))
    far_off = replace(on_server(ward, migrated_postgres_url), clock=clock)
    patient = replace(far_off, settings=replace(far_off.settings, workers=WorkerSettings(lease_s=600)))

    far = [finding for finding in await checks.examine(far_off) if finding.cause == "clock.apart"]
    near = await checks.examine(patient)

    assert [(finding.check, finding.level, finding.cure) for finding in far] == [
        ("clock", "red", "timedatectl set-ntp true")
    ]
    assert far[0].params["most"] == 20
    assert not [finding for finding in near if finding.cause == "clock.apart"]


async def test_a_database_that_takes_nothing_is_red_though_it_answers(
    ward: Ward, migrated_postgres_url: str
) -> None:
    """A server does so after it became a standby."""
    patient = on_server(ward, migrated_postgres_url)
    writing = [finding for finding in await checks.examine(patient) if finding.cause == "database.read-only"]
    admin = await asyncpg.connect(migrated_postgres_url)
    name = migrated_postgres_url.rpartition("/")[2]
    await admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await admin.close()

    (x,) = [finding for finding in await checks.examine(patient) if finding.cause == "database.read-only"]

    assert writing == []
    assert (x.check, x.level) == ("database", "red")


async def test_a_table_that_another_session_keeps_is_named_with_it(
    ward: Ward, migrated_postgres_url: str
) -> None:
    patient = on_server(ward, migrated_postgres_url)
    patient = replace(
        patient,
        settings=replace(patient.settings, database=Database(url=migrated_postgres_url, lock_timeout_s=1)),
    )
    admin = await asyncpg.connect(migrated_postgres_url, server_settings={"application_name": "cleaning"})
    async with admin.transaction():
        # A transaction of some seconds, as `VACUUM FULL` takes.
        await admin.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        pid = await admin.fetchval("SELECT pg_backend_pid()")
        other = await asyncpg.connect(migrated_postgres_url)
        rows = await wait_until(partial(until_old, other, pid), "a transaction that is old")
        findings = [f for f in await checks.examine(patient) if f.check == "database.lock"]
        await other.close()
    await admin.close()

    assert rows
    (finding,) = findings
    assert (finding.level, finding.params["pid"], finding.params["program"]) == ("red", pid, "cleaning")
    assert finding.cure == f'psql -c "SELECT pg_terminate_backend({pid})"'
    assert not [f for f in await checks.examine(patient) if f.check == "database.lock"]


async def until_old(connection: asyncpg.Connection, pid: int) -> list[object]:
    """Return the session once its transaction is older than that of any statement of ours."""
    rows: list[object] = await connection.fetch(
        "SELECT pid, pg_sleep(1) FROM pg_stat_activity WHERE pid = $1 AND xact_start < now() - interval '5 s'",
        pid,
    )
    return rows


async def test_a_database_that_is_down_is_cured_at_the_server(ward: Ward) -> None:
    unreachable_subject = on_server(ward, "postgresql://nobody@127.0.0.1:1/none")

    (finding,) = [f for f in await checks.examine(unreachable_subject) if f.check == "database"]

    assert finding.level == "red"
    assert "config show" not in (finding.mends("en") or "")
    assert "pg_isready" in (finding.mends("en") or "")


def test_a_log_without_a_timestamp_is_red_from_when_nothing_is_taken_in(cases: Cases) -> None:
    now = datetime.now(UTC)
    head = LogHead(unstamped_since=now - timedelta(hours=2))

    def check(row: tuple[int, list[str]]) -> None:
        hours, expected = row
        findings = log_findings(head, now, stamped=True, closes_after=timedelta(hours=hours))
        assert [finding.cause for finding in findings if finding.level == "red"] == expected

    cases.check_rows(((0, []), (1, ["log.closed"]), (3, [])), check)


def test_each_missing_folder_is_red_with_the_command_that_makes_it(ward: Ward) -> None:
    lost_folder, settings = ward.data.parent / "gone", ward.settings
    moved = ward.with_settings(
        node=replace(settings.node, data_dir=lost_folder),
        axis=replace(settings.axis, folder=lost_folder),
        keys=replace(settings.keys, folder=lost_folder),
    )

    findings = [finding for finding in moved.examine() if finding.cause == "folder.missing"]

    assert [finding.check for finding in findings] == ["folder.data", "folder.axis", "folder.keys"]
    assert {(finding.level, finding.cure) for finding in findings} == {("red", f"mkdir -p {lost_folder}")}


def test_each_place_is_judged_by_the_disk_that_it_is_mounted_on(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, cases: Cases
) -> None:
    """The disk is what cannot be filled in a test; the other one is where the other folders are not."""
    device = os.stat(ward.data).st_dev
    elsewhere = next(x for x in ("/dev/shm", "/var/tmp") if os.stat(x).st_dev != device)  # noqa: S108 - only looked at
    statvfs, mb, places = os.statvfs, 1024**2, core.places
    rows = [("backups", 10_000, "green"), ("backups", 1_000, "yellow"), ("backups", 5, "red")]
    rows += [("content", 5, "red"), ("axis", 5, "red"), ("keys", 1_000, "green"), ("keys", 5, "red")]
    with TemporaryDirectory(dir=elsewhere) as memory:

        def judged(row: tuple[str, int, str]) -> None:
            place, free, level = row

            def small(path: Path) -> os.statvfs_result:
                disk = list(statvfs(path))
                size = free if Path(path).is_relative_to(memory) else 10_000
                disk[1], disk[4] = mb, size
                return os.statvfs_result(disk)

            monkeypatch.setattr(os, "statvfs", small)
            mounted = {**places(ward.settings), place: Path(memory) / "not made yet"}
            monkeypatch.setattr(core, "places", lambda settings: mounted)
            checks_by_place = {check.params["places"]: check for check in ward.find("disk")}
            assert (len(checks_by_place), checks_by_place[place].level) == (2, level)
            assert {check.level for name, check in checks_by_place.items() if name != place} == {"green"}
            assert checks_by_place[place].cure is not None or level == "green"

        cases.check_rows(rows, judged)


def test_a_clock_that_was_ahead_and_was_set_back_is_told_with_what_it_left(ward: Ward) -> None:
    """Also on the axis: a parcel that is leased until a day that never was."""
    ward.advance(days=400)
    asyncio.run(landed(ward, state="landed", claimed=True))
    asyncio.run(happened(ward))
    ahead = ward.clock.now().isoformat(timespec="seconds")
    ward.advance(days=-400)

    (jump,) = [finding for finding in ward.find("clock") if finding.level != "green"]

    assert (jump.level, jump.cause, jump.cure) == ("yellow", "clock.moved", "timedatectl set-ntp true")
    assert jump.params == {"count": 1, "tables": "inbox", "written": ahead}

    ward.advance(days=400)
    asyncio.run(taken_from_the_axis(ward))
    ward.advance(days=-400)
    moved = [finding.params for finding in ward.find("clock") if finding.cause == "clock.moved"]
    assert {(finding["count"], finding["tables"]) for finding in moved} == {(1, "inbox"), (1, "axis")}


async def happened(ward: Ward) -> None:
    async with store_of(ward.subject) as store, store.changing(SCOPE) as work:
        await work.events.append(EventKind.INBOX_HELD, "inx_1", ward.clock.now(), {})


async def taken_from_the_axis(ward: Ward) -> None:
    axis = EmbeddedAxis(ward.settings.axis.folder, "trial", ward.clock, ward.subject.pool)
    await axis.publish(parcel(), [AGENCY.code])
    assert len(await axis.take(1, 60)) == 1
    axis._held.clear()  # as a process that is killed: it gives nothing back
    await axis.close()


def never_started(ward: Ward) -> None:
    shutil.rmtree(ward.subject.heartbeat)


def without_schema(ward: Ward) -> None:
    ward.database.unlink()
    sqlite3.connect(ward.database).close()


def of_a_newer_program(steps: int) -> Callable[[Ward], None]:
    def make_newer(ward: Ward) -> None:
        newer = f"{int(migrate.steps()[-1].revision) + steps:04}"
        with closing(sqlite3.connect(ward.database)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (newer,))

    return make_newer


def half_a_database(ward: Ward) -> None:
    content = ward.database.read_bytes()
    ward.database.write_bytes(content[: len(content) // 2])


def without_certificate(ward: Ward) -> None:
    shutil.rmtree(ward.keys / AGENCY.code)
    KeyDirectory(ward.keys, PASSWORD).generate(AGENCY.code)


def without_agencies(ward: Ward) -> None:
    migrated(ward.data.parent).rename(ward.database)


def with_pdf_sources(text: str, *, waits: bool = False) -> Callable[[Ward], None]:
    def harm(ward: Ward) -> None:
        file = ward.settings.trust.folder / "pdf" / "revocation.toml"
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
        if waits:
            asyncio.run(a_document_waits(ward))
            ward.advance(hours=25)

    return harm


async def a_document_waits(ward: Ward) -> None:
    store = SqlStore(f"sqlite:///{ward.database}", ward.clock)
    try:
        async with store.changing(AgencyScope(agency_id=AGENCY.id, principal_id="node")) as work:
            await work.jobs.add("signatures", "inb_1")
    finally:
        await store.close()


def quarantined(ward: Ward) -> None:
    asyncio.run(landed(ward, state="quarantined"))


def partner_full(ward: Ward) -> None:
    asyncio.run(landed(ward, state="held", sender_code="Z91.07", size=450 * 1024**2))


def wrong_password(ward: Ward) -> Ward:
    return ward.with_settings(keys=replace(ward.settings.keys, password=Secret("wrong")))


def backed_up(new_bytes: int) -> Callable[[Ward], object]:
    def note(ward: Ward) -> None:
        copies = ward.data / "backups"
        copies.mkdir()
        backup.note(ward.data, copies / "north.snapshot", ward.clock.now(), new_bytes=new_bytes)

    return note


def drilled(*, days_ago: int, sampled: bool) -> Callable[[Ward], object]:
    def note(ward: Ward) -> None:
        now = ward.clock.now()
        backup.note(ward.data, ward.data / "north.snapshot", now, verified_at=now - timedelta(days=days_ago))
        if sampled:
            backup.note_success(ward.data, "sampled_at", now - timedelta(days=2))

    return note


def failed(task: str, success: str) -> Callable[[Ward], object]:
    def note(ward: Ward) -> None:
        backup.note_success(ward.data, success, ward.clock.now() - timedelta(days=1))
        backup.note_failure(ward.data, ward.clock.now(), task, "a piece is missing")

    return note


# The harm; the check that finds it, how bad, its cause and its cure, where there are any.
DRILL = "gateway restore --drill"
NEW_KEY, CERTIFY = "gateway keys new --agency Z91.02", "gateway keys import CERTIFICATE --agency Z91.02"
# The harm; the check that finds it, how bad and by its cause; and the beginning of the cure, where there is one.
HARMS: dict[str, tuple[Callable[[Ward], object], str, str, str | None]] = {
    "open keys": (lambda ward: ward.keys.chmod(0o755), "folder.keys", "red folder.open", None),
    "open database": (lambda ward: ward.database.chmod(0o644), "database.file", "yellow", "chmod 600 "),
    "backups beside the content": (backed_up(1), "backup", "yellow backup.beside", "findmnt -T "),
    "no room for a backup": (backed_up(1 << 60), "backup", "red backup.room", None),
    "no drill": (drilled(days_ago=15, sampled=False), "backup", "yellow backup.undrilled", DRILL),
    "no drill beside samples": (
        drilled(days_ago=41, sampled=True),
        "backup",
        "yellow backup.undrilled",
        DRILL,
    ),
    "a failed sample": (
        failed("sample", "sampled_at"),
        "backup",
        "red backup.sample_failed",
        f"{DRILL} --sample",
    ),
    "a failed copy": (failed("copy", "copied_at"), "backup", "red backup.copy_failed", "gateway backup"),
    "behind": (lambda ward: ward.advance(hours=-1), "clock", "red clock.behind", None),
    "no anchors": (lambda ward: ward.anchors.unlink(), "trust", "red trust.missing", None),
    "odd anchors": (lambda ward: ward.anchors.write_text("no certificate"), "trust", "red failed", None),
    "old anchors": (lambda ward: ward.advance(days=3640), "trust", "yellow trust.expiring", None),
    "past anchors": (lambda ward: ward.advance(days=3670), "trust", "red trust.expiring", None),
    "old list (K4)": (lambda ward: ward.advance(days=400), "revocation", "red revocation.late", None),
    "no list": (lambda ward: shutil.rmtree(ward.lists), "revocation", "yellow revocation.none", None),
    "no schema": (without_schema, "database", "red", "gateway migrate up"),
    "one step newer": (of_a_newer_program(1), "database", "yellow database.newer", None),
    "two steps newer": (of_a_newer_program(2), "database", "red database.newer", "./upgrade.sh"),
    "half a database": (half_a_database, "database", "red", ""),
    "hosts nobody": (without_agencies, "agencies", "red agencies.none", None),
    "no key": (lambda ward: shutil.rmtree(ward.keys / AGENCY.code), "keys", "red keys.none", NEW_KEY),
    "no certificate": (without_certificate, "keys", "red", CERTIFY),
    "wrong password": (wrong_password, "keys", "red keys.none", None),
    "old certificate": (lambda ward: ward.advance(days=680), "keys", "yellow keys.expiring", None),
    "past certificate": (lambda ward: ward.advance(days=720), "keys", "red keys.expiring", None),
    "no worker": (lambda ward: ward.advance(seconds=45), "workers", "red workers.none", "gateway serve"),
    "a worker of the future": (lambda ward: ward.advance(days=-2), "workers", "red workers.none", None),
    "never started": (never_started, "workers", "yellow workers.never", "gateway serve"),
    "odd PDF sources": (with_pdf_sources("hosts = 1"), "pdf-revocation", "red failed", None),
    "PDF sources": (with_pdf_sources("hosts = []"), "pdf-revocation", "green", None),
    "silent PDF sources": (
        with_pdf_sources("hosts = []", waits=True),
        "pdf-revocation",
        "yellow pdf_revocation.waiting",
        None,
    ),
    "quarantine": (quarantined, "quarantine", "yellow", "gateway inbox list --quarantine"),
    "a partner has little room": (
        partner_full,
        "partners",
        "yellow queues.partner",
        "gateway inbox list --state new --agency Z91.02",
    ),
}


def test_each_harm_is_found_and_named_and_has_its_cure(tmp_path: Path, blank: Path, cases: Cases) -> None:
    for name, (harm, check, finding, cure) in HARMS.items():
        with cases.case(name), ward_in(tmp_path / name, blank) as ward:
            ward.database.chmod(0o600)
            harmed = harm(ward)
            findings = (harmed if isinstance(harmed, Ward) else ward).find(check)
            cures = {f"{item.level} {item.cause}": item.cure or "nothing" for item in findings}
            text = next((text for text in cures if text.startswith(finding)), None)
            assert text is not None, cures
            assert cure is None or cures[text].startswith(cure)


def test_a_missing_database_is_red_and_the_rest_is_still_examined(ward: Ward) -> None:
    ward.database.unlink()

    findings = ward.examine()

    assert [(finding.level, finding.cause) for finding in findings if finding.check == "database"] == [
        ("red", "database.missing")
    ]
    assert "axis" in {finding.check for finding in findings}
    assert not ward.database.exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledAxis:
    """An axis for the doctor: one that does not answer, or that accepts nothing for now."""

    trouble: AxisState

    def state(self) -> AxisState:
        return self.trouble

    async def counts(self) -> Mapping[str, int]:
        if self.trouble.down_since is not None:
            raise TransportFailure("nobody answers")
        return {}


@pytest.mark.parametrize("trouble", ["down", "blocked"])
def test_an_axis_that_is_away_or_blocked_is_red_and_names_its_cure(ward: Ward, trouble: str) -> None:
    since = datetime(2026, 11, 20, tzinfo=UTC)
    state = AxisState(down_since=since) if trouble == "down" else AxisState(blocked_since=since)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        yield TroubledAxis(trouble=state)

    on_broker = ward.with_settings(axis=replace(ward.settings.axis, kind="amqp"))
    subject = replace(on_broker.subject, open_axis=lambda settings: opened())
    (axis_finding,) = [finding for finding in asyncio.run(checks.examine(subject)) if finding.check == "axis"]

    assert (axis_finding.level, axis_finding.cause) == ("red", f"axis.{trouble}")
    assert axis_finding.cure


def test_work_that_nobody_took_up_again_is_yellow(ward: Ward) -> None:
    asyncio.run(landed(ward, state="landed", claimed=True))
    ward.clock.advance(timedelta(minutes=30))

    findings = ward.find("leases")

    assert [(finding.level, finding.params["count"], finding.params["tables"]) for finding in findings] == [
        ("yellow", 1, "inbox")
    ]


async def landed(ward: Ward, *, state: str, claimed: bool = False, **fields: Any) -> None:
    async with store_of(ward.subject) as store:
        async with store.changing(SCOPE) as work:
            item = await work.inbox.land(inbox_item(ward.clock, scope=SCOPE, **fields))
            if state != "landed":
                await work.inbox.settle(replace(item, state=state), None)
        if claimed:
            assert len(await store.claim_inbox(10, 60)) == 1


def test_a_restore_that_nobody_confirmed_is_named_with_its_cure(ward: Ward) -> None:
    copied_at = ward.clock.now()
    asyncio.run(marked_as_restored(ward.subject, copied_at.isoformat()))

    (fault,) = ward.find("restored")

    assert (fault.level, fault.cure) == ("red", "gateway restored")
    assert moment_text(copied_at) in fault.says("en")


async def marked_as_restored(subject: Subject, copied_at: str) -> None:
    event_data = {"copied_at": copied_at, "node": "trial"}
    async with (
        store_of(subject) as store,
        store.changing(AgencyScope(agency_id="", principal_id="operator")) as work,
    ):
        await work.events.append(EventKind.NODE_RESTORED, restored.SUBJECT, subject.clock.now(), event_data)


def test_every_finding_has_words_in_both_languages(ward: Ward) -> None:
    shutil.rmtree(ward.lists)
    ward.keys.chmod(0o755)
    ward.clock.advance(timedelta(days=690))

    for finding in ward.examine():
        for lang in labels.LANGUAGES:
            assert finding.says(lang)


def test_a_job_that_no_longer_reports_is_named_and_a_node_that_never_worked_is_not(ward: Ward) -> None:
    earlier = ward.find("jobs")
    asyncio.run(beat(ward, Beat(job="landing", at=ward.clock.now()), Beat(job="backup", at=ward.clock.now())))
    well = ward.find("jobs")
    ward.clock.advance(timedelta(hours=1))
    late = ward.find("jobs")
    ward.clock.advance(timedelta(hours=26))
    both = ward.find("jobs")

    assert earlier == []
    assert [(finding.level, finding.cause) for finding in well] == [("green", "jobs.fine")]
    ((params, cure),) = [(finding.params["jobs"], finding.cure) for finding in late]
    assert cure == "gateway serve"
    assert isinstance(params, tuple)
    assert "landing" in params
    assert "backup" not in params
    assert [finding.cure for finding in both] == [
        "gateway serve",
        "gateway backup --passphrase-file passphrase.txt",
    ]
    assert labels.jobs(("landing", "backup")) == "Lấy gói tin từ trục, Sao lưu"


def test_a_job_whose_last_run_failed_is_named(ward: Ward) -> None:
    now = ward.clock.now()
    beats = [Beat(job=job, at=now) for job in upkeep.JOBS if job not in upkeep.OPTIONAL]
    failed = Beat(job="digest", at=now, failed_at=now + timedelta(seconds=1), code="GW-T-101")

    asyncio.run(beat(ward, *beats, failed))

    ((fault,),) = [ward.find("jobs")]
    assert (fault.level, fault.cause, fault.params["jobs"]) == ("yellow", "jobs.faulty", ("digest",))


async def beat(ward: Ward, *beats: Beat) -> None:
    async with store_of(ward.subject) as store:
        await store.history.record(beats, [], ward.clock.now())


def measured(ward: Ward, metric: Metric, *took_s: float) -> None:
    """Measure as a process of the node does."""
    stopwatch = Stopwatch("embedded", ward.clock)
    for seconds in took_s:
        stopwatch.record(metric, Lane.URGENT, ward.clock.now() - timedelta(seconds=seconds))
    subject = ward.subject
    pulse = Pulse(folder=subject.heartbeat, clock=ward.clock, pool=subject.pool, slots=stopwatch.slots)
    asyncio.run(pulse.beat())


@pytest.mark.parametrize("metric", [Metric.ACCEPT, Metric.ARRIVAL_TO_ADMITTED])
def test_the_regulations_five_seconds_are_yellow_once_they_are_broken(ward: Ward, metric: Metric) -> None:
    measured(ward, metric, *[5.0] * 19)
    (verdict,) = ward.find("pace")
    measured(ward, metric, *[5.0] * 18, 5.1)
    (broken,) = ward.find("pace")

    assert (verdict.level, verdict.params) == ("green", {"late": 0, "count": 19})
    assert (broken.level, broken.cure) == ("yellow", "gateway status")
    assert broken.says("en").endswith(
        "(Urgent): in the last hour 1 of 19 took longer than the 5 s of the regulation"
    )
    assert "Khẩn" in broken.says("vi")


def test_no_finding_about_the_pace_without_a_measurement_or_where_other_nodes_cause_it(ward: Ward) -> None:
    assert ward.find("pace") == []

    measured(ward, Metric.ACCEPT_TO_01, 60.0)

    assert ward.find("pace") == []
