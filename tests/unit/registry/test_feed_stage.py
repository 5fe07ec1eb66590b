"""Beside each other, a feed and the registry: chains and circles as a plain walk over them finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.registry_authoring.feed_file import AgencyLine
from gateway.registry_authoring.feed_stage import LONGEST_CHAIN, PROBLEMS, FeedStage
from tests.support import feeds

CODES = [f"Z91.{n:02}" for n in range(8)]
edges = st.dictionaries(st.sampled_from(CODES), st.sampled_from(CODES))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[FeedStage]:
    with closing(FeedStage(tmp_path, is_snapshot=True)) as feed_stage:
        yield feed_stage


def chain(links: int) -> list[tuple[AgencyLine, str]]:
    codes = [f"Z91.{n:03}" for n in range(links + 1)]
    above = [None, *codes]
    return [(feeds.agency(code, parent=up), "") for code, up in zip(codes, above, strict=False)]


def test_a_chain_may_have_its_fifty_links_and_no_more(tmp_path: Path) -> None:
    for links, problems in ((LONGEST_CHAIN, 0), (LONGEST_CHAIN + 1, 1)):
        with closing(FeedStage(tmp_path, is_snapshot=True)) as stage:
            stage.put_feed(chain(links))
            assert len(stage.problems(4)) == problems


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parents=edges)
def test_circles_are_found_as_a_walk_finds_them(parents: dict[str, str], tmp_path: Path) -> None:
    def ends(code: str) -> bool:
        for _ in CODES:
            if code not in parents:
                return True
            code = parents[code]
        return False

    with closing(FeedStage(tmp_path, is_snapshot=True)) as stage:
        stage.put_feed((feeds.agency(code, parent=parents.get(code)), "") for code in CODES)
        circles = {text.split(":")[0] for text in stage.problems(4)}

    assert circles == {code for code in CODES if not ends(code)}


def test_a_circle_that_only_our_own_rows_make_does_not_stop_a_feed(stage: FeedStage) -> None:
    ours = [feeds.agency("Z95", successor="Z96"), feeds.agency("Z96", successor="Z95")]
    stage.put_base((row, False) for row in ours)
    stage.put_feed([(feeds.agency("Z91"), "")])

    assert stage.problems(4) == []


def test_an_alias_of_a_row_that_goes_may_go_to_another_and_one_of_our_own_may_not(tmp_path: Path) -> None:
    for goes, problems in ((True, []), (False, ["Z91 and Z92 share the alias A1"])):
        with closing(FeedStage(tmp_path, is_snapshot=True)) as stage:
            stage.put_base([(feeds.agency("Z91", alias="A1"), goes)])
            stage.put_feed([(feeds.agency("Z92", alias="A1"), "")])
            assert stage.problems(4) == problems


def test_what_is_told_of_one_feed_is_bounded(stage: FeedStage) -> None:
    stage.put_feed((feeds.agency(f"Z91.{n:04}", parent="Z95"), "") for n in range(2000))

    assert len(stage.problems(4)) == PROBLEMS


def test_more_certificates_than_a_code_may_have_are_a_problem(stage: FeedStage) -> None:
    rows = [feeds.proposal("Z91", bytes([n])) for n in range(3)]
    stage.put_feed([(feeds.agency("Z91"), ""), *((row, f"key {n}") for n, row in enumerate(rows))])

    assert stage.problems(2) == ["Z91: 3 certificates are proposed for it, at most 2"]
