"""What every worker is: a step repeated until told to stop. In: a step that says whether to go again at once. The one
broad guard of the program stands here: a step that breaks is logged and tried later, and the loop goes on. Also keeps a
lease alive while its work runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from gateway import log
from gateway.errors import StaleLease, StoreFailure
from gateway.ports import Lease, Store
from gateway.workers.trouble import Trouble

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One worker: its step, whom it makes work for, and when its turn comes where that is a matter of time."""

    step: Callable[[], Coroutine[object, object, bool]]
    then: tuple[str, ...] = ()
    is_due: Callable[[datetime], bool] | None = None
    is_used: bool = True
    """False where the settings leave it nothing to do."""


@dataclass(slots=True)
class Bell:
    """Wakes one loop of this process as soon as somebody made work for it; polling is the net."""

    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    def ticket(self) -> asyncio.Event:
        """Taken before looking for work: a ring while one looked is then not missed."""
        return self._rung

    async def heard(self, timeout_s: float, ticket: asyncio.Event | None = None) -> None:
        """Returns at the first ring after the ticket was taken, or after the time, which then rings itself."""
        rung = ticket or self._rung
        late = asyncio.get_running_loop().call_later(timeout_s, self.ring)
        try:
            await rung.wait()
        finally:
            late.cancel()


async def forever(
    name: str,
    step: Callable[[], Awaitable[bool]],
    bell: Bell,
    stop: asyncio.Event,
    poll_s: float,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Runs `step` until `stop` is set. A step that did something runs again at once; `then` rings the bells of those
    whom it made work for. After one that broke the loop rests, longer each time; no bell shortens that."""
    trouble = Trouble(name=name)
    while not stop.is_set():
        ticket = bell.ticket()
        try:
            worked = await step()
        except asyncio.CancelledError as error:
            if _is_cancelled() or stop.is_set():
                raise
            await _rest(stop, trouble.broke(error))
            continue
        except Exception as error:  # the guard of this loop: nothing may end it but the stop
            await _rest(stop, trouble.broke(error))
            continue
        trouble.over()
        if worked:
            then()
            # Gives the other tasks of this process their turn, even if no step ever waits.
            await asyncio.sleep(0)
        else:
            await bell.heard(poll_s, ticket)
    log.action(_log, f"{name}.stopped")


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def _is_cancelled() -> bool:
    """Whether this task was asked to end. A library may cancel what it waits for itself, which looks the same here."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def kept(store: Store, table: str, lease: Lease, lease_s: float) -> AsyncIterator[None]:
    """Renews the lease every third of its time while the body runs. When it is lost the renewing stops; the body's
    completion names its token and is then discarded by the store."""
    renewing = asyncio.create_task(_renew(store, table, lease, lease_s))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def _renew(store: Store, table: str, lease: Lease, lease_s: float) -> None:
    while True:
        await asyncio.sleep(lease_s / 3)
        try:
            lease = await store.renew(table, lease, lease_s)
        except StaleLease:
            return
        except StoreFailure as error:
            log.action(_log, "lease.not_renewed", str(error), table=table, row=lease.id, code=error.code)


async def together(works: list[Awaitable[None]]) -> bool:
    """Runs a claimed batch side by side; whether there was anything to run. One that breaks stops none of the others,
    and the next batch is not claimed before each has ended."""
    if not works:  # most of the time, and several times a second
        return False
    ends = await asyncio.gather(*works, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return True
