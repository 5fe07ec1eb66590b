"""Files of records are handed over at the command line: made, listed, checked and answered, on a real node."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.domain.account import AgencyScope
from gateway.domain.wall_clock import local
from gateway_office.domain.work_file import FileKind, WorkFile
from tests.office.support.stores import opened
from tests.unit.cli.conftest import Terminal, set_up

TABLE = """class,type,file_kind,months,start,valid_from,valid_until,basis
VV,,,permanent,file-closed,2000-01-01,,QĐ 1
10,,,120,file-closed,2000-01-01,,QĐ 1
"""
DAY = date(2026, 2, 3)


async def close_files(folder: Path) -> None:
    """Store two closed files, the first to be kept for ever, and one that is still at work."""
    async with opened(f"sqlite+aiosqlite:///{folder / 'state' / 'gateway.db'}", SystemClock()) as store:
        (agency,) = await store.hosted()
        scope = AgencyScope(agency_id=agency.id, principal_id="node")
        async with store.begin(scope) as work:
            for n, (period, closed_on) in enumerate([("VV", DAY), ("10", DAY), ("VV", None)], start=1):
                file = WorkFile(
                    id=f"fil_{n}",
                    code=f"Z91.02.2026.0{n}",
                    title="Họp",
                    kind=FileKind.USUAL,
                    owner="node",
                    year=2026,
                    opened_on=DAY,
                    closed_on=closed_on,
                    retention=period,
                )
                await work.office.work_files.save(file)
            await work.commit()


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    set_up(terminal)
    (tmp_path / "table.csv").write_text(TABLE, encoding="utf-8")
    assert terminal.type("retention", "import", "table.csv", "--yes").code == 0
    asyncio.run(close_files(tmp_path))
    (tmp_path / "archive").mkdir()
    return terminal


def test_a_file_is_made_into_a_package_listed_checked_and_answered(node: Terminal, tmp_path: Path) -> None:
    make = ("archive", "make", "--into", "archive", "--yes", "--lang", "en")
    assert node.type("archive", "list", "-o", "json").json["data"] == []
    ran = node.type(*make, "Z91.02.2026.01", "-o", "json")
    assert ran.code == 0, ran.err
    (package,) = ran.json["data"]
    path = tmp_path / "archive" / f"{package['id']}.tar"

    keys = tmp_path / "court" / "nodes"
    keys.mkdir(parents=True)
    (keys / "node.pem").write_bytes(next((tmp_path / "state").rglob("pack.pub.pem")).read_bytes())
    checked = node.type("archive", "check", str(path), "--trust", "court", "-o", "json")
    today = local(SystemClock().now()).date().isoformat()
    receipt = ("archive", "receipt", package["id"], "--number", "12/BB", "--on", today, "--yes")
    answered = node.type(*receipt, "-o", "json")
    (listed,) = node.type("archive", "list", "-o", "json").json["data"]

    assert (checked.code, checked.json["verdict"]) == (0, "valid")
    assert (package["state"], package["sha256"], package["size"]) == (
        "packed",
        listed["sha256"],
        path.stat().st_size,
    )
    assert (answered.json["state"], listed["receipt"]) == ("received", "12/BB")
    assert "received" in node.type("archive", "list", "--lang", "en").out
    assert node.type(*receipt).code == 4


def test_what_may_not_go_says_why(node: Terminal, tmp_path: Path) -> None:
    make = ("archive", "make", "--into", "archive", "--yes", "--lang", "en")
    reasons = {
        "Z91.02.2026.02": "head of the agency decides",
        "Z91.02.2026.03": "has not ended",
        "Z91.02.2026.09": "there is no file of records",
    }
    for code, reason in reasons.items():
        ran = node.type(*make, code)
        assert ran.code != 0
        assert reason in ran.err, ran.err

    assert list((tmp_path / "archive").iterdir()) == []
    assert node.type("archive", "list", "-o", "json").json["data"] == []
