"""What the node is built from is pinned, within its bounds, free to pass on, and listed (tools/dependencies)."""

from __future__ import annotations

import importlib.util
import tomllib
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
LOCK_OF_BUILD = "requirements-build.lock"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check", ROOT / "tools" / "dependencies" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_holds_what_the_project_asks_for_in_versions_with_digests_under_licences_that_bind_nobody(
    check: ModuleType,
) -> None:
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    assert check.bounds_wrong(check.locked(ROOT / "requirements.lock"), requirements) == []

    for lock in ("requirements.lock", "requirements-dev.lock", LOCK_OF_BUILD):
        entries = check.locked(ROOT / lock)
        assert len(entries) > 5
        assert check.digests_wrong(entries) == []

    assert check.licences_wrong(set(check.locked(ROOT / "requirements.lock"))) == []
    assert not set(check.locked(ROOT / "requirements.lock")) & set(check.locked(ROOT / LOCK_OF_BUILD))
    assert {"aiohttp", "multidict"} <= check.needed_by(requirements), "what is needed by a needed part, too"


def test_an_entry_without_digest_or_version_or_out_of_bounds_is_named(
    check: ModuleType, tmp_path: Path
) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(f"one==1.0 \\\n    --hash=sha256:{'0' * 64}\ntwo==2.0\nthree>=3\n")

    entries = check.locked(lock)

    assert [problem.split(":")[0] for problem in check.digests_wrong(entries)] == ["two", "three>=3"]
    wrong = check.bounds_wrong(entries, ["one>=2", "two>=2", "four>=1"])
    assert [problem.split(":")[0] for problem in wrong] == ["one>=2", "four>=1"]


def test_the_list_of_parts_has_every_locked_one(check: ModuleType, tmp_path: Path) -> None:
    lock = ROOT / "requirements.lock"

    assert set(check.locked(lock)) <= check.write_parts(lock, tmp_path / "sbom.json")


def test_a_weakness_is_accepted_with_a_reason_and_until_its_day(check: ModuleType, tmp_path: Path) -> None:
    table = tmp_path / "accepted.toml"
    table.write_text(
        '[[accepted]]\nid = "A"\nreason = "not called"\nuntil = 2027-01-01\n'
        '[[accepted]]\nid = "B"\nreason = ""\nuntil = 2027-01-01\n'
    )

    assert check.accepted(table, date(2027, 1, 1)) == {"A"}
    assert check.accepted(table, date(2027, 1, 2)) == set()
    assert check.accepted(check.ACCEPTED, date(2026, 11, 20)) == set()
