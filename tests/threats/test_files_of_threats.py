"""Threats that come as one file: a fixed sample of seventy, each through the doors of one machine, with the outcome and
code that it must have there. All of them, and the broker, are tried in the long lane."""

from __future__ import annotations

import itertools

import pytest

from gateway.edxml.verify import CODES
from tests.support.cases import Cases
from tests.threats import table
from tests.threats.cases import CASES, FIRST, HELD_WORD, Case, Letter
from tests.threats.doors import AxisDoor, CommandDoor, Door, Word, word_of

SAMPLE = 72
_NUMBERS = itertools.count(1)
# A node has a registry to ask whether there is such a code at all; `gateway verify` has bindings alone (K7).
NO_SUCH_SENDER = {"SIG-NO-BINDING": "SIG-SENDER"}


def sample() -> list[Case]:
    """Return the first case of each threat, and others at equal distances to fill the sample."""
    candidates = [case for case in CASES if case not in FIRST]
    size = SAMPLE - len(FIRST)
    return [*FIRST, *(candidates[n * len(candidates) // size] for n in range(size))]


async def try_at(door: Door, case: Case, cases: Cases, record: table.Record) -> None:
    letter = Letter(n=next(_NUMBERS), now=door.now)
    with table.tried(cases, record, case.id, door.name) as say:
        outcome = await door.deliver(case.make(letter), letter.routing)

        say(outcome.word.value)
        if outcome.word is Word.EXPLAINED:
            return
        if case.code in CODES or case.code is None:
            by_registry = NO_SUCH_SENDER.get(case.code or "") if door.is_axis else None
            assert outcome.code in (case.code, by_registry), outcome
            assert outcome.word is (Word.ADMITTED if case.code is None else word_of(case.code)), outcome
        elif not door.is_axis:
            # What its files are is no matter of the envelope's verdict.
            assert outcome.word is Word.ADMITTED, outcome
        elif case.code == HELD_WORD:
            assert outcome.word is Word.HELD, outcome
        else:
            answer = (outcome.code, outcome.word, outcome.answered)
            assert answer == (case.code, Word.REJ_FMT, ("02",)), outcome


@pytest.mark.asyncio(loop_scope="session")
async def test_each_threat_in_a_file_ends_as_it_must(
    embedded: AxisDoor,
    verify: CommandDoor,
    explain: CommandDoor,
    cases: Cases,
    record_property: table.Record,
) -> None:
    chosen = sample()
    assert len(set(chosen)) == SAMPLE
    assert {case.threat for case in chosen} == {case.threat for case in CASES}
    for case in chosen:
        for door in (embedded, verify, explain):
            await try_at(door, case, cases, record_property)
