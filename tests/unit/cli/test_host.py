"""Agencies come to a node and leave it by commands; nothing that is open is left behind, nothing is deleted."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.domain.account import AgencyScope
from gateway.domain.document import InState
from gateway.store.store import SqlStore
from tests.support import stores
from tests.support.clock import ManualClock
from tests.unit.cli.conftest import Terminal

LIST = "code,name,alias,parent,host\nZ92,Province,,,\nZ92.01,Office,000.00.01.Z92,Z92,node-b\nZ92.02,Second,,Z92,\n"


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    """Set up a node of Z92.01 that knows two more agencies."""
    assert terminal.type("init", "--code", "Z92.01", "--name", "Office", "--yes").code == 0
    (tmp_path / "agencies.csv").write_text(LIST, encoding="utf-8")
    assert terminal.type("registry", "import", "agencies.csv", "--apply", "--yes").code == 0
    return terminal


def test_a_second_agency_is_taken_from_the_registry_and_listed(node: Terminal) -> None:
    refused = [node.type("host", "add", code, "--yes").code for code in ("Z93", "Z92.01")]
    only = node.type("host", "remove", "Z92.01", "--yes")
    dry = node.type("host", "add", "Z92.02", "--dry-run")
    assert (*refused, only.code, dry.code) == (3, 4, 4, 0)
    assert len(node.type("host", "list", "-o", "json").json["data"]) == 1

    run = node.type("host", "add", "z92.02", "--numbering", "B", "--yes", "-o", "json", "--lang", "en")
    listed = node.type("host", "list", "-o", "json").json["data"]

    assert run.code == 0, run.err
    assert (run.json["code"], run.json["name"], run.json["numbering"]) == ("Z92.02", "Second", "B")
    assert "gateway keys new --agency Z92.02" in run.err
    assert "According to the registry Z92.02 is hosted by –" in run.err
    assert [(row["code"], row["host"]) for row in listed] == [("Z92.01", "node-b"), ("Z92.02", None)]


def test_an_agency_leaves_and_comes_back_with_its_documents(node: Terminal) -> None:
    first = node.type("host", "add", "Z92.02", "--yes", "-o", "json").json["id"]
    removed = node.type("host", "remove", "Z92.02", "--yes", "--lang", "en")
    keys = node.type("keys", "list", "--agency", "Z92.02")
    readded = node.type("host", "add", "Z92.02", "--yes", "-o", "json").json["id"]

    assert removed.code == 0, removed.err
    assert "gateway registry set-host Z92.02 NODE" in removed.err
    assert keys.code == 3
    assert readded == first


def test_an_agency_with_an_undecided_document_stays_and_the_command_names_the_cause(node: Terminal) -> None:
    agency = node.type("host", "add", "Z92.02", "--yes", "-o", "json").json["id"]
    asyncio.run(receive(agency))

    run = node.type("host", "remove", "Z92.02", "--yes", "--lang", "en")

    assert run.code == 4
    assert "1 incoming document is undecided" in run.err
    assert "gateway inbox list --agency Z92.02" in run.err
    assert len(node.type("host", "list", "-o", "json").json["data"]) == 2


async def receive(agency_id: str) -> None:
    """Receive a document that is still undecided."""
    scope = AgencyScope(agency_id=agency_id, principal_id="prn_test")
    store = SqlStore("sqlite+aiosqlite:///data/gateway.db", SystemClock())
    try:
        async with store.changing(scope) as work:
            await work.incoming.add(stores.incoming(ManualClock(), scope=scope, state=InState.NEW))
    finally:
        await store.close()


def test_a_code_is_given_to_a_node_and_taken_away_and_each_is_recorded(
    node: Terminal, tmp_path: Path
) -> None:
    first = node.type("registry", "set-host", "Z92.02", "node-c", "--yes", "-o", "json").json
    agency = node.type("registry", "show", "Z92.02", "-o", "json").json
    unset_host = node.type("registry", "set-host", "Z92.02", "--none", "--yes", "-o", "json").json
    with sqlite3.connect(tmp_path / "data" / "gateway.db") as database:
        recorded = {row[0] for row in database.execute("SELECT id FROM registry_change")}
    database.close()

    assert (first["from"], first["to"], agency["host"], agency["parent"]) == (None, "node-c", "node-c", "Z92")
    assert (unset_host["from"], unset_host["to"]) == ("node-c", None)
    assert {first["id"], unset_host["id"]} <= recorded


def test_many_codes_are_given_to_a_node_by_pattern_or_file_in_one_change(
    node: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "hosts.csv").write_text("code,host\nZ92,node-b\nZ92.02,\n", encoding="utf-8")
    (tmp_path / "wrong.csv").write_text("code,host\nZ92,node-x\nZ99.99,node-x\n", encoding="utf-8")

    by_pattern = node.type("registry", "set-host", "Z92.*", "node-c", "--yes", "-o", "json").json
    repeat = node.type("registry", "set-host", "Z92.*", "node-c", "--yes", "-o", "json").json
    by_file = node.type("registry", "set-host", "--file", "hosts.csv", "--yes", "-o", "json").json
    wrong = node.type("registry", "set-host", "--file", "wrong.csv", "--yes", "-o", "json")
    nobody = node.type("registry", "set-host", "Z77.*", "node-c", "--yes")

    hosts = {
        code: node.type("registry", "show", code, "-o", "json").json["host"] for code in ("Z92", "Z92.02")
    }
    assert by_pattern["changed"] >= 1
    assert (repeat["id"], repeat["changed"], repeat["unchanged"]) == (None, 0, by_pattern["changed"])
    assert by_file["changed"] == 2
    assert hosts == {"Z92": "node-b", "Z92.02": None}
    assert (wrong.code, nobody.code) == (3, 3)
    assert "Z99.99" in wrong.json["error"]["detail"]


def test_a_host_that_cannot_be_is_refused(node: Terminal) -> None:
    for exit_code, *words in (
        (3, "Z93", "node-c"),
        (4, "Z92.02", "no/node"),
        (2, "Z92.02"),
        (2, "Z92.02", "node-c", "--none"),
        (4, "Z92.*", "no/node"),
    ):
        run = node.type("registry", "set-host", *(str(word) for word in words), "--yes")
        assert run.code == exit_code, words
        assert node.type("registry", "show", "Z92.02", "-o", "json").json["host"] is None
