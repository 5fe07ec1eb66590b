"""Webhooks at the command line: rows of the table of the API's calls, carried out on a node that does not run."""

from __future__ import annotations

from gateway.api.resources import ROUTES
from gateway.cli import operations, outbox, webhooks
from tests.unit.cli.conftest import Terminal, set_up

PLACE = "https://qlvb.example/events"


def test_a_webhook_is_made_shown_turned_and_removed_and_its_secret_is_told_once(terminal: Terminal) -> None:
    set_up(terminal)

    added = terminal.type(
        "webhooks", "add", PLACE, "--type", "message.*", "--note", "qlvb", "--yes", "-o", "json"
    )
    assert added.code == 0, added.err
    id = added.json["id"]
    assert added.json["secret"].startswith("whsec_")
    assert (added.json["url"], added.json["types"], added.json["note"]) == (PLACE, ["message.*"], "qlvb")

    row_by_id = terminal.type("webhooks", "show", id, "-o", "json")
    (row,) = terminal.type("webhooks", "list", "-o", "json").json["data"]
    assert "secret" not in row_by_id.json
    assert row == row_by_id.json
    assert row["state"] == "active"
    assert PLACE in terminal.type("webhooks", "list").out
    assert terminal.type("webhooks", "list", "-q").out == f"{id}\n"

    turned = terminal.type("webhooks", "rotate", id, "--overlap", "0h", "--yes", "-q").out.strip()
    assert turned.startswith("whsec_")
    assert turned != added.json["secret"]
    assert len(terminal.type("webhooks", "show", id, "-o", "json").json["secrets_until"]) == 1

    assert terminal.type("webhooks", "pause", id, "--yes", "-o", "json").json["state"] == "paused"
    assert terminal.type("webhooks", "pause", id, "--yes").code == 4
    assert terminal.type("webhooks", "resume", id, "--yes", "-o", "json").json["state"] == "active"

    log = terminal.type("webhooks", "log", id, "--limit", "500", "-o", "json")
    assert log.json == {"data": [], "next_cursor": None, "has_more": False}
    assert terminal.type("webhooks", "remove", id, "--yes", "-o", "json").json == {"id": id}
    assert terminal.type("webhooks", "show", id).code == 3


def test_what_cannot_be_asked_is_a_wrong_use_and_nothing_is_done_without_yes(terminal: Terminal) -> None:
    set_up(terminal)
    hook = terminal.type("webhooks", "add", PLACE, "--yes", "-o", "json").json["id"]

    for words in (
        ("log", hook, "--state", "lost"),
        ("log", hook, "--cursor", "12"),
        ("log", hook, "--limit", "501"),
        ("add", PLACE, "--after", "yesterday", "--yes"),
        ("rotate", hook, "--overlap", "soon", "--yes"),
        ("remove", hook),
        ("redeliver", hook, "--yes"),
    ):
        assert terminal.type("webhooks", *words).code == 2, words
    dry_run = terminal.type("webhooks", "remove", hook, "--dry-run", "--lang", "en")
    assert (dry_run.code, dry_run.out) == (0, "")
    assert hook in dry_run.err
    assert terminal.type("webhooks", "show", hook).code == 0


def test_every_command_of_a_call_names_one_that_there_is() -> None:
    assert {webhooks.list_, outbox.recall} <= set(operations.COMMANDS)

    assert set(operations.COMMANDS.values()) <= {route.name for route in ROUTES}
