"""The kit against a sandbox at work: a gateway that does right passes, a copy broken on purpose fails where it is broken,
and what cannot be judged is said as such."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Denied, Unreachable
from gateway.words import labels
from gateway_labs.conformance import otherways, run
from gateway_labs.conformance.run import Subject
from gateway_labs.conformance.score import Check, Score, sheet
from gateway_labs.conformance.steps import STEPS
from gateway_labs.sandbox.opened import Running
from tests.labs.support.sandbox import BREAKAGES, Breakage, at_work, broken_copy

# Quick ones of each group; all of them are in tests/acceptance.
SOME = {1, 4, 19, 31}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with at_work(tmp_path_factory.mktemp("kit") / "sandbox") as box:
        yield box


def failed(score: Score) -> set[int]:
    return {s.n for s in score.steps if not s.passed}


async def test_a_gateway_that_does_right_passes(sandbox: Running) -> None:
    steps: list[int] = []

    score = await run.run(run.itself(sandbox), lambda step: steps.append(step.n), SOME)

    assert (failed(score), score.is_whole, steps) == (set(), True, sorted(SOME))
    assert (score.passed, len(score.steps), score.agency) == (4, 4, "T00.01")


@pytest.mark.parametrize("name", ["no key of idempotency counts", "incoming documents are entered twice"])
async def test_a_broken_copy_fails_where_it_is_broken_and_nowhere_else(sandbox: Running, name: str) -> None:
    breakage, wrong = BREAKAGES[name]
    async with broken_copy(sandbox, breakage) as url:
        subject = replace(run.itself(sandbox), url=url)
        sound = await run.run(subject, only=SOME - wrong)
        # What never comes is waited for to the end.
        broken = await run.run(replace(subject, patience_s=3.0), only=SOME & wrong)

    assert (failed(sound), failed(broken)) == (set(), SOME & wrong)
    assert all(step.as_json("en")["mend"] for step in broken.steps)


async def test_a_step_that_broke_off_takes_along_what_needs_it_and_is_named(sandbox: Running) -> None:
    def without_key(headers: dict[str, str]) -> None:
        headers.pop("Idempotency-Key", None)

    breakage = Breakage(asks=without_key)
    async with broken_copy(sandbox, breakage) as url:
        steps: list[int] = []
        subject = replace(run.itself(sandbox), url=url, patience_s=3.0, system="", folder=None)
        score = await run.run(subject, lambda step: steps.append(step.n), only={1, 2, 6, 7, 31})

    skipped = {step["n"]: step["skipped"] for step in score.as_json("en")["steps"]}
    assert skipped[6] == skipped[7] == {"because": "step", "step": 1}
    assert skipped[31] == {"because": "not-given", "step": None}
    assert (skipped[1], skipped[2], steps) == (None, None, [1, 2, 6, 7, 31])
    assert (score.judged, score.is_whole) == (4, False)
    assert "step 1 broke off" in sheet(score, "en")


async def test_after_its_time_the_run_ends_and_says_so(sandbox: Running) -> None:
    def empty_inbox(method: str, path: str, answer: Any) -> Any:
        return answer | {"data": []} if path == "/api/v1/inbox" else answer

    async with broken_copy(sandbox, Breakage(answers=empty_inbox)) as url:
        subject = replace(run.itself(sandbox), url=url, patience_s=600.0)
        score = await run.run(subject, only={17, 18}, limit_s=1.0)

    admitted, receipt = score.steps
    assert admitted.expectations[-1].actual == "the time of the run ended"
    assert receipt.as_json("en")["skipped"] == {"because": "time", "step": None}


async def test_the_score_sheet_is_a_page_without_scripts_that_escapes_the_answers(sandbox: Running) -> None:
    score = await run.run(run.itself(sandbox), only={1})
    check = Check()
    check.equal("state", "sent", "<script>alert(1)</script>")
    (step,) = score.steps
    bad = replace(
        score, steps=(replace(step, passed=False, expectations=tuple(check.expectations)),), target="<b>"
    )

    for lang in labels.LANGUAGES:
        page = sheet(bad, lang)
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert "<b>" not in page
        assert "default-src 'none'" in page
        assert "src=" not in page
        assert labels.say("conformance.accept.title", lang) in page
    assert json.loads(json.dumps(bad.as_json("en")))["passed"] == 0


async def test_a_key_that_is_refused_or_an_address_that_answers_nobody_ends_the_run(sandbox: Running) -> None:
    with pytest.raises(Denied):
        await run.run(replace(run.itself(sandbox), key="sbx_wrong", bench_key="sbx_wrong"), only={1})
    nobody = Subject(url="http://127.0.0.1:9", key="k", bench_url="http://127.0.0.1:9", bench_key="k")
    with pytest.raises(Unreachable):
        await run.run(nobody, only={1})


def test_every_step_has_its_words_in_both_languages() -> None:
    assert [s.n for s in STEPS] == list(range(1, 33))
    assert len({s.key for s in STEPS}) == 32
    for step in STEPS:
        for lang in labels.LANGUAGES:
            for part in ("title", "done", "mend"):
                assert labels.say(f"conformance.{step.key}.{part}", lang)
    # A step without a single expectation is not passed; the kit judges answers and packets, and looks into no store.
    assert not Check().passed
    for file in Path(run.__file__).parent.glob("*.py"):
        assert "gateway.store" not in file.read_text("utf-8"), file.name


def test_a_folder_that_the_node_moves_while_it_is_looked_through_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("moved", "stays"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.json").touch()
    scandir = os.scandir

    def scan(path: str | Path) -> Any:
        if Path(path).name == "moved":
            Path(path).rename(tmp_path.parent / "elsewhere")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)

    assert otherways.files_named(tmp_path, "meta.json") == [tmp_path / "stays" / "meta.json"]
