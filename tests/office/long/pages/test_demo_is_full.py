"""The demonstration may be started again in its folder, also after it was cut short: what is there stays one. That no page
of it is empty is seen by the walk over every page."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from gateway.settings import Settings
from gateway.store import reporting
from gateway_labs.demo import desks, stage, story
from gateway_labs.demo.stage import Steps
from tests.office.pages.site import Site
from tests.office.pages.test_one_word import one_word_everywhere
from tests.support.cases import Cases
from tests.support.clock import MovableClock
from tests.support.town.scenes import STAGED, until_quiet

DOCUMENTS = ("outgoing_document", "incoming_document", "delivery", "register_entry", "hold", "recall_ask")
# What a node at work writes by itself: figures, also of sign-ins, samples, the log's seals.
BY_ITSELF = ("job_day", "queue_sample", "list_", "log_", "figure_")


def counted(settings: Settings) -> dict[str, int]:
    """Count the rows of every table there is."""
    with closing(sqlite3.connect(settings.node.data_dir / "gateway.db")) as file:
        names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {row: file.execute(f'SELECT count(*) FROM "{row}"').fetchone()[0] for row in names}  # noqa: S608 - names


def ignore(key: str, **params: object) -> None:
    """Ignore a step of the story."""


@pytest.mark.laid
async def test_the_desks_are_laid_out_once_however_often_they_are_begun(site: Site, cases: Cases) -> None:
    """The forged packets were found out, the dead died on the axis, and each document has one word at every door. A second
    time adds nothing; what was cut short is laid out once."""
    node, settings = site.node, site.node.settings
    packets, dead = await reporting.parked_packets(node.store, "", 10), await node.axis.dead_list()
    assert [x.state for x in packets] == ["quarantined"] * 3
    assert {x.recipient for x in dead} == {stage.cast().code("silent")}
    assert all("never settled" in x.reason for x in dead)
    await one_word_everywhere(site, cases)

    await until_quiet(node)
    old_counts = counted(settings)
    earlier = MovableClock(STAGED)
    cast = await story.prepare_cast(settings, earlier)
    await desks.days_ago(settings, cast, earlier, ignore)
    await desks.just_now(node, cast)
    await until_quiet(node)
    new_counts = counted(settings)
    grown = {name for name in old_counts if new_counts[name] != old_counts[name]}
    assert not {n for n in grown if not n.startswith(BY_ITSELF)}

    file = settings.node.data_dir / "laid-out.json"
    steps = [step for step in json.loads(file.read_text("utf-8")) if step != "mail"]
    file.write_text(json.dumps(steps), "utf-8")
    await desks.just_now(node, await story.prepare_cast(settings, site.clock))
    await until_quiet(node)
    new_counts, audit = counted(settings), await story.count_all(node)
    assert {name: new_counts[name] for name in DOCUMENTS} == {name: old_counts[name] for name in DOCUMENTS}
    assert audit.doubled == 0
    assert Steps(settings.node.data_dir).is_done("mail")
