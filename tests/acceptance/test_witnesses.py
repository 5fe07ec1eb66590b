"""Nodes witness each other's logs: a checkpoint a round over their own axis, cosignatures that a stranger can verify, and
each way of rewriting a log found by a witness that cosigned it before. Letters that do not hold change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from gateway.api.witness_calls import witness_app
from gateway.bootstrap.feed_fetch import choose_signer
from gateway.bootstrap.witnesses import make_asker, make_cosigner, open_post
from gateway.cli.serve import listening
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.notes import checkpoint_of, read_policy
from gateway.domain.sealed_log import consistency_spans
from gateway.domain.witness import KeyedNote, Letter, LetterKind, WitnessAddress, WitnessRequest
from gateway.http_calls import Bounds, post
from gateway.ops import audit, checks_of_watch
from gateway.ops.evidence import proof_text
from gateway.ops.subject import Subject
from gateway.ops.witness_view import Anchoring, read_anchoring
from gateway.policy.alarms import key_of
from gateway.ports.services import EnvelopeSigner
from gateway.settings import Settings
from gateway.store import log_reading, witnesses
from gateway.store.events import NODE
from gateway.store.log_reading import Prover
from gateway.store.tables_node import LogRow
from gateway.store.witnesses import Witness, WitnessedLog
from gateway.trust.note_keys import LogSigner, open_log_signer
from gateway.witnessing.asking import WitnessAsker
from gateway.witnessing.letters import sign_letter
from tests.support.clock import ManualClock
from tests.support.node import DEPARTMENT, PDF, Town, opened
from tests.support.sealed import tamper

ROUND = timedelta(hours=1)
NORTH, SOUTH, WEST = "north", "south", "west"


@dataclass(kw_only=True)
class Nodes:
    """A node, `north`, and its witnesses, on one axis."""

    towns: Mapping[str, Town]
    asker: WitnessAsker

    @property
    def north(self) -> Town:
        return self.towns[NORTH]

    async def grow(self, count: int = 3) -> None:
        """Record events at north, and seal them."""
        await record(self.north, count)
        await seal(self.north)

    async def ask(self, *names: str) -> None:
        """Let a new round begin, in which north asks its witnesses, or only these."""
        everyone = self.asker.addresses
        self.asker.addresses = [a for a in everyone if not names or a.name in names]
        self.north.clock.advance(ROUND)
        await self.ask_at_once()
        self.asker.addresses = everyone

    async def ask_at_once(self) -> None:
        for town in self.towns.values():
            town.clock.advance(self.north.clock.now() - town.clock.now())
        await self.asker.step()
        for _ in range(2):
            for town in self.towns.values():
                await town.node.inn.axis.take(20, 60.0)

    async def size(self) -> int:
        return (await log_reading.seal_numbered(self.north.node.store)).signed.seal.tree_size

    async def own(self) -> dict[str, Witness]:
        return {witness.name: witness for witness in await witnesses.list_witnesses(self.north.node.store)}

    async def witnessed(self, name: str) -> WitnessedLog:
        return (await witnesses.list_witnessed(self.towns[name].node.store))[-1]

    async def anchoring(self) -> Anchoring:
        node = self.north.node
        return await read_anchoring(node.store, node.settings, node.pool)

    async def findings(self, name: str) -> list[str]:
        subject = Subject.within(self.towns[name].node)
        return [f"{f.level.value} {f.cause}" async for f in checks_of_watch.witnesses(subject)]

    async def kinds(self, name: str, prefix: str) -> list[str]:
        """List the kinds of the node's events that begin so."""
        events = await self.towns[name].node.store.events_after(None, 0, 1000)
        return [event.kind.value for event in events if event.kind.value.startswith(prefix)]


async def record(town: Town, count: int) -> None:
    node, scope = town.node, AgencyScope(agency_id=NODE, principal_id="node")
    async with node.store.changing(scope) as work:
        facts = [("test", EventKind.TASK_NOTED, {"n": n}) for n in range(count)]
        await work.events.append_all(town.clock.now(), facts)
    await town.number()


async def seal(town: Town) -> None:
    town.clock.advance(timedelta(minutes=2))
    while await town.node.sealer.step():
        pass


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        towns = {}
        for name in (NORTH, SOUTH, WEST):

            def change(settings: Settings, name: str = name) -> Settings:
                axis = replace(settings.axis, folder=tmp_path / NORTH / "axis")
                log = replace(settings.log, witnesses=f"{SOUTH}, {WEST}" if name == NORTH else "")
                return replace(settings, node=replace(settings.node, name=name), axis=axis, log=log)

            town = await stack.enter_async_context(opened(tmp_path / name, ManualClock(), change=change))
            await record(town, 1)
            await seal(town)
            await town.node.inn.axis.host([f"@{name}"])
            towns[name] = town
        yield Nodes(towns=towns, asker=make_asker(towns[NORTH].node, towns[NORTH].node.axis))


async def test_witnesses_cosign_a_log_that_grows_and_each_round_only_once(nodes: Nodes) -> None:
    assert await nodes.findings(NORTH) == ["green witnesses.nobody"]
    await nodes.grow()
    await nodes.ask()
    assert {(w.fault, w.held_size) for w in (await nodes.own()).values()} == {("", await nodes.size())}
    earlier_log = await nodes.witnessed(SOUTH)

    await nodes.grow()
    nodes.north.clock.advance(timedelta(minutes=20))
    await nodes.ask_at_once()

    assert await nodes.witnessed(SOUTH) == earlier_log, "asked twice in one round"
    await nodes.ask()
    assert {w.held_size for w in (await nodes.own()).values()} == {await nodes.size()}
    anchoring = await nodes.anchoring()
    assert (anchoring.need, anchoring.count, anchoring.size) == (2, 2, await nodes.size())
    assert await nodes.findings(NORTH) == ["green witnesses.fine"]
    assert await nodes.findings(SOUTH) == []
    assert await nodes.kinds(NORTH, "witness.") == ["witness.keys", "witness.keys"]
    nodes.north.clock.advance(4 * ROUND)
    assert await nodes.findings(NORTH) == ["green witnesses.fine"], "nothing new to be cosigned"
    await nodes.grow()
    nodes.north.clock.advance(4 * ROUND)
    assert await nodes.findings(NORTH) == ["yellow witnesses.old"]


# Changes past the program, and so many events recorded afterwards: a shorter log is a finding of its own.
ATTACKS = {
    "rewritten": ("UPDATE event SET principal_id = 'stranger' WHERE subject_id = 'test'", 5),
    "dropped": ("DELETE FROM event WHERE subject_id = 'test' AND node_seq % 2 = 0", 5),
    "cut off": ("DELETE FROM event WHERE subject_id = 'test'", 0),
    "back-dated": ("UPDATE event SET at = '2026-01-05 08:00:00.000000' WHERE subject_id = 'test'", 5),
}
_REBUILD = (
    "DELETE FROM log_leaf",
    "DELETE FROM log_seal",
    "UPDATE log SET size = 0, last_seq = 0, peaks = ''",
)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_log_that_was_built_anew_is_found_by_one_witness(nodes: Nodes, attack: str) -> None:
    await nodes.grow()
    await nodes.ask()
    earlier_log, address = await nodes.witnessed(SOUTH), nodes.north.node.settings.database.address
    statement, more = ATTACKS[attack]
    await tamper(address, statement, *_REBUILD)
    await record(nodes.north, more)
    await seal(nodes.north)

    if not more:  # the owner of a shorter log must claim that it was never cosigned
        await tamper(address, "UPDATE log_witness SET held_size = 0")
    await nodes.ask(SOUTH)

    later_log = await nodes.witnessed(SOUTH)
    assert (later_log.note, bool(later_log.other_history)) == (earlier_log.note, True), (
        "both histories stay on record"
    )
    assert await nodes.kinds(SOUTH, "witnessed.") == ["witnessed.log", "witnessed.histories"]
    assert await nodes.findings(SOUTH) == ["red witnesses.forked"]
    # An honest node learns it too, and its examination says so.
    assert await nodes.kinds(NORTH, "log.histories") == ["log.histories"]
    assert await nodes.findings(NORTH) == ["red witnesses.histories"]
    node = nodes.north.node
    report = audit.with_witnesses(
        await audit.verify(node.store, audit.Inputs(), node.pool), await nodes.anchoring()
    )
    assert {f.code for f in report.findings} == {"cosigned_differs", "histories"}
    # It gets no cosignature any more, until people at the witness decide.
    await nodes.grow()
    await nodes.ask(SOUTH)
    assert (await nodes.witnessed(SOUTH)).note == earlier_log.note
    south = make_cosigner(nodes.towns[SOUTH].node)
    await south.settle_histories(earlier_log.origin, "khôi phục từ bản sao", takes_other=True)
    for _ in range(2):  # once to hear from where the witness goes on
        await nodes.grow(5)
        await nodes.ask(SOUTH)
    assert (await nodes.witnessed(SOUTH)).size == (await nodes.own())[SOUTH].held_size == await nodes.size()
    assert await nodes.findings(SOUTH) == []


async def test_of_two_branches_none_is_anchored_and_the_next_witness_finds_the_other(nodes: Nodes) -> None:
    await nodes.grow()
    await nodes.ask()
    common, address = await nodes.size(), nodes.north.node.settings.database.address
    async with nodes.north.node.store.reading() as tx:
        ((last_seq, peaks),) = await tx.tuples(select(col(LogRow.last_seq), col(LogRow.peaks)))
    await nodes.grow()
    await nodes.ask(SOUTH)

    await tamper(
        address,
        "UPDATE event SET principal_id = 'stranger' WHERE node_seq > :seq",
        "DELETE FROM log_leaf WHERE leaf_index >= :size",
        "DELETE FROM log_seal WHERE tree_size > :size",
        "UPDATE log SET size = :size, last_seq = :seq, peaks = :peaks",
        size=common,
        seq=last_seq,
        peaks=peaks,
    )
    await seal(nodes.north)
    await nodes.ask(WEST)

    assert await nodes.findings(WEST) == [], "each branch grew from what both cosigned"
    assert {(await nodes.witnessed(name)).size for name in (SOUTH, WEST)} == {await nodes.size()}
    anchoring = await nodes.anchoring()
    assert (anchoring.size, anchoring.contradicted) == (0, ((SOUTH, await nodes.size()),))
    await nodes.grow()
    await nodes.ask(SOUTH)
    assert await nodes.findings(SOUTH) == ["red witnesses.forked"]


async def test_one_finding_names_every_log_in_the_same_trouble(nodes: Nodes) -> None:
    south = nodes.towns[SOUTH].node
    now = south.clock.now()
    for name, size, fault in (
        ("east", 7, ""),
        ("far", 1234, ""),
        ("near", 9, "other_start"),
        ("old", 8, "other_start"),
    ):
        row = WitnessedLog(
            origin=f"lienthong/log/{name}",
            node=name,
            code="Z91",
            keys="",
            note="",
            size=size,
            first_at=now,
            asked_at=now,
            said_at=now,
            fault=fault,
            other_history="" if fault else "another",
        )
        assert await witnesses.record_witnessed(south.store, south.clock, row, None, [])
    findings = [finding async for finding in checks_of_watch.witnesses(Subject.within(south))]
    assert [(f.level.value, f.cause, f.params["names"], f.params["count"]) for f in findings] == [
        ("red", "witnesses.forked", "east (7), far (1,234)", 2),
        ("yellow", "witnesses.unproved", "near (9), old (8)", 2),
    ]
    assert len({key_of(finding) for finding in findings}) == 2
    assert all("far (1,234)" in findings[0].says(lang) for lang in ("vi", "en"))


async def test_a_second_log_and_other_keys_of_a_node_are_told(nodes: Nodes) -> None:
    await nodes.grow()
    await nodes.ask()
    for key in (nodes.north.node.settings.keys.folder / "_log").glob("note*.pem"):
        key.unlink()
    nodes.asker = make_asker(nodes.north.node, nodes.north.node.axis)
    await nodes.grow()
    await nodes.ask()
    assert (await nodes.witnessed(SOUTH)).size == await nodes.size()
    assert await nodes.kinds(NORTH, "log.") == ["log.keys", "log.keys"]
    assert await nodes.kinds(SOUTH, "witnessed.") == ["witnessed.log", "witnessed.log"]

    await tamper(nodes.north.node.settings.database.address, *_REBUILD[:2], "DELETE FROM log")
    nodes.asker = make_asker(nodes.north.node, nodes.north.node.axis)
    await nodes.grow()
    for _ in range(2):
        await nodes.ask()

    logs = await witnesses.list_witnessed(nodes.towns[SOUTH].node.store)
    assert [log.node for log in logs] == [NORTH, NORTH]
    assert logs[0].origin != logs[1].origin
    assert await nodes.findings(SOUTH) == ["yellow witnesses.another"]


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Writer of north's letters to south, each one minute later than the one before."""

    nodes: Nodes
    letter: Letter
    signer: EnvelopeSigner
    log: LogSigner

    async def growth(self, **changed: Any) -> str:
        """Return the body of a letter about the newest seal, which proves that the log grew; or about a changed one."""
        earlier, store = await self.nodes.witnessed(SOUTH), self.nodes.north.node.store
        checkpoint = checkpoint_of(await log_reading.seal_numbered(store))
        proof = await Prover(store).hashes(consistency_spans(earlier.size, checkpoint.size))
        signed = self.log.sign(replace(checkpoint, **changed), self.nodes.north.clock.now())
        request = WitnessRequest(old_size=earlier.size, proof=proof, signed=signed)
        return KeyedNote(keys=self.log.keys, text=request.to_text()).to_text()

    async def deliver(self, path: Path, raw: bytes) -> WitnessedLog:
        """Let south take a letter; return the log as it stands there afterwards."""
        south = self.nodes.towns[SOUTH].node
        path.write_bytes(raw)
        await open_post(south, south.axis).take(path, NORTH)
        return await self.nodes.witnessed(SOUTH)

    def write(self, body: str, **changed: Any) -> bytes:
        return sign_letter(replace(self.letter, **{"body": body, **changed}), self.signer)


async def writer_of(nodes: Nodes) -> Writer:
    """Let a round end, the log grow, and the next round begin without a letter yet."""
    await nodes.grow()
    await nodes.ask()
    await nodes.grow()
    north, south = nodes.north.node, nodes.towns[SOUTH]
    south.clock.advance(ROUND)
    signer = await choose_signer(north)
    letter = Letter(
        kind=LetterKind.CHECKPOINT,
        node=NORTH,
        to=SOUTH,
        code=signer.agency_code,
        at=south.clock.now(),
        body="",
    )
    log_id = (await log_reading.seal_numbered(north.store)).signed.seal.log_id
    keys = north.settings.keys
    return Writer(
        nodes=nodes,
        letter=letter,
        signer=signer,
        log=open_log_signer(keys.folder, keys.passwords, log_id),
    )


async def test_letters_that_do_not_hold_change_nothing(nodes: Nodes, tmp_path: Path) -> None:
    """Each letter is the one that is right at the end, but for one thing."""
    writer, path = await writer_of(nodes), tmp_path / "letter"
    earlier_log, own, body = await nodes.witnessed(SOUTH), await nodes.own(), await writer.growth()
    stranger = open_log_signer(tmp_path / "keys", None, writer.log.keys[0].name.rpartition("/")[2])
    stranger_keys = "".join(f"key {key}\n" for key in stranger.keys)
    right = writer.write(body)
    letters = {
        "another recipient": writer.write(body, to=WEST),
        "another node's name": writer.write(body, node=WEST),
        "an agency that is unknown": writer.write(body, code="Z99.99"),
        "another agency's name": writer.write(body, code=DEPARTMENT),
        "still to come": writer.write(body, at=writer.letter.at + ROUND),
        "before the last one": writer.write(body, at=earlier_log.said_at),
        "a flipped digit of the time": right.replace(b"at 2026", b"at 2025", 1),
        "keys that signed nothing": writer.write(stranger_keys + body[body.index("\nold ") :]),
        "no request": writer.write(body[: body.index("\nold ")]),
        "an answer that was not asked": writer.write(body, kind=LetterKind.COSIGNATURE),
        "another kind": right.replace(b"kind checkpoint", b"kind unknown"),
        "no letter": b"\xff\xfe",
        "too long": writer.write(body + "x" * 1_100_000),
    }
    for name, raw in letters.items():
        assert await writer.deliver(path, raw) == earlier_log, name
    assert await nodes.own() == own
    assert await nodes.kinds(SOUTH, "witnessed.") == ["witnessed.log"]

    address, code = nodes.towns[SOUTH].node.settings.database.address, writer.signer.agency_code
    for host in (WEST, NORTH):
        assert await nodes.witnessed(SOUTH) == earlier_log
        await tamper(address, "UPDATE agency SET host = :host WHERE code = :code", host=host, code=code)
        accepted = await writer.deliver(path, right)
    assert accepted.size == await nodes.size()
    assert await writer.deliver(path, right) == accepted, "a second time"
    nodes.towns[SOUTH].clock.advance(ROUND)
    replayed = writer.write(body, at=earlier_log.said_at)
    assert await writer.deliver(path, replayed) == accepted, "an older letter is no shorter log"


async def test_a_log_with_two_histories_gets_no_cosignature_for_either(nodes: Nodes, tmp_path: Path) -> None:
    writer, path = await writer_of(nodes), tmp_path / "letter"
    body, earlier_log = await writer.growth(), await nodes.witnessed(SOUTH)
    forked = await writer.deliver(path, writer.write(await writer.growth(root=bytes(32))))
    assert (forked.note, bool(forked.other_history)) == (earlier_log.note, True)
    for rounds in (1, 2):
        nodes.towns[SOUTH].clock.advance(ROUND)
        next_letter = writer.write(body, at=writer.letter.at + rounds * ROUND)
        settled = await writer.deliver(path, next_letter)
        assert (settled.note, settled.other_history) == (forked.note, forked.other_history)
    arrivals = await nodes.north.node.axis.take(20, 60.0)
    texts = [arrival.open().read() for arrival in arrivals if arrival.recipient == f"@{NORTH}"]
    assert {text.split(b"\n")[1] for text in texts} == {b"kind held"}


async def test_a_proof_is_under_the_first_checkpoint_that_enough_witnesses_cosigned(
    nodes: Nodes, tmp_path: Path
) -> None:
    north, folder = nodes.north, tmp_path / "trust"
    sent = await north.send("15")
    await north.pack()
    await north.number()
    await seal(north)
    scope = await north.scope(DEPARTMENT)
    alone = await proof_text.make(north.node, scope, sent.id)
    for _ in range(2):
        await nodes.ask()
        await nodes.grow()
    proof = await proof_text.make(north.node, scope, sent.id)

    folder.mkdir()
    policy = (await proof_text.own_policy(north.node)).to_text()
    (folder / "logs.policy").write_text(policy)
    (tmp_path / "15.pdf").write_bytes(PDF)

    def judge(text: str) -> dict[str, Any]:
        (tmp_path / "15.tlog-proof").write_text(text)
        return proof_text.verify(tmp_path / "15.tlog-proof", folder, tmp_path / "15.pdf")

    assert read_policy(policy).groups == {"enough": (2, (SOUTH, WEST))}
    assert judge(alone.to_text())["verdict"] == "unknown", "nobody cosigned it yet"
    report = judge(proof.to_text())
    assert (report["verdict"], report["existed_before"] is not None) == ("valid", True)
    assert proof.signed.checkpoint.size < await nodes.size(), "not the first one"

    for key in (north.node.settings.keys.folder / "_log").glob("note*.pem"):
        key.unlink()
    nodes.asker = make_asker(north.node, north.node.axis)
    await nodes.grow()
    await nodes.ask()
    (folder / "logs.policy").write_text((await proof_text.own_policy(north.node)).to_text())
    assert judge(proof.to_text())["verdict"] == "valid", "other keys since"
    assert judge((await proof_text.make(north.node, scope, sent.id)).to_text())["verdict"] == "valid"


async def test_a_witness_answers_over_http_as_the_standard_says(nodes: Nodes) -> None:
    south, north = nodes.towns[SOUTH].node, nodes.north.node
    cosigner, bounds = make_cosigner(south), Bounds(answer_bytes=64 * 1024, seconds=10.0)
    signer = open_log_signer(
        north.settings.keys.folder,
        north.settings.keys.passwords,
        (await log_reading.seal_numbered(north.store)).signed.seal.log_id,
    )
    async with listening(witness_app(cosigner), "witness", "127.0.0.1", 0, 5.0) as url:

        async def ask(text: str) -> tuple[int, str]:
            status, body = await post(f"{url}/add-checkpoint", text.encode(), bounds)
            return status, body.decode()

        key = (await cosigner.signer()).keys[0]
        nodes.asker = make_asker(north, north.axis)
        nodes.asker.addresses = [WitnessAddress("monitor", url, key)]
        await nodes.grow()
        await nodes.ask()
        assert (await nodes.own())["monitor"].cosigned_at is None, "the log is not known there"
        await cosigner.add(signer.keys)
        await nodes.ask()
        earlier_log = (await nodes.own())["monitor"]
        assert (earlier_log.fault, earlier_log.held_size) == ("", await nodes.size())
        checkpoint = checkpoint_of(await log_reading.seal_numbered(north.store))

        def request(old: int, **changed: Any) -> str:
            return f"old {old}\n\n{signer.sign(replace(checkpoint, **changed), north.clock.now()).to_text()}"

        size = checkpoint.size
        stranger = request(size).replace("— lienthong", "— another")
        for text, status, body in (
            ("nonsense", HTTPStatus.BAD_REQUEST, ""),
            (request(size + 1), HTTPStatus.BAD_REQUEST, ""),
            (request(size, origin="another.example/log"), HTTPStatus.NOT_FOUND, ""),
            (stranger, HTTPStatus.FORBIDDEN, ""),
            (request(0), HTTPStatus.OK, "— lienthong/witness/"),
            (request(size - 1, size=size + 2), HTTPStatus.CONFLICT, f"{size}\n"),
            (request(size, root=bytes(32)), HTTPStatus.CONFLICT, f"{size}\n"),
            (request(size, size=size + 2), HTTPStatus.UNPROCESSABLE_ENTITY, ""),
        ):
            answer = await ask(text)
            assert (answer[0], answer[1].startswith(body)) == (status, True), (text[:40], answer)
        assert (await nodes.witnessed(SOUTH)).other_history == "", "anybody may send a wrong proof over HTTP"
