"""Sender and receiver come to one state, whatever they say, however fast and in whichever order it arrives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.states import CODES
from gateway.domain.status import REOPENED
from gateway.errors import Clash, Refused
from gateway.incoming import receive
from tests.support.node import Town
from tests.support.town.builder import open_town

_SHARED_MARKS = {REOPENED, "contradiction"}


@dataclass(frozen=True, kw_only=True)
class Saying:
    """One status, some milliseconds after the one before. `ago_ms` is the age of its stated time."""

    code: str
    pause_ms: int = 0
    ago_ms: int | None = None
    note: str | None = None
    reason: str | None = "BAD_FORM"
    reopens: bool = False


_milliseconds = st.sampled_from([0, 1, 300, 700, 999, 1000, 1001, 3000])
_sayings = st.builds(
    Saying,
    code=st.sampled_from(["02", "03", "04", "05", "06"]),
    pause_ms=_milliseconds,
    ago_ms=st.none() | _milliseconds | st.sampled_from([-1500, 599_700, 600_000]),
    note=st.none() | st.sampled_from(["Đóng nhầm", "  "]),
    reason=st.sampled_from([None, "BAD_FORM"]),
    reopens=st.booleans(),
)


async def _say_status(town: Town, document: IncomingDocument, saying: Saying) -> None:
    town.clock.advance(saying.pause_ms / 1000)
    at = None if saying.ago_ms is None else town.clock.now() - timedelta(milliseconds=saying.ago_ms)
    reopens = saying.reopens and saying.code == "05"
    try:
        await town.status(
            document, saying.code, at=at, note=saying.note, reason=saying.reason, reopens=reopens
        )
    except (Clash, Refused):
        return  # nothing was said


async def _arrive_mixed(town: Town, order: Random) -> None:
    await town.pack()
    await town.dispatch()
    arrivals = list(await town.node.inn.axis.take(50, 60.0))
    order.shuffle(arrivals)
    for arrival in arrivals:
        town.clock.advance(0.2)
        await receive.run(town.node.inn, arrival)
    await town.carry()


async def _states(
    town: Town, sent: OutgoingDocument, document: IncomingDocument
) -> tuple[tuple[str, set[str]], tuple[str, set[str]]]:
    ours, theirs = await town.reload(document), await town.standing(sent)
    word = CODES[theirs.business or ""].key if theirs.business != "01" else "new"
    if REOPENED in theirs.marks:
        word = "processing"
    return (
        (str(ours.state), _SHARED_MARKS & set(ours.marks)),
        (word, _SHARED_MARKS & set(theirs.marks)),
    )


def test_sender_and_receiver_come_to_one_state(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        town_open = open_town(tmp_path)
        town = runner.run(town_open.__aenter__())
        numbers = iter(range(1, 10_000))

        @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(
            first_ms=_milliseconds,
            sayings=st.lists(_sayings, min_size=1, max_size=5),
            order=st.integers(0, 2**16),
        )
        @example(first_ms=0, sayings=[Saying(code="02"), Saying(code="03", pause_ms=400)], order=1)
        @example(first_ms=0, sayings=[Saying(code="03"), Saying(code="02", pause_ms=400)], order=1)
        @example(
            first_ms=0,
            sayings=[Saying(code="06"), Saying(code="05", pause_ms=400, reason=None, note="Đóng nhầm")],
            order=1,
        )
        def play(first_ms: int, sayings: list[Saying], order: int) -> None:
            runner.run(exchange(first_ms, sayings, Random(order)))

        async def exchange(first_ms: int, sayings: list[Saying], order: Random) -> None:
            town.clock.advance(600 + first_ms / 1000)
            sent = await town.act_and_carry(town.send(str(next(numbers))))
            document = await town.as_incoming(sent)
            for saying in sayings:
                await _say_status(town, document, saying)
            await _arrive_mixed(town, order)
            at_receiver, at_sender = await _states(town, sent, document)
            assert at_receiver == at_sender

        try:
            play()
        finally:
            runner.run(town_open.__aexit__(None, None, None))
