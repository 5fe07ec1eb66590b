"""The kit against a sandbox at work: a gateway that does right passes, a copy broken on purpose fails where it is broken,
and what cannot be judged is said as such."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.conformance import run, sheet
from gateway.conformance.run import Subject
from gateway.conformance.score import Check, Score
from gateway.conformance.steps import STEPS
from gateway.errors import Denied, Unreachable
from gateway.sandbox.opened import Running
from gateway.words import labels
from tests.support.sandbox import BREAKAGES, at_work, broken_copy

# Quick ones of each group; all thirty are in tests/acceptance.
SOME = {1, 4, 19}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with at_work(tmp_path_factory.mktemp("kit") / "sandbox") as found:
        yield found


def failed(score: Score) -> set[int]:
    return {each.n for each in score.steps if not each.passed}


async def test_a_gateway_that_does_right_passes(sandbox: Running) -> None:
    heard: list[int] = []

    score = await run.run(run.itself(sandbox), lambda step: heard.append(step.n), SOME)

    assert (failed(score), score.is_whole, heard) == (set(), True, sorted(SOME))
    assert (score.passed, len(score.steps), score.agency) == (3, 3, "T00.01")


@pytest.mark.parametrize("name", ["no key of idempotency counts", "incoming documents are entered twice"])
async def test_a_broken_copy_fails_where_it_is_broken_and_nowhere_else(sandbox: Running, name: str) -> None:
    breakage, wrong = BREAKAGES[name]
    async with broken_copy(sandbox, breakage) as url:
        score = await run.run(replace(run.itself(sandbox), url=url, patience_s=3.0), only=SOME)

    assert failed(score) == wrong & SOME
    assert all(each.as_json("en")["mend"] for each in score.steps if not each.passed)


async def test_the_score_sheet_is_a_page_without_scripts_that_escapes_what_came(sandbox: Running) -> None:
    score = await run.run(run.itself(sandbox), only={1})
    check = Check()
    check.equal("state", "sent", "<script>alert(1)</script>")
    (step,) = score.steps
    bad = replace(score, steps=(replace(step, passed=False, found=tuple(check.found)),), target="<b>")

    for lang in labels.LANGUAGES:
        page = sheet.html(bad, lang)
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<b>" not in page
        assert "default-src 'none'" in page
        assert "src=" not in page
        assert labels.say("conformance.accept.title", lang) in page
    assert json.loads(json.dumps(bad.as_json("en")))["passed"] == 0


async def test_a_key_that_is_refused_or_an_address_that_answers_nobody_ends_the_run(
    sandbox: Running,
) -> None:
    with pytest.raises(Denied):
        await run.run(replace(run.itself(sandbox), key="sbx_wrong", bench_key="sbx_wrong"), only={1})
    nobody = Subject(url="http://127.0.0.1:9", key="k", bench_url="http://127.0.0.1:9", bench_key="k")
    with pytest.raises(Unreachable):
        await run.run(nobody, only={1})


def test_every_step_has_its_words_in_both_languages() -> None:
    assert [each.n for each in STEPS] == list(range(1, 31))
    assert len({each.key for each in STEPS}) == 30
    for step in STEPS:
        for lang in labels.LANGUAGES:
            for part in ("title", "done", "mend"):
                assert labels.say(f"conformance.{step.key}.{part}", lang)
    # A step without a single expectation is not passed; the kit judges answers and packets, and looks into no store.
    assert not Check().passed
    for file in Path(run.__file__).parent.glob("*.py"):
        assert "gateway.store" not in file.read_text("utf-8"), file.name
