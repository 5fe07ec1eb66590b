"""Destruction at the command line: a person sees what would go before it is proposed; an act is shown, stopped, and its
list is signed; a restored node destroys again before it works."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from gateway import destroying
from gateway.clock import SystemClock
from gateway.domain.account import AgencyScope
from gateway.domain.document import OutState
from gateway.domain.identity import PacketId
from gateway.pool import ThreadPool
from gateway.store.blobs import FileBlobs
from gateway.store.store import SqlStore
from tests.support.cli_people import FIRST, SECOND, Deciders, typing
from tests.support.destruction import confirmed, worked_off
from tests.support.stores import draft, outgoing
from tests.unit.cli.conftest import Terminal, set_up
from tests.unit.cli.test_audit import DATABASE

TABLE = "class,type,file_kind,months,start,valid_from,valid_until,basis\nCV,Letter,,12,year-end,2000-01-01,,QĐ 1\n"
AS = ("--why", "Retention has ended", "--as", FIRST)
FOLDER = Path("state")


@pytest.fixture
def node(terminal: Terminal) -> Terminal:
    """Set up a node with a letter of long ago, one of its files, and a table of retention."""
    set_up(terminal)
    asyncio.run(_issue())
    Path("table.csv").write_text(TABLE, encoding="utf-8")
    assert terminal.type("retention", "import", "table.csv", "--yes").code == 0
    return terminal


async def _open() -> tuple[SqlStore, AgencyScope]:
    store = SqlStore(f"sqlite:///{DATABASE}", SystemClock())
    await store.open()
    (agency,) = await store.hosted()
    return store, AgencyScope(agency_id=agency.id, principal_id="prn_clerk")


async def _issue() -> None:
    store, scope = await _open()
    old = outgoing(SystemClock(), scope=scope, id="msg_old", state=OutState.PACKED)
    old = replace(old, draft=draft(issued_on=date(2020, 1, 1)))
    young = replace(old, id="msg_young", packet_id=PacketId("young"), draft=draft(issued_on=date(2190, 1, 1)))
    try:
        async with store.changing(scope) as work:
            await work.outgoing.add(old)
            await work.outgoing.add(young)
    finally:
        await store.close()


async def _destroy() -> None:
    store, scope = await _open()
    pool = ThreadPool(1)
    try:
        await confirmed(store, SystemClock(), scope, "Letter")
        blobs = FileBlobs(FOLDER / "content", store, SystemClock(), pool)
        await worked_off(store, SystemClock(), pool, blobs, FOLDER)
    finally:
        pool.close()
        await store.close()


def test_a_person_sees_what_would_go_before_it_is_proposed_and_stops_it(node: Terminal) -> None:
    two = Deciders.add_to(Path("gateway.toml"))
    with typing(two.lines(FIRST)):
        plan = node.type("destruction", "propose", *AS, "--dry-run", "--lang", "en", "-o", "json")
    assert [line["document"] for line in plan.json["data"]] == ["msg_old"]
    assert (plan.json["count"], plan.json["refused"]) == (1, {"retention has not ended": 1})
    assert "Propose to destroy 1 documents?" in plan.err
    assert node.type("destruction", "list", "-o", "json").json["data"] == []

    with typing(two.lines(FIRST)):
        assert node.type("destruction", "propose", *AS, "--document", "msg_young", "--yes").code == 4
    with typing(two.lines(FIRST)):
        proposed = node.type("destruction", "propose", *AS, "--yes", "-o", "ndjson")
    assert proposed.code == 0, proposed.err
    (act,) = node.type("destruction", "list", "-o", "json").json["data"]
    assert (act["state"], act["documents"], act["decision"]) == ("proposed", 1, "")
    details = node.type("destruction", "show", act["id"], "-o", "json").json
    assert [(line["document"], line["state"]) for line in details["data"]] == [("msg_old", "due")]
    with typing(two.lines(SECOND)):
        stop = node.type("destruction", "stop", act["id"], *AS[:3], SECOND, "--yes", "-o", "json")
    assert stop.json["state"] == "stopped", stop.err


def test_the_list_is_signed_by_the_key_of_packs_over_every_byte(node: Terminal) -> None:
    asyncio.run(_destroy())
    (act,) = node.type("destruction", "list", "-o", "json").json["data"]
    assert act["state"] == "done"
    output = node.type("destruction", "export", act["id"], "--to", "list.jsonl", "-o", "json")
    assert output.code == 0, output.err

    *lines, last = Path("list.jsonl").read_bytes().splitlines(keepends=True)
    seal, content = json.loads(last), b"".join(lines)
    key = load_der_public_key(bytes.fromhex(seal["key"]))
    assert isinstance(key, Ed25519PublicKey)
    (public,) = Path().rglob("pack.pub.pem")
    assert load_pem_public_key(public.read_bytes()) == key
    assert [json.loads(line)["document_id"] for line in lines[1:]] == ["msg_old"]
    signature = bytes.fromhex(seal["signature"])
    key.verify(signature, destroying.SIGNED + hashlib.sha256(content).hexdigest().encode())
    changed = hashlib.sha256(content.replace(b"msg_old", b"msg_new")).hexdigest().encode()
    with pytest.raises(InvalidSignature):
        key.verify(signature, destroying.SIGNED + changed)


def test_a_restored_database_destroys_again_before_the_node_works(node: Terminal) -> None:
    """The folder of the node has the list; the rows are those of an older copy."""
    shutil.copy(DATABASE, "copy.db")
    asyncio.run(_destroy())
    shutil.copy("copy.db", DATABASE)
    two = Deciders.add_to(Path("gateway.toml"))
    assert node.type("restored", "--mark", "--yes").code == 0
    people = ("--confirmed-by", FIRST, "--approved-by", SECOND, "--yes", "--lang", "en")
    with typing(two.lines(FIRST) + two.lines(SECOND)):
        output = node.type("restored", *people)
    assert output.code == 0, output.err
    assert "1 documents of the list of destroyed ones were destroyed again" in output.err
    (act,) = node.type("destruction", "list", "-o", "json").json["data"]
    assert act["decision"].startswith("12/QĐ-UBND")
