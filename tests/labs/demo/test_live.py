"""A programmer meets the demonstration: programs on this machine get webhooks, and a key that is printed is for an inbox
that no other program empties."""

from __future__ import annotations

from pathlib import Path

from gateway.bootstrap.guards import webhook_reach
from gateway.domain import webhook
from gateway_labs.demo import live, stage
from gateway_labs.demo.axes_between import HOST


def test_a_program_on_this_machine_may_have_a_webhook(tmp_path: Path) -> None:
    reach = webhook_reach(live.settings_for(tmp_path, 0))

    webhook.read_url(f"http://{HOST}:8099/hook", reach)


def test_the_keys_are_of_agencies_without_a_hot_folder(tmp_path: Path) -> None:
    emptied = live.settings_for(tmp_path, 0).folder.agencies

    assert live.PROGRAMS
    assert {"province", "department"} <= set(live.PROGRAMS)
    assert emptied not in {stage.cast().code(actor) for actor in live.PROGRAMS}
