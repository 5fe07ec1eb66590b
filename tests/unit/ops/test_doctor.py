"""The doctor: a healthy node is green throughout, and each thing that can break is found, named and cured."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import Lane
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.domain.pace import Beat, Way
from gateway.errors import TransportFailure
from gateway.office.store.store import SqlOfficeStore
from gateway.ops import doctor
from gateway.ops.doctor import Diagnosis, Patient
from gateway.policy import upkeep
from gateway.pool import ThreadPool
from gateway.ports import AxisState, InboxPacket
from gateway.stopwatch import Stopwatch
from gateway.store import restored
from gateway.transport.embedded import EmbeddedAxis
from gateway.trust.authority import Authority
from gateway.trust.keys import KeyDirectory
from gateway.words import labels
from gateway.workers.pulse import HEARTBEAT, Pulse
from tests.support.clock import ManualClock
from tests.support.parcels import parcel
from tests.support.stores import migrated

AGENCY = HostedAgency(id="agy_trial", code="Z91.02", name="Trial")
PASSWORD = b"invented"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A healthy node, ready to be harmed."""

    patient: Patient
    authority: Authority
    clock: ManualClock

    def examine(self) -> list[Diagnosis]:
        return asyncio.run(doctor.examine(self.patient))

    def found(self, check: str) -> list[Diagnosis]:
        return [each for each in self.examine() if each.check == check]


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("blank"))


@pytest.fixture
def ward(tmp_path: Path, blank: Path) -> Iterator[Ward]:
    clock = ManualClock(datetime.now(UTC))
    pool = ThreadPool(1)
    folders = {name: tmp_path / name for name in ("data", "axis", "keys", "trust")}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    database = Path(shutil.copy(blank, folders["data"] / "gateway.db"))
    patient = Patient(
        node="trial",
        database_url=f"sqlite+aiosqlite:///{database}",
        database_file=database,
        data_dir=folders["data"],
        axis_folder=folders["axis"],
        keys_folder=folders["keys"],
        keys_password=PASSWORD,
        trust_folder=folders["trust"],
        clock=clock,
        pool=pool,
        lease_s=60.0,
    )
    authority = Authority.create("Trial", clock.now())
    asyncio.run(furnished(patient, authority))
    yield Ward(patient=patient, authority=authority, clock=clock)
    pool.close()


async def furnished(patient: Patient, authority: Authority) -> None:
    """Anchors, a revocation list, a hosted agency with a certified key, and an axis that was opened once."""
    now = patient.clock.now()
    keys = KeyDirectory(patient.keys_folder, PASSWORD)
    entry = keys.generate(AGENCY.code)
    certificate = authority.issue_for_request(keys.request(AGENCY.code, entry.key_id, AGENCY.name), now)
    keys.import_certificate(AGENCY.code, certificate.public_bytes(Encoding.PEM))
    (patient.trust_folder / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (patient.trust_folder / "crl").mkdir()
    (patient.trust_folder / "crl" / "root.pem").write_bytes(authority.revocation_list((), now))
    store = SqlOfficeStore(patient.database_url, patient.clock)
    await store.accounts.add_hosted(AGENCY)
    await store.close()
    axis = EmbeddedAxis(patient.axis_folder, patient.node, patient.clock, patient.pool)
    await axis.host([AGENCY.code])
    await axis.close()


def test_a_healthy_node_is_green_throughout(ward: Ward) -> None:
    findings = ward.examine()

    assert {each.level for each in findings} == {"green"}
    assert doctor.worst(findings) == "green"
    assert {each.check for each in findings} >= {
        *("folder.data", "folder.axis", "folder.keys", "disk", "clock", "trust", "revocation"),
        *("database", "leases", "keys", "queues", "axis"),
    }


def test_examining_changes_nothing(ward: Ward) -> None:
    shutil.rmtree(ward.patient.axis_folder)
    ward.patient.axis_folder.mkdir()
    before = sorted(ward.patient.data_dir.parent.rglob("*"))

    ward.examine()

    after = [
        each for each in ward.patient.data_dir.parent.rglob("*") if not each.name.endswith(("-wal", "-shm"))
    ]
    assert sorted(after) == [each for each in before if not each.name.endswith(("-wal", "-shm"))]


async def test_a_clock_far_from_the_database_servers_is_red_and_a_near_one_is_not(
    ward: Ward, migrated_postgres_url: str
) -> None:
    """Near is a third of a lease."""
    clock = ManualClock(datetime.now(UTC) + timedelta(seconds=61))
    patient = replace(ward.patient, database_url=migrated_postgres_url, database_file=None, clock=clock)

    far = [each for each in await doctor.examine(patient) if each.cause == "clock.apart"]
    near = await doctor.examine(replace(patient, lease_s=600.0))

    assert [(each.check, each.level, each.cure) for each in far] == [
        ("clock", "red", "timedatectl set-ntp true")
    ]
    assert far[0].params["most"] == 20
    assert not [each for each in near if each.cause == "clock.apart"]


def test_each_missing_folder_is_red_with_the_command_that_makes_it(ward: Ward) -> None:
    gone = ward.patient.data_dir.parent / "gone"
    patient = replace(ward.patient, data_dir=gone, axis_folder=gone, keys_folder=gone)

    found = [each for each in replace(ward, patient=patient).examine() if each.cause == "folder.missing"]

    assert [each.check for each in found] == ["folder.data", "folder.axis", "folder.keys"]
    assert {(each.level, each.cure) for each in found} == {("red", f"mkdir -p {gone}")}


def test_a_database_that_others_can_read_is_named_with_its_cure(ward: Ward) -> None:
    assert ward.patient.database_file is not None
    ward.patient.database_file.chmod(0o600)
    assert ward.found("database.file") == []

    ward.patient.database_file.chmod(0o644)

    (found,) = ward.found("database.file")
    assert (found.level, found.cure) == ("yellow", f"chmod 600 {ward.patient.database_file}*")


def test_a_key_folder_that_others_can_read_is_red(ward: Ward) -> None:
    ward.patient.keys_folder.chmod(0o755)

    assert [each.cause for each in ward.found("folder.keys")] == ["folder.open"]


def test_little_disk_space_is_yellow_and_almost_none_red(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is what cannot be filled in a test."""
    levels = {}
    for free in (10 << 30, 1 << 30, 1 << 20):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(shutil, "disk_usage", lambda path, usage=usage: usage)
        found = ward.found("disk")
        levels[free] = [each.level for each in found]
        assert all(each.cure for each in found if each.level != "green")

    assert list(levels.values()) == [["green"], ["yellow"], ["red"]]


def test_a_clock_behind_the_data_is_red(ward: Ward) -> None:
    ward.clock.advance(timedelta(hours=-1))

    assert [(each.level, each.cause) for each in ward.found("clock")] == [("red", "clock.behind")]


def test_a_clock_that_was_ahead_and_was_set_back_is_told_with_what_it_left(ward: Ward) -> None:
    ward.clock.advance(timedelta(days=400))
    asyncio.run(landed(ward, state="landed", claimed=True))
    asyncio.run(happened(ward))
    ahead = ward.clock.now().isoformat(timespec="seconds")
    ward.clock.advance(timedelta(days=-400))

    (told,) = [each for each in ward.found("clock") if each.level != "green"]

    assert (told.level, told.cause, told.cure) == ("yellow", "clock.moved", "timedatectl set-ntp true")
    assert told.params == {"count": 1, "tables": "inbox", "written": ahead}


def test_a_parcel_that_is_leased_until_a_day_that_never_was_is_told(ward: Ward) -> None:
    ward.clock.advance(timedelta(days=400))
    asyncio.run(taken_from_the_axis(ward))
    ward.clock.advance(timedelta(days=-400))

    (told,) = [each for each in ward.found("clock") if each.level != "green"]

    assert (told.cause, told.params["count"], told.params["tables"]) == ("clock.moved", 1, "axis")


async def happened(ward: Ward) -> None:
    store = SqlOfficeStore(ward.patient.database_url, ward.clock)
    try:
        async with store.begin(AgencyScope(agency_id=AGENCY.id, principal_id="prn_trial")) as work:
            await work.events.append(EventKind.INBOX_HELD, "inx_1", ward.clock.now(), {})
            await work.commit()
    finally:
        await store.close()


async def taken_from_the_axis(ward: Ward) -> None:
    pool = ThreadPool(1)
    try:
        axis = EmbeddedAxis(ward.patient.axis_folder, ward.patient.node, ward.clock, pool)
        await axis.publish(parcel(), [AGENCY.code])
        assert len(await axis.take(1, 60)) == 1
        axis._held.clear()  # as a process that is killed: it gives nothing back
        await axis.close()
    finally:
        pool.close()


def test_missing_anchors_are_red(ward: Ward) -> None:
    (ward.patient.trust_folder / "ca.pem").unlink()

    assert [(each.level, each.cause) for each in ward.found("trust")] == [("red", "trust.missing")]


def test_anchors_that_cannot_be_read_are_red(ward: Ward) -> None:
    (ward.patient.trust_folder / "ca.pem").write_text("no certificate", encoding="utf-8")

    assert [(each.level, each.cause) for each in ward.found("trust")] == [("red", "failed")]


def test_anchors_near_their_end_are_yellow_and_past_it_red(ward: Ward) -> None:
    ward.clock.advance(timedelta(days=3640))
    soon = ward.found("trust")
    ward.clock.advance(timedelta(days=30))
    past = ward.found("trust")

    assert [(each.level, each.cause) for each in (*soon, *past)] == [
        ("yellow", "trust.expiring"),
        ("red", "trust.expiring"),
    ]


def test_a_revocation_list_that_ran_out_is_red_k4(ward: Ward) -> None:
    ward.clock.advance(timedelta(days=400))

    assert [(each.level, each.cause) for each in ward.found("revocation")] == [("red", "revocation.late")]


def test_no_revocation_list_at_all_is_yellow(ward: Ward) -> None:
    shutil.rmtree(ward.patient.trust_folder / "crl")

    assert [(each.level, each.cause) for each in ward.found("revocation")] == [("yellow", "revocation.none")]


def test_a_missing_database_is_red_and_the_rest_is_still_examined(ward: Ward) -> None:
    assert ward.patient.database_file is not None
    ward.patient.database_file.unlink()

    findings = ward.examine()

    assert [(each.level, each.cause) for each in findings if each.check == "database"] == [
        ("red", "database.missing")
    ]
    assert "axis" in {each.check for each in findings}
    assert not ward.patient.database_file.exists()


def test_a_database_without_a_schema_is_red_with_the_command(ward: Ward) -> None:
    assert ward.patient.database_file is not None
    ward.patient.database_file.unlink()
    sqlite3.connect(ward.patient.database_file).close()

    found = ward.found("database")

    assert [(each.level, each.cure) for each in found] == [("red", "gateway migrate up")]


def test_a_damaged_database_is_red(ward: Ward) -> None:
    assert ward.patient.database_file is not None
    whole = ward.patient.database_file.read_bytes()
    ward.patient.database_file.write_bytes(whole[: len(whole) // 2])

    assert ward.found("database")[0].level == "red"
    assert ward.found("database")[0].cure


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledAxis:
    """What a doctor asks of an axis: one that nobody reaches, or that takes nothing for now."""

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

    patient = replace(ward.patient, open_axis=opened)
    (found,) = [each for each in asyncio.run(doctor.examine(patient)) if each.check == "axis"]

    assert (found.level, found.cause) == ("red", f"axis.{trouble}")
    assert found.cure


def test_a_node_that_hosts_nobody_is_red(ward: Ward, blank: Path) -> None:
    assert ward.patient.database_file is not None
    shutil.copy(blank, ward.patient.database_file)

    assert [(each.level, each.cause) for each in ward.found("agencies")] == [("red", "agencies.none")]


def test_an_agency_without_a_key_is_red_with_the_command(ward: Ward) -> None:
    shutil.rmtree(ward.patient.keys_folder / AGENCY.code)

    found = ward.found("keys")

    assert [(each.level, each.cause, each.cure) for each in found] == [
        ("red", "keys.none", "gateway keys new --agency Z91.02")
    ]


def test_a_key_that_waits_for_its_certificate_needs_that_and_no_other_key(ward: Ward) -> None:
    shutil.rmtree(ward.patient.keys_folder / AGENCY.code)
    KeyDirectory(ward.patient.keys_folder, PASSWORD).generate(AGENCY.code)

    assert [each.cure for each in ward.found("keys")] == ["gateway keys import CERTIFICATE --agency Z91.02"]


def test_a_wrong_key_password_is_red(ward: Ward) -> None:
    harmed = replace(ward, patient=replace(ward.patient, keys_password=b"wrong"))

    assert [(each.level, each.cause) for each in harmed.found("keys")] == [("red", "keys.none")]


@pytest.mark.parametrize(("days", "level"), [(680, "yellow"), (720, "red")])
def test_a_certificate_near_its_end_is_told(ward: Ward, days: int, level: str) -> None:
    ward.clock.advance(timedelta(days=days))

    assert [(each.level, each.cause) for each in ward.found("keys")] == [(level, "keys.expiring")]


def test_packets_that_need_a_person_are_yellow(ward: Ward) -> None:
    asyncio.run(landed(ward, state="quarantined"))

    found = ward.found("quarantine")

    assert [(each.level, each.cure) for each in found] == [("yellow", "gateway inbox list --quarantine")]


def test_work_that_nobody_took_up_again_is_yellow(ward: Ward) -> None:
    asyncio.run(landed(ward, state="landed", claimed=True))
    ward.clock.advance(timedelta(minutes=30))

    found = ward.found("leases")

    assert [(each.level, each.params["count"], each.params["tables"]) for each in found] == [
        ("yellow", 1, "inbox")
    ]


async def landed(ward: Ward, *, state: str, claimed: bool = False) -> None:
    store = SqlOfficeStore(ward.patient.database_url, ward.clock)
    scope = AgencyScope(agency_id=AGENCY.id, principal_id="prn_trial")
    item = InboxPacket(
        id="inx_1",
        agency_id=AGENCY.id,
        file_digest=Digest("a" * 64),
        size=1,
        received_at=ward.clock.now(),
        transport_packet_id="pkt_1",
        transport_kind="edoc",
        transport_sender="Z91.03",
        lane=Lane.NORMAL,
    )
    try:
        async with store.begin(scope) as work:
            item = await work.inbox.land(item)
            if state != "landed":
                await work.inbox.settle(replace(item, state=state), None)
            await work.commit()
        if claimed:
            assert len(await store.claim_inbox(10, 60)) == 1
    finally:
        await store.close()


def test_a_restore_that_nobody_confirmed_is_named_with_its_cure(ward: Ward) -> None:
    copied_at = ward.clock.now().isoformat()
    asyncio.run(marked_as_restored(ward.patient, copied_at))

    (found,) = ward.found("restored")

    assert (found.level, found.cure) == ("red", "gateway restored")
    assert copied_at in labels.say(f"doctor.{found.cause}", "en", **found.params)


async def marked_as_restored(patient: Patient, copied_at: str) -> None:
    store = SqlOfficeStore(patient.database_url, patient.clock)
    async with store.begin(AgencyScope(agency_id="", principal_id="operator")) as work:
        told = {"copied_at": copied_at, "node": "trial"}
        await work.events.append(EventKind.NODE_RESTORED, restored.SUBJECT, patient.clock.now(), told)
        await work.commit()
    await store.close()


def test_every_finding_has_words_in_both_languages(ward: Ward) -> None:
    shutil.rmtree(ward.patient.trust_folder / "crl")
    ward.patient.keys_folder.chmod(0o755)
    ward.clock.advance(timedelta(days=690))

    for each in ward.examine():
        for lang in labels.LANGUAGES:
            assert labels.say(f"doctor.{each.cause}", lang, **each.params)


def test_a_job_that_no_longer_reports_is_named_and_a_node_that_never_worked_is_not(ward: Ward) -> None:
    before = ward.found("jobs")
    asyncio.run(told(ward, Beat(job="landing", at=ward.clock.now()), Beat(job="backup", at=ward.clock.now())))
    well = ward.found("jobs")
    ward.clock.advance(timedelta(hours=1))
    late = ward.found("jobs")
    ward.clock.advance(timedelta(hours=26))
    both = ward.found("jobs")

    assert before == []
    assert [(each.level, each.cause) for each in well] == [("green", "jobs.fine")]
    ((params, cure),) = [(each.params["jobs"], each.cure) for each in late]
    assert cure == "gateway serve"
    assert isinstance(params, tuple)
    assert "landing" in params
    assert "backup" not in params
    assert [each.cure for each in both] == [
        "gateway serve",
        "gateway backup --passphrase-file passphrase.txt",
    ]
    assert labels.jobs(("landing", "backup")) == "Lấy gói tin từ trục, Sao lưu"


def test_a_job_whose_last_run_failed_is_named(ward: Ward) -> None:
    now = ward.clock.now()
    beats = [Beat(job=job, at=now) for job in upkeep.JOBS if job not in upkeep.OPTIONAL]
    failed = Beat(job="digest", at=now, failed_at=now + timedelta(seconds=1), code="GW-T-101")

    asyncio.run(told(ward, *beats, failed))

    ((found,),) = [ward.found("jobs")]
    assert (found.level, found.cause, found.params["jobs"]) == ("yellow", "jobs.faulty", ("digest",))


async def told(ward: Ward, *beats: Beat) -> None:
    store = SqlOfficeStore(ward.patient.database_url, ward.clock)
    try:
        await store.history.record(beats, [], ward.clock.now())
    finally:
        await store.close()


def measured(ward: Ward, way: Way, *took_s: float) -> None:
    """By a process of the node."""
    stopwatch = Stopwatch("embedded", ward.clock)
    for seconds in took_s:
        stopwatch.took(way, Lane.URGENT, ward.clock.now() - timedelta(seconds=seconds))
    folder = ward.patient.data_dir / HEARTBEAT
    pulse = Pulse(folder=folder, clock=ward.clock, pool=ward.patient.pool, slots=stopwatch.slots)
    asyncio.run(pulse.beat())


@pytest.mark.parametrize("way", [Way.ACCEPT, Way.ARRIVAL_TO_ADMITTED])
def test_the_regulations_five_seconds_are_yellow_once_they_are_broken(ward: Ward, way: Way) -> None:
    measured(ward, way, *[5.0] * 19)
    (kept,) = ward.found("pace")
    measured(ward, way, *[5.0] * 18, 5.1)
    (broken,) = ward.found("pace")

    assert (kept.level, kept.params) == ("green", {"late": 0, "count": 19})
    assert (broken.level, broken.cure) == ("yellow", "gateway status")
    said = labels.finding_text(f"doctor.{broken.cause}", broken.params, "en")
    assert said.endswith("(Urgent): in the last hour 1 of 19 took longer than the 5 s of the regulation")
    assert "Khẩn" in labels.finding_text(f"doctor.{broken.cause}", broken.params)


def test_nothing_is_said_of_the_pace_where_none_was_measured_or_it_is_the_others(ward: Ward) -> None:
    assert ward.found("pace") == []

    measured(ward, Way.ACCEPT_TO_01, 60.0)

    assert ward.found("pace") == []
