"""A database, a backup and an evidence pack of each release are read as that version read them; `0.1` was not released
(`make_release_samples` of the tools makes them). Names of fields are stored, and a field that is renamed would take its
default in silence."""

from __future__ import annotations

import asyncio
import json
import lzma
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.store import migrate
from tests.unit.cli.conftest import Terminal

RELEASES = Path(__file__).parents[2] / "samples" / "releases"
# The first has been through every step of the schema, and the newest has every kind of row: the long lane reads the others.
NAMES = sorted(
    (folder.name for folder in RELEASES.iterdir()), key=lambda name: list(map(int, name.split(".")))
)
READ = [pytest.param(name, marks=pytest.mark.long if name in NAMES[1:-1] else ()) for name in NAMES]
PASSPHRASE = "kho lưu thử nghiệm 2026\n"


@pytest.fixture(params=READ)
def release(request: pytest.FixtureRequest) -> Path:
    """Return the folder of one release."""
    return RELEASES / str(request.param)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: Path) -> Path:
    """Write the settings of a node that has nothing yet, on the day of the answers: late and due go by it."""
    then = datetime.fromisoformat((release / "then.txt").read_text().strip())
    monkeypatch.setattr(SystemClock, "now", staticmethod(lambda: then))
    file = tmp_path / "gateway.toml"
    file.write_text('[node]\nname = "demo"\ndata_dir = "state"\n')
    (tmp_path / "state").mkdir()
    return file


def unpack_database(release: Path, folder: Path) -> None:
    with lzma.open(release / "gateway.db.xz") as packed, (folder / "gateway.db").open("wb") as file:
        shutil.copyfileobj(packed, file)
    for mark in (release / "marks").glob("*"):
        (folder / mark.name).mkdir()
        shutil.copy(mark, folder / mark.name / ".store")
    if (release / "identity.txt").exists():  # since 0.3.0
        shutil.copy(release / "identity.txt", folder / ".database")


def differences(expected: Any, actual: Any, path: str = "") -> list[str]:
    """List where an answer lacks something of the expected one or says it otherwise; fields may be added."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        lacking = [f"{path}.{key} is gone" for key in expected.keys() - actual.keys()]
        common = expected.keys() & actual.keys()
        return lacking + [
            d for key in common for d in differences(expected[key], actual[key], f"{path}.{key}")
        ]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [d for n, (old, now) in pairs for d in differences(old, now, f"{path}[{n}]")]
    return [] if expected == actual else [f"{path}: {expected!r} became {actual!r}"]


BOOK, TODO = "book show outgoing --agency Z91", "todo list --all --agency Z91.07"
# A number's attempts are one line since; an urgent letter is laid before the head at once, by a timer of its own.
MENDED = {
    "0.1": {
        *(f"{BOOK}: {path}" for path in (".data", ".summary.lines")),
        *(f"{TODO}: .data[0].{name}" for name in ("timer", "wall_clock", "due_at", "left_minutes")),
    }
}
# The backup of before the releases was of a small node of its own.
BACKED_UP = {"0.1": [("Z91.02", "Sở Thử nghiệm", "B")]}


def answers_of(release: Path) -> Any:
    with lzma.open(release / "answers.json.xz") as packed:
        return json.load(packed)


def test_an_earlier_database_gives_the_answers_that_it_gave(
    terminal: Terminal, settings: Path, release: Path
) -> None:
    state = settings.parent / "state"
    unpack_database(release, state)
    shutil.copytree(release / "trust", state / "trust")
    answers = answers_of(release)
    assert terminal.type("--config", settings, "migrate", "up", "--yes").code == 0

    changes = []
    for words, expected in answers.items():
        actual = terminal.type("--config", settings, *words.split(), "-o", "json").json
        changes += [f"{words}: {difference}" for difference in differences(expected, actual)]

    assert len(answers) > 80
    paths = {": ".join(change.split(": ")[:2]) for change in changes}
    assert paths == MENDED.get(release.name, set()), changes


def test_an_earlier_database_is_brought_to_the_schema_of_a_new_one(
    terminal: Terminal, settings: Path, tmp_path: Path, release: Path
) -> None:
    unpack_database(release, settings.parent / "state")

    assert terminal.type("--config", settings, "migrate", "up", "--yes").code == 0
    asyncio.run(migrate.up(f"sqlite:///{tmp_path / 'new.db'}"))

    assert schema_of(tmp_path / "state" / "gateway.db") == schema_of(tmp_path / "new.db")


def schema_of(database: Path) -> dict[tuple[str, str], list[Any]]:
    """Return the columns of each table and the statement of each index."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        return {
            (kind, name): connection.execute(f"PRAGMA table_info({name})").fetchall()
            if kind == "table"
            else [sql]
            for kind, name, sql in rows
            if not name.startswith("sqlite_")
        }


def test_an_earlier_backup_is_restored(
    terminal: Terminal, settings: Path, tmp_path: Path, release: Path
) -> None:
    """The schema of the first has the number of before the baseline."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE)

    restored = terminal.type(
        *("--config", settings, "restore", release / "node.backup"),
        *("--passphrase-file", passphrase, "--yes", "-o", "json"),
    )
    agencies = terminal.type("--config", settings, "host", "list", "-o", "json")

    assert restored.code == 0, restored.err
    hosted = [(row["code"], row["name"], row["numbering"]) for row in agencies.json["data"]]
    expected = answers_of(release)["host list"]["data"]
    assert hosted == BACKED_UP.get(release.name) or hosted == [
        (row["code"], row["name"], row["numbering"]) for row in expected
    ]


def test_an_earlier_evidence_pack_is_judged_as_before(
    terminal: Terminal, settings: Path, release: Path
) -> None:
    expected = json.loads((release / "verdict.json").read_text())

    actual = terminal.type(
        *("--config", settings, "evidence", "verify", release / "evidence.zip", "--trust", release / "trust"),
        *("--at", expected["at"], "-o", "json"),
    )

    assert actual.code == 0
    assert differences(expected, actual.json) == []
