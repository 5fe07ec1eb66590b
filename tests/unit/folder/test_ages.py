"""Files that a hot folder has put away are removed after the days that were set, and never where none were."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from gateway.folder import filing
from gateway.folder.places import Place
from tests.support.folder import Desk
from tests.support.node import Town


def lay_files(root: Path) -> None:
    for name in (
        "sent/2026/11/20/15.json",
        "sent/2026/11/20/15.result.json",
        "sent/2026/12/31/16.json",
        "error/x.json",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "sent" / "notes.txt").write_text("of a person")


def list_files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_what_is_older_goes_and_the_rest_stays(tmp_path: Path) -> None:
    """A refused file counts from the day of its refusal, however old the file itself is."""
    lay_files(tmp_path)
    now = datetime.now(UTC)
    with Place.open_root(tmp_path) as base:
        removed_early = filing.remove_old(base, now, date(2100, 1, 1), sent_days=0, error_days=0)
        early = filing.remove_old(
            base, now + timedelta(days=6), date(2026, 12, 20), sent_days=30, error_days=7
        )
        assert (removed_early, early) == (0, 0)
        assert len(list_files(tmp_path)) == 5
        removed = filing.remove_old(
            base, now + timedelta(days=8), date(2026, 12, 21), sent_days=30, error_days=7
        )

    assert removed == 2
    assert list_files(tmp_path) == ["sent/2026/12/31/16.json", "sent/notes.txt"]
    assert not (tmp_path / "sent/2026/11").exists()


async def test_the_loop_removes_by_what_was_set(town: Town, tmp_path: Path) -> None:
    desk = Desk(town=town, root=tmp_path / "folder", sent_days=30)
    desk.letter("15")
    await desk.settle()
    town.clock.advance(timedelta(days=30))
    await desk.look(3601)
    assert desk.sent()

    town.clock.advance(timedelta(days=1))
    await desk.look(3601)

    assert desk.sent() == []
