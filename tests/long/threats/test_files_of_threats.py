"""Threats that come as one file: each through every door, with the outcome and code it must have there."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from gateway.edxml.verify import CODES
from tests.threats.cases import CASES, HELD, Case, Letter
from tests.threats.doors import Door, Word, word_of

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

_NUMBERS = itertools.count(1)
# The broker's way joins the embedded axis' way behind the adapter, so one case of each threat is enough there.
FIRST = [next(group) for _, group in itertools.groupby(CASES, key=lambda case: case.threat)]

# A node has a registry to ask whether there is such a code at all; `gateway verify` has bindings alone (K7).
NO_SUCH_SENDER = {"SIG-NO-BINDING": "SIG-SENDER"}


async def try_at(door: Door, case: Case, record: Callable[[str, object], None]) -> None:
    letter = Letter(n=next(_NUMBERS), now=door.now)

    outcome = await door.deliver(case.make(letter), letter.told)

    record("outcome", outcome.word.value)
    if outcome.word is Word.TOLD:
        return
    if case.code in CODES or case.code is None:
        by_registry = NO_SUCH_SENDER.get(case.code or "") if door.is_axis else None
        assert outcome.code in (case.code, by_registry), outcome
        assert outcome.word is _word(case.code), outcome
    elif not door.is_axis:
        assert outcome.word is Word.ADMITTED, (
            outcome
        )  # what its files are is no matter of the envelope's verdict
    elif case.code == HELD:
        assert outcome.word is Word.HELD, outcome
    else:
        assert (outcome.code, outcome.word, outcome.answered) == (case.code, Word.REJ_FMT, ("02",)), outcome


def _word(code: str | None) -> Word:
    return Word.ADMITTED if code is None else word_of(code)


@pytest.mark.parametrize("door", ["embedded", "verify", "explain"], indirect=True)
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
async def test_each_threat_in_a_file_ends_as_it_must(
    case: Case, door: Door, record_property: Callable[[str, object], None]
) -> None:
    await try_at(door, case, record_property)


@pytest.mark.parametrize("door", ["brokered"], indirect=True)
@pytest.mark.parametrize("case", FIRST, ids=[case.id for case in FIRST])
async def test_each_threat_in_a_file_ends_alike_at_the_broker(
    case: Case, door: Door, record_property: Callable[[str, object], None]
) -> None:
    await try_at(door, case, record_property)
