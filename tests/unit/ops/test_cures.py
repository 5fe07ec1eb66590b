"""Each safe cure, by its real fault: the doctor finds it, the cure mends it, and nothing beside it is changed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from gateway.domain.diagnosis import red
from gateway.ops import checks
from gateway.ops.cures import CURES
from gateway.settings.options import Database
from tests.support.stores import migrated
from tests.unit.ops.test_doctor import AGENCY, Ward, ward_in

OLD = (datetime.now(UTC) - timedelta(days=2)).timestamp()


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    (tmp_path / "blank").mkdir()
    with ward_in(tmp_path / "node", migrated(tmp_path / "blank")) as new_ward:
        yield new_ward


def file_of(path: Path, *, is_old: bool = True) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"half")
    if is_old:
        os.utime(path, (OLD, OLD))
    return path


def opened_keys(ward: Ward) -> None:
    ward.keys.chmod(0o755)


def readable_key(ward: Ward) -> None:
    next((ward.keys / AGENCY.code).glob("*.key.pem")).chmod(0o644)


def readable_database(ward: Ward) -> None:
    ward.database.chmod(0o644)


def dead_signs(ward: Ward) -> None:
    file_of(ward.subject.heartbeat / "elsewhere-77.json")


def half_backup(ward: Ward) -> None:
    file_of(ward.data / "backups" / f".node.backup.{'0a' * 8}")
    file_of(ward.data / "backups" / "pieces" / "ab" / f".{'ab' * 32}.{'0b' * 8}")


def cut_drill(ward: Ward) -> None:
    folder = file_of(ward.data / "backups" / "drill-a1b2c3d4" / "gateway.db").parent
    os.utime(folder, (OLD, OLD))


FAULTS: dict[str, Callable[[Ward], None]] = {
    "folder.open": opened_keys,
    "secrets.open": readable_key,
    "database.open": readable_database,
    "leftovers.signs": dead_signs,
    "leftovers.parts": half_backup,
    "leftovers.drills": cut_drill,
}


@pytest.mark.parametrize("cause", FAULTS)
def test_a_fault_with_a_safe_cure_is_found_and_gone_after_it(ward: Ward, cause: str) -> None:
    bystanders = [
        file_of(ward.data / "backups" / f".now.backup.{'0a' * 8}", is_old=False),
        file_of(ward.data / "backups" / "node.backup"),
        file_of(ward.data / "backups" / "drill-notes.txt"),
        file_of(ward.data / ".database"),
        file_of(ward.data / "backups" / "drill-0_atwork" / "content" / "ab", is_old=False),
    ]
    os.utime(ward.data / "backups" / "drill-0_atwork", (OLD, OLD))
    contents = {path: path.read_bytes() for path in (*ward.keys.rglob("*.pem"), *bystanders)}
    FAULTS[cause](ward)
    (finding,) = [finding for finding in ward.examine() if finding.cause == cause]

    asyncio.run(CURES[cause](ward.subject, finding))

    assert [finding for finding in ward.examine() if finding.cause in CURES] == []
    assert {path: path.read_bytes() for path in contents} == contents


def test_a_folder_that_the_node_may_not_write_gets_that_right(ward: Ward) -> None:
    """Told by its mode: tests may run as root, who may write it anyway."""
    ward.data.chmod(0o550)

    asyncio.run(
        CURES["folder.read_only"](ward.subject, red("folder.data", "folder.read_only", path=ward.data))
    )

    assert ward.data.stat().st_mode & 0o777 == 0o750


async def test_tables_without_statistics_are_analysed(ward: Ward, migrated_postgres_url: str) -> None:
    patient = replace(
        ward.subject, settings=replace(ward.settings, database=Database(url=migrated_postgres_url))
    )
    admin = await asyncpg.connect(migrated_postgres_url)
    await admin.execute("ALTER TABLE event_counter SET (autovacuum_enabled = false)")
    await admin.execute(
        "INSERT INTO event_counter (agency_id, last) SELECT 'agy_' || n, n FROM generate_series(1, 40000) n"
    )
    await admin.close()
    (finding,) = [finding for finding in await checks.examine(patient) if finding.check == "statistics"]

    await CURES[finding.cause](patient, finding)
    await patient.close()

    assert finding.params["tables"] == "event_counter"
    assert [finding for finding in await checks.examine(patient) if finding.check == "statistics"] == []
