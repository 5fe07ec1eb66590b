"""An operator and an examiner work with the sealed log at the command line."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from gateway.clock import SystemClock
from gateway.domain import sealed_log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.state_audit import StateDifference
from gateway.domain.wall_clock import local
from gateway.policy.upkeep import Rhythm
from gateway.pool import ThreadPool
from gateway.store import state_audit
from gateway.store.state_audit import StateCount
from gateway.store.store import SqlStore
from gateway.trust import seals
from gateway.workers.event_log import LogSealer
from tests.support.passphrases import make_cheap
from tests.support.tsa import tsa
from tests.unit.cli.conftest import CommandRun, Terminal, set_up

DATABASE = Path("state/gateway.db")
ENGLISH = ("--lang", "en")


@pytest.fixture
def node(terminal: Terminal) -> Terminal:
    """Set up a node with three events and one seal over its log."""
    set_up(terminal)
    sealed(3)
    return terminal


def sealed(count: int) -> None:
    """Write that number of events and seal them, as the workers do."""
    asyncio.run(_sealed(count))


async def _sealed(count: int) -> None:
    pool, clock = ThreadPool(1), SystemClock()
    store = SqlStore(f"sqlite:///{DATABASE.absolute()}", clock)
    try:
        (agency,) = await store.hosted()
        scope = AgencyScope(agency_id=agency.id, principal_id="prn_1")
        async with store.changing(scope) as work:
            for n in range(count):
                data = {"n": n, "reason": "Nguyễn Văn A"}
                await work.events.append(EventKind.INBOX_RETURNED, f"inx_{n}", clock.now(), data)
        while await store.number_events():
            pass
        sealer = LogSealer(
            log=store.log,
            open_key=lambda **_: seals.open_seal_key(Path("state/keys"), None),
            clock=clock,
            pool=pool,
            rhythm=Rhythm(seal=Rhythm().seal * 0),
        )
        await sealer.step()
    finally:
        await store.close()
        pool.close()


def published(node: Terminal, name: str = "node.seal") -> Path:
    run = node.type("audit", "publish", "--to", name)
    assert run.code == 0, run.err
    return Path(name)


def change(statement: str) -> None:
    with closing(sqlite3.connect(DATABASE)) as database, database:
        assert database.execute(statement).rowcount


def test_a_published_seal_anchors_the_examination(node: Terminal) -> None:
    """Without one that is said, and an examination goes on from one."""
    assert "The log was not compared with a published seal" in node.type(*ENGLISH, "audit", "verify").out
    assert "Chưa so với dấu niêm nào" in node.type("audit", "verify").out
    file = published(node)
    seal = sealed_log.read_seal(file.read_bytes()).signed
    sealed(2)

    run = node.type(*ENGLISH, "audit", "verify", "--seal", file)
    from_seal = node.type("audit", "verify", "--from", file, "-o", "json")

    assert (run.code, from_seal.code) == (0, 0), run.err + from_seal.err
    assert "The log holds" in run.out
    assert "was not compared with a published seal" not in run.out
    assert seal.key_id in run.out
    assert {"code": "earlier", "params": {"leaves": seal.seal.tree_size}} in from_seal.json["notes"]


def test_what_was_changed_is_named_with_exit_7(node: Terminal) -> None:
    change("UPDATE event SET principal_id = 'prn_2' WHERE subject_id = 'inx_1'")

    run = node.type("audit", "verify", "-o", "json")

    assert run.code == 7
    assert run.json["verdict"] == "broken"
    (finding,) = run.json["findings"]
    assert (finding["code"], finding["params"]["fields"]) == ("event_changed", "principal")
    assert finding["where"] in node.type("audit", "verify").out


def test_threat_117_a_history_made_anew_is_found_with_the_seal_of_another_day(node: Terminal) -> None:
    file = published(node)
    change("UPDATE event SET subject_id = 'inx_9' WHERE subject_id = 'inx_1'")
    change("DELETE FROM log_leaf")
    change("DELETE FROM log_seal")
    change("UPDATE log SET size = 0, last_seq = 0, peaks = ''")
    sealed(1)

    assert node.type("audit", "verify").code == 0
    run = node.type(*ENGLISH, "audit", "verify", "--seal", file)
    assert run.code == 7
    assert "two histories" in run.out


def test_a_copy_of_the_database_is_examined_where_there_is_no_node(
    node: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = published(node).absolute()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with closing(sqlite3.connect(DATABASE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(DATABASE, elsewhere / "copy.db")
    monkeypatch.chdir(elsewhere)

    run = node.type(
        *("audit", "verify", "--database", f"sqlite:///{elsewhere}/copy.db", "--seal", file, "-o", "json")
    )

    assert run.code == 0, run.err
    assert (run.json["verdict"], run.json["anchored"]) == ("holds", True)


def test_a_file_that_is_no_seal_or_no_root_is_told_as_such(node: Terminal) -> None:
    for content in (b"", b"no seal", b"gateway-log-seal/1\n"):
        Path("x.seal").write_bytes(content)
        run = node.type(*ENGLISH, "audit", "verify", "--seal", "x.seal")
        assert run.code == 7
        assert "no seal" in run.err
    Path("ca.pem").write_text("nothing")
    assert node.type("audit", "verify", "--tsa-ca", "ca.pem").code == 1

    tsa().folder(Path("state/trust"))  # whose authorities are used by themselves
    change("UPDATE log_seal SET stamp = x'30', stamped_at = at")
    run = node.type("audit", "verify", "-o", "json")
    assert run.code == 7
    assert [f["code"] for f in run.json["findings"]] == ["stamp_wrong"]


def test_a_seal_is_published_with_its_key_printed_and_on_paper(node: Terminal) -> None:
    run = node.type("audit", "publish", "--to", "node.seal", "--key", "node.pem")
    printed = node.type("audit", "publish").out.encode()
    paper = node.type("audit", "publish", "--paper").out

    assert run.code == 0, run.err
    assert printed == Path("node.seal").read_bytes()
    signed = sealed_log.read_seal(printed).signed
    assert signed.seal.number == 1
    root = signed.seal.root.hex()
    assert " ".join(root[at : at + 4] for at in range(0, 32, 4)) in paper
    key = load_pem_public_key(Path("node.pem").read_bytes())
    assert key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == signed.key


def test_before_the_first_seal_there_is_nothing_to_publish(terminal: Terminal) -> None:
    set_up(terminal)

    assert terminal.type("audit", "publish").code == 3
    assert terminal.type("audit", "verify").code == 0


def lines(run: CommandRun) -> list[dict[str, Any]]:
    assert run.code == 0, run.err
    return [json.loads(line) for line in run.out.splitlines()]


def test_what_is_exported_is_proved_without_this_program(node: Terminal) -> None:
    first, *leaves = lines(node.type("audit", "export", "--kind", "inbox.*"))
    seal = sealed_log.read_seal(str(first["seal"]).encode()).signed.seal
    assert len(leaves) == 3
    for line in leaves:
        hashed = hashlib.sha256(b"\x00" + line["leaf"].encode()).digest()
        proof = [bytes.fromhex(node) for node in line["proof"]]
        assert sealed_log.proves_inclusion(hashed, line["index"], seal.tree_size, proof, seal.root)
        assert "texts" not in line
        assert "Nguy" not in json.dumps(line)

    # Texts only when asked for, with what opens them.
    _, leaf, *_ = lines(node.type("audit", "export", "--subject", "inx_0", "--texts"))
    text = leaf["texts"]["reason"]
    salted = json.loads(leaf["leaf"])["personal"]["reason"]
    encoded = json.dumps(text["value"]).encode()
    assert text["value"] == "Nguyễn Văn A"
    assert hashlib.sha256(bytes.fromhex(text["salt"]) + encoded).hexdigest() == salted
    # An export is an event too.
    events = node.type("audit", "search", "--kind", "log.exported", "-o", "json").json["data"]
    assert [event["data"] for event in events] == [
        {"seal": 1, "texts": False, "asked": {"kind": "inbox.*"}},
        {"seal": 1, "texts": True, "asked": {"subject": "inx_0"}},
    ]


def test_search_shows_the_newest_last(node: Terminal) -> None:
    events = node.type("audit", "search", "--kind", "inbox.returned", "--limit", "2", "-o", "json").json[
        "data"
    ]

    assert [event["subject"] for event in events] == ["inx_1", "inx_2"]
    assert all(event["leaf"] is not None for event in events)
    assert "inx_2" in node.type("audit", "search", "--agency", "Z91.02").out
    assert node.type("audit", "search", "--since", "tomorrow").code == 2


def test_threat_121_a_text_is_deleted_for_ever_and_the_log_holds(node: Terminal) -> None:
    file = published(node)
    (event,) = node.type("audit", "search", "--subject", "inx_1", "-o", "json").json["data"]

    run = node.type("audit", "erase", event["id"], "--reason", "Decision 12", "--yes", "-o", "json")
    assert run.json == {"id": event["id"], "erased": ["reason"]}
    sealed(1)

    (event,) = node.type("audit", "search", "--subject", "inx_1", "-o", "json").json["data"]
    assert event["data"] == {"n": 1}
    verdict = node.type("audit", "verify", "--seal", file, "-o", "json")
    assert verdict.code == 0, verdict.out
    assert {"code": "erased", "params": {"count": 1}} in verdict.json["notes"]
    assert node.type("audit", "erase", event["id"], "--reason", "again", "--yes").code == 4


def test_threat_114_a_binding_that_no_event_tells_of_is_named(node: Terminal) -> None:
    pem = Path("root.pem").read_text()
    with closing(sqlite3.connect(DATABASE)) as database, database:
        database.execute(
            "INSERT INTO agency_binding "
            "(id, code, fingerprint, certificate_pem, state, proposed_by, approved_by, created_at) "
            "VALUES ('b', 'Z91.09', 'f', ?, 'active', 'A', 'B', '2026-11-20 00:00:00')",
            (pem,),
        )

    run = node.type("audit", "verify", "-o", "json")
    assert run.code == 7
    assert ("binding_differs", "Z91.09") in [(f["code"], f["where"]) for f in run.json["findings"]]


def test_a_restored_node_goes_on_with_the_same_log_and_says_that_it_was_restored(
    node: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seal from before the copy still holds; entries sealed after it are lost, and the examination finds that."""
    make_cheap(monkeypatch)
    Path("passphrase").write_text("words that nobody guesses\n")
    seal_before = published(node, "before.seal")
    run = node.type("backup", "--to", "node.backup", "--passphrase-file", "passphrase")
    assert run.code == 0, run.err
    sealed(2)
    seal_after = published(node, "after.seal")
    monkeypatch.setenv("GATEWAY_NODE_DATA_DIR", str(Path("other").absolute()))
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{Path('other/gateway.db').absolute()}")
    run = node.type("restore", "node.backup", "--passphrase-file", "passphrase", "--yes")
    assert run.code == 0, run.err
    Path("state").rename("gone")
    Path("other").rename("state")
    monkeypatch.setenv("GATEWAY_NODE_DATA_DIR", str(Path("state").absolute()))
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{DATABASE.absolute()}")
    sealed(4)

    with_early = node.type("audit", "verify", "--seal", seal_before, "-o", "json")
    lost = node.type("audit", "verify", "--seal", seal_after, "-o", "json")

    assert with_early.code == 0, with_early.out
    assert "restored" in [note["code"] for note in with_early.json["notes"]]
    assert lost.code == 7
    assert "published_differs" in [f["code"] for f in lost.json["findings"]]
    assert len(with_early.json["keys"]) == 1


def test_states_that_differ_are_listed_with_their_repair(terminal: Terminal) -> None:
    set_up(terminal)
    now = SystemClock().now()
    open_one = StateDifference(
        key="0123456789ab", name="1/A", own="done", other="accepted", first_at=now, counted_at=now, times=2
    )
    closed = replace(open_one, key="ba9876543210", name="", closed_at=now, settled_as="accepted")
    unconfirmed = replace(open_one, key="000000000000", name="2/A", times=1)
    count = StateCount(
        node="south",
        day=local(now).date(),
        sender="Z91.07",
        recipient="Z91",
        is_sender=True,
        compared_at=now,
        differences=(open_one, closed, unconfirmed),
    )
    for differences, code, documents in (
        (count.differences, 7, ["1/A", "ba9876543210"]),
        ((closed,), 0, ["ba9876543210"]),
    ):
        asyncio.run(_record_states(replace(count, differences=differences)))
        run = terminal.type("audit", "states", "-o", "json")
        assert run.code == code
        records = json.loads(run.out)["data"]
        assert [record["document"] for record in records] == documents
    assert (records[0]["own"], records[0]["repaired"]) == ("done", "accepted (here)")


async def _record_states(count: StateCount) -> None:
    clock = SystemClock()
    store = SqlStore(f"sqlite:///{DATABASE.absolute()}", clock)
    try:
        await state_audit.record_counts(store, clock, [count])
    finally:
        await store.close()
