"""The sealed hold is cut short at every call of every port: a person reads all of the document or nothing, and once the
node is up again the document is sealed, or as before. A process that stands still leaves the very files that a killed
one leaves."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import holding
from gateway.domain.hold import Decision
from gateway.errors import Clash
from gateway.incoming import seal
from tests.faults.killer import Counter, Killer, copied, digest_of, stand_still
from tests.support.clock import START, ManualClock
from tests.support.node import PROVINCE, Town, opened
from tests.support.secret import SECRET, deliver_secret, key, plain_places, with_recipient

Act = Callable[[Town], Awaitable[object]]


def clock_after(hours: int) -> ManualClock:
    """Return a clock that starts so many hours later: each opening has an hour of its own, so that no id is made twice."""
    return ManualClock(START + timedelta(hours=hours))


async def seal_it(town: Town) -> object:
    document = (await town.incoming())[0]
    return await seal.document(
        town.node.inn, town.node.hold, await town.scope(PROVINCE), document.id, "Có dấu mật"
    )


async def lift_it(town: Town) -> object:
    scope = await town.scope(PROVINCE)
    async with town.node.store.read(scope) as work:
        (hold,) = (await work.holds.page(limit=2)).items
    decision = Decision(by="a head", why="Không phải văn bản mật", at=town.clock.now())
    return await seal.lift(town.node.inn, town.node.hold, scope, hold.id, decision, key())


async def before_sealing(folder: Path) -> None:
    async with opened(folder, clock_after(0), change=with_recipient) as town:
        await deliver_secret(town)


async def before_lifting(folder: Path) -> None:
    await before_sealing(folder)
    async with opened(folder, clock_after(1), change=with_recipient) as town:
        await seal_it(town)


def crashes(folder: Path, act: Act, copies: Path) -> Iterator[Path]:
    """Yield a copy of the folder for each different state in which a crash of that act leaves it."""
    return crashes_of(lambda: _acted(folder, act), folder, copies)


def crashes_of(act: Callable[[], Coroutine[Any, Any, None]], folder: Path, copies: Path) -> Iterator[Path]:
    """Yield a copy of the folder for each different state in which a crash leaves it, of an act that opens it itself."""
    digests: set[bytes] = set()
    child = os.fork()
    if child == 0:
        asyncio.run(act())
        os._exit(0)
    try:
        while os.WIFSTOPPED(status := os.waitpid(child, os.WUNTRACED)[1]):
            digest = digest_of(folder)
            if digest not in digests:
                digests.add(digest)
                yield copied(folder, copies / str(len(digests)))
            os.kill(child, signal.SIGCONT)
        child = 0
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


async def _acted(folder: Path, act: Act) -> None:
    wrap = Killer(Counter(stand_still))
    async with opened(folder, clock_after(2), wrap, with_recipient) as town:
        await act(town)


async def recovered(folder: Path, sealed_after: bool) -> bool:
    """Settle the holds of a crashed node, which changes nothing that a person can read; return whether the document is
    sealed."""
    async with opened(folder, clock_after(3), change=with_recipient) as town:
        was_readable = await readable(town)
        await holding.settle_all(town.node.hold)
        is_readable = await readable(town)
        assert was_readable == is_readable
        if not is_readable:
            assert plain_places(folder) == []
            await lift_it(town)
            assert await readable(town)
        elif not sealed_after:
            assert not list((folder / "content" / "sealed").glob("*/*"))
    return not is_readable


async def readable(town: Town) -> bool:
    """Tell whether a person can read all of the document, byte for byte, or nothing."""
    (document,) = await town.incoming()
    try:
        assert await town.read(document) == SECRET
    except Clash:
        return False
    return True


@pytest.mark.parametrize(
    ("prepare", "act", "sealed_after"),
    [(before_sealing, seal_it, True), (before_lifting, lift_it, False)],
    ids=["sealing", "lifting"],
)
def test_a_crash_between_two_steps_leaves_all_or_nothing_readable(
    tmp_path: Path, prepare: Callable[[Path], Awaitable[None]], act: Act, sealed_after: bool
) -> None:
    folder = tmp_path / "node"

    async def made_ready() -> None:
        await prepare(folder)

    asyncio.run(made_ready())
    ends = []
    for copy in crashes(folder, act, tmp_path):
        ends.append(asyncio.run(recovered(copy, sealed_after)))
        shutil.rmtree(copy)

    assert len(ends) >= 4
    assert ends == sorted(ends, reverse=not sealed_after)  # once it has turned, it stays so
    assert ends[-1] is sealed_after
