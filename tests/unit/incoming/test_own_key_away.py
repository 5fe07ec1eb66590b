"""A key of our own that cannot be read for a while: what comes in is taken in all the same and answered later, what
goes out waits with its reason, and everything leaves once it can be read again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import SignerDown
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town, document

Away = Callable[[str], None]


@pytest.fixture
def away(town: Town, monkeypatch: pytest.MonkeyPatch) -> Away:
    """Make an agency's certificate unreadable, as if another user had put it there."""
    read = Path.read_bytes

    def leave(code: str) -> None:
        def refused(path: Path) -> bytes:
            if path.name.endswith(".crt.pem") and path.parent.name == code:
                raise PermissionError(13, "Permission denied", str(path))
            return read(path)

        for old in (town.node.settings.keys.folder / code).glob("*.crt.pem"):
            fresh = old.with_name("fresh.tmp")
            fresh.write_bytes(read(old))
            fresh.rename(old)
        monkeypatch.setattr(Path, "read_bytes", refused)

    return leave


@pytest.mark.parametrize("by_steps", [False, True])
async def test_what_comes_in_is_taken_in_and_answered_once_the_key_is_back(
    town: Town, away: Away, monkeypatch: pytest.MonkeyPatch, by_steps: bool
) -> None:
    packet = town.forge(document(), (("15.pdf", PDF),))
    away(PROVINCE)
    await town.deliver(packet)
    await town.land(by_steps=by_steps)
    await town.process()

    assert (await town.row(PROVINCE, packet)).state == "done"
    await town.pack()
    assert not await town.outbox(PROVINCE)

    monkeypatch.undo()
    town.clock.advance(timedelta(hours=1))
    await town.pack()
    assert [item.kind for item in await town.outbox(PROVINCE)] == ["status"]


async def test_what_is_handed_in_is_accepted_and_packed_once_the_key_is_back(
    town: Town, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    away(DEPARTMENT)
    sent = await town.send("15")
    await town.pack()
    assert not await town.outbox(DEPARTMENT)

    monkeypatch.undo()
    town.clock.advance(timedelta(hours=1))
    await town.pack()
    assert [item.subject_id for item in await town.outbox(DEPARTMENT)] == [sent.id]


async def test_what_waits_for_the_courier_says_why_it_does_not_leave(town: Town, away: Away) -> None:
    await town.send("15")
    away(DEPARTMENT)
    await town.dispatch()

    (row,) = await town.outbox(DEPARTMENT)
    assert row.last_error is not None
    assert row.last_error.startswith(SignerDown.code)
    assert "Permission denied" in row.last_error
