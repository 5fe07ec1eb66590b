"""A database that was put back by its own tools: it works again when two persons, who are there, have looked at it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.domain.sealed_log import read_seal
from gateway.trust import seals
from tests.support.cli_people import FIRST, SECOND, Deciders, typing
from tests.unit.cli.conftest import Terminal, set_up
from tests.unit.cli.test_audit import DATABASE, sealed

PEOPLE = ("--confirmed-by", FIRST, "--approved-by", SECOND, "--yes")


@pytest.fixture
def node(terminal: Terminal) -> Terminal:
    set_up(terminal)
    return terminal


def _refusal(node: Terminal) -> object:
    listed = node.type("queue", "list", "-o", "json")
    return listed.json["error"]["code"] if listed.code else None


def test_a_marked_node_works_again_when_two_signed_in_persons_say_so(node: Terminal) -> None:
    two = Deciders.add_to(Path("gateway.toml"))
    assert node.type("restored", "--mark", "--yes").code == 0
    assert _refusal(node) == node.type("inbox", "list", "-o", "json").json["error"]["code"] == "GW-C-002"

    with typing(two.lines(FIRST) + "wrong\n000000\n"):
        assert node.type("restored", *PEOPLE).code == 5
    with typing(two.lines(FIRST) + two.lines(FIRST)):
        assert node.type("restored", *PEOPLE[:3], FIRST, "--yes").code == 5
    assert _refusal(node) == "GW-C-002"
    with typing(two.lines(FIRST) + two.lines(SECOND)):
        confirmed = node.type("restored", *PEOPLE, "-o", "json")

    assert confirmed.json["approved_by"] == SECOND, confirmed.err
    assert _refusal(node) is None


def test_a_database_that_never_made_the_newest_published_seal_waits_to_be_confirmed(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: what was confirmed is not asked again."""
    options = ("--confirmed-by", "A. Operator", "--approved-by", "A. Leader", "--yes")
    monkeypatch.setenv("GATEWAY_LOG_PUBLISH_FOLDER", str(Path("seals").absolute()))
    Path("seals").mkdir()
    sealed(1)
    with closing(sqlite3.connect(DATABASE)) as restored_db, closing(sqlite3.connect("copy.db")) as copy:
        restored_db.backup(copy)
    sealed(1)
    assert node.type("audit", "publish", "--to", "newest").code == 0
    seals.publish_seal(Path("seals"), read_seal(Path("newest").read_bytes()))
    assert _refusal(node) is None

    with closing(sqlite3.connect(DATABASE)) as restored_db, closing(sqlite3.connect("copy.db")) as copy:
        copy.backup(restored_db)

    assert _refusal(node) == "GW-C-002"
    assert node.type("restored", *options).code == 0, "this copy knows nobody who could sign in"
    assert _refusal(node) is None
