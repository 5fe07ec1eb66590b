"""Make an evidence pack (E4, proof of one hop) of one document of this node. In: an agency's scope and an id. Out: a pack
ready to be written or streamed, and an event that records it. Packets are judged again. The pack also has certificates, the
authorities' answers byte for byte, and proofs of the sealed log: each leaf with its proof of inclusion in the first
timestamped seal that covers it (or in the first seal), and proofs that join these seals to each other, to the newest
published seal and to the newest seal. Recalled, purged or sealed content appears by digest alone."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.bootstrap.node import OpenNode
from gateway.domain import sealed_log
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.certificates import Answer, RevocationSource
from gateway.domain.delegated import batch_subject
from gateway.domain.destruction import Destruction
from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.event import EventKind, binding_subject
from gateway.domain.evidence import PAGE, SUBJECT, Direction, Manifest, Story
from gateway.domain.proof import Binding
from gateway.domain.proof_code import DrawnProof
from gateway.domain.sealed_log import PublishedSeal
from gateway.domain.wall_clock import local
from gateway.edxml import verify
from gateway.edxml.attachment import pieces
from gateway.errors import InvalidProof
from gateway.ops.evidence import contents, pack_file, proof_text
from gateway.ops.evidence.contents import Finder, FoundPackets, HeldPacket, PackPacket
from gateway.ops.evidence.judge import ANY_PAST, UNKNOWN, JudgedSignature, judge
from gateway.ops.evidence.log import JoinedTrees, LogProofs, ProvedLeaf
from gateway.ops.evidence.pack_file import PreparedPack, part_of, prepare
from gateway.ports.services import Pool
from gateway.registry import binding
from gateway.store import log_reading
from gateway.store.events import NODE
from gateway.store.log_reading import StoredLeaf
from gateway.store.store import SqlStore
from gateway.trust import revocation, seals
from gateway.trust.evidence import certificates_in, read_answer_files

# Subject of the events about packs, for an agency's list of its packs.
# Packs made at the same time: each reads every packet of its document twice, and the node's traffic must not suffer.
AT_ONCE = 2
AnswerBodies = Mapping[str, tuple[RevocationSource, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One document with its agency, packets and deliveries, all from one view of the rows."""

    agency: HostedAgency
    document: OutgoingDocument | IncomingDocument
    collected: FoundPackets
    deliveries: tuple[Delivery, ...] = ()


class EvidenceMaker:
    """Maker of evidence packs for one open node."""

    def __init__(self, node: OpenNode) -> None:
        self._node = node
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def make(self, scope: AgencyScope, id: str) -> PreparedPack:
        """Make the pack of a document and record an event, which is durable on return. NotFound when the agency has no such
        document."""
        async with self._turns:
            return await self._make(scope, id)

    async def proof(self, scope: AgencyScope, id: str) -> str:
        """Return the proof of a document as a text. NotFound for no document, Clash while its line is under no seal."""
        return (await proof_text.make(self._node, scope, id)).to_text()

    async def drawn_proof(self, scope: AgencyScope, id: str) -> DrawnProof:
        """Return the proof of a document as a QR code for paper. NotFound for no document."""
        return await proof_text.draw(self._node, scope, id)

    async def write_destroyed(self, scope: AgencyScope, act_id: str, file: BinaryIO) -> Destruction:
        """Write the list of an act of destruction, signed by the key of packs. NotFound for no act of the agency."""
        from gateway import destroying
        from gateway.store.destruction import open_destructions

        keys = self._node.settings.keys
        signer = await self._node.pool.run(partial(pack_file.open_key, keys.folder, keys.passwords))
        async with self._node.store.read(scope) as work:
            act = await open_destructions(work).get(act_id)
            async for line in destroying.signed_lines(work, act, signer.sign, signer.public_key):
                file.write(line)
        return act

    async def packets(self, scope: AgencyScope, id: str) -> Sequence[HeldPacket]:
        """Return every packet of a document, the oldest first, without making a pack."""
        return (await self._load_case(scope, id)).collected.packets

    async def judge(self, packet: HeldPacket) -> JudgedSignature | None:
        """Judge the signature of one packet; None when its bytes are withheld."""
        if packet.open is None:
            return None
        if packet.handed is not None:
            # A file in another form is unsigned; the packet that it was made of is judged separately.
            return JudgedSignature(word=UNKNOWN, at=packet.at)
        bindings = await self._bindings(packet.sender)
        # G1 (bounded memory): a packet in a foreign form is held in memory while it is judged.
        async with self._node.inn.general_turns:
            return await self._node.pool.run(partial(self._judge_packet, packet, packet.open, bindings))

    async def _make(self, scope: AgencyScope, id: str) -> PreparedPack:
        node = self._node
        case = await self._load_case(scope, id)
        judged_packets = [
            PackPacket(packet=packet, judged=await self.judge(packet), member=contents.member_name(n, packet))
            for n, packet in enumerate(case.collected.packets, start=1)
        ]
        senders = [assembled.packet.sender for assembled in judged_packets]
        log = await proofs_of(node.store, scope.agency_id, case.collected.subjects, senders)
        folder = node.settings.trust.folder
        log = await node.pool.run(partial(with_times, log, folder))
        names = await self._names(judged_packets)
        story = contents.story_of(node, case.agency, case.document, case.deliveries, judged_packets, names)
        story = contents.with_log(story, log)
        answers = await answers_of(node.store, folder, await self._answer_digests(judged_packets), node.pool)
        about_files = [digest for file in story.files for digest in file.answers]
        for answer in await node.store.pdf_answers.read(about_files):
            if _is_readable(answer):
                answers = {**answers, answer.digest: (answer.question.source, answer.body)}
        code = await proof_text.draw(node, scope, id)
        pack = await node.pool.run(partial(self._prepare, story, judged_packets, log, answers, code))
        await self._record_event(scope, story, pack)
        return pack

    async def _load_case(self, scope: AgencyScope, id: str) -> _Case:
        async with self._node.store.read(scope) as work:
            agency = await work.agency()
            finder = Finder(work, self._node.blobs, agency.code, self._node.inn.xml)
            if id.startswith("inb_"):
                arrived = await work.incoming.get(id)
                return _Case(agency=agency, document=arrived, collected=await finder.incoming(arrived))
            sent = await work.outgoing.get(id)
            return _Case(
                agency=agency,
                document=sent,
                collected=await finder.outgoing(sent),
                deliveries=tuple(await work.deliveries.of_document(sent.id)),
            )

    def _judge_packet(
        self, packet: HeldPacket, opener: Callable[[], BinaryIO], bindings: Sequence[Binding]
    ) -> JudgedSignature:
        """Judge a packet for the time of its arrival or packing, with the revocation answers known today."""
        inn = self._node.inn
        return judge(
            verify.EnvelopeSource(size=packet.size, open=partial(pieces, opener)),
            lambda code: [binding for binding in bindings if binding.code == code],
            inn.trust,
            packet.at,
            xml=inn.xml,
            policy=replace(inn.trust_policy, signing_past=ANY_PAST),
        )

    async def _answer_digests(self, packets: Sequence[PackPacket]) -> set[str]:
        """Return the digests of the revocation answers about the packets' certificates: those for the time of each packet,
        and the newest ones."""
        now, trust = self._node.clock.now(), self._node.inn.trust
        judged = [assembled.judged for assembled in packets if assembled.judged is not None]
        digests = {digest for j in judged if j.evidence is not None for digest in j.evidence.answers}
        for der in dict.fromkeys([j.signed.certificate_der for j in judged if j.signed is not None]):
            newest = await self._node.pool.run(partial(trust.collect, der, now))
            digests |= set(newest.answers)
        return digests

    async def _bindings(self, code: str) -> Sequence[Binding]:
        """Return the registry's bindings of a code; for a hosted agency also those of its own keys."""
        node = self._node
        bindings = list(await node.directory.bindings(code))
        if code in {agency.code for agency in await node.store.hosted()}:
            bound_ders = {binding.certificate_der for binding in bindings}
            entries = await node.pool.run(partial(node.keys.entries, code))
            own_ders = (key_entry.certificate_der for key_entry in entries)
            bindings += [
                Binding(code=code, certificate_der=der)
                for der in own_ders
                if der is not None and der not in bound_ders
            ]
        return bindings

    async def _names(self, packets: Sequence[PackPacket]) -> dict[str, str]:
        today = local(self._node.clock.now()).date()
        codes = {code for packet in packets for code in (packet.packet.sender, *packet.packet.to)}
        entries = {code: await self._node.directory.find(code, today) for code in sorted(codes)}
        return {code: entry.name for code, entry in entries.items() if entry is not None}

    def _prepare(
        self,
        story: Story,
        packets: Sequence[PackPacket],
        log: LogProofs,
        answers: AnswerBodies,
        code: DrawnProof,
    ) -> PreparedPack:
        """Assemble and sign the pack of all its parts, with the printable page first."""
        settings = self._node.settings
        signer = pack_file.open_key(settings.keys.folder, settings.keys.passwords)
        members = [
            contents.story_part(story),
            *contents.packet_parts(packets),
            *contents.certificate_parts(packets),
            *contents.answer_parts(answers),
            *contents.log_parts(log),
        ]
        from gateway.ops.evidence.page import page

        html = page(story, members, pack_file.file_name(story.pack), code=code)
        front = part_of(PAGE, "text/html; charset=utf-8", html.encode("utf-8"))
        return prepare([front, *members], _manifest_words(story), signer)

    async def _record_event(self, scope: AgencyScope, story: Story, pack: PreparedPack) -> None:
        pack_facts = {
            "pack": story.pack,
            "document": story.id,
            "manifest": pack.digest,
            "size": pack.size,
            "members": len(pack.manifest.members),
        }
        async with self._node.store.changing(scope) as work:
            await work.events.append(EventKind.EVIDENCE_CREATED, SUBJECT, story.made_at, pack_facts)
        self._node.store.wake.ring("sequencer")


def _manifest_words(story: Story) -> Manifest:
    return Manifest(
        pack=story.pack,
        made_at=story.made_at.astimezone(UTC).isoformat(timespec="seconds"),
        node=story.node,
        agency=story.made_by.code,
        software=story.software,
        about={
            "code": story.code,
            "direction": Direction(story.direction).value,
            "document_id": story.document_id,
            "id": story.id,
        },
    )


async def proofs_of(
    store: SqlStore, agency_id: str, subjects: Sequence[str], senders: Iterable[str]
) -> LogProofs:
    """Return the leaves with proofs of the agency's events about these subjects, and of the node's events about the
    senders' bindings and the lists that these came with, with the seals and the proofs between them. Events that no seal
    covers yet are left out."""
    seals: dict[int, PublishedSeal] = {}
    proved: list[ProvedLeaf] = []
    prover = log_reading.Prover(store)
    covering: PublishedSeal | None = None
    for leaf in await _load_leaves(store, agency_id, subjects, senders):
        # The first seal that covers a leaf is also the first for every later leaf that it covers.
        if covering is None or covering.signed.seal.tree_size <= leaf.index:
            covering = await log_reading.seal_covering(store, leaf.index, stamped=True)
            covering = covering or await log_reading.seal_covering(store, leaf.index)
        if covering is None:
            break
        sealed = covering.signed.seal
        seals[sealed.number] = covering
        (path,) = await prover.inclusions([leaf.index], sealed.tree_size)
        proved.append(ProvedLeaf(index=leaf.index, body=leaf.body, seal=sealed.number, path=path))
    published = await log_reading.seal_published(store)
    newest = await log_reading.seal_newest(store)
    # The newest timestamp vouches when the certificates of earlier ones have ended.
    for newer_seal in (published, newest, await log_reading.seal_newest(store, stamped=True)):
        if newer_seal is not None:
            seals[newer_seal.signed.seal.number] = newer_seal
    ordered = [seals[number] for number in sorted(seals)]
    return LogProofs(
        seals=tuple(ordered),
        leaves=tuple(proved),
        joined=tuple([await _join(prover, old, new) for old, new in itertools.pairwise(ordered)]),
        published=frozenset({published.signed.seal.number} if published is not None else ()),
    )


def with_times(proofs: LogProofs, folder: Path) -> LogProofs:
    """Return the proofs with the times of timestamps that the node's own trust folder verifies, for information."""
    roots = [c for path in sorted((folder / "tsa").glob("*.pem")) for c in certificates_in(path)]
    times: dict[int, datetime] = {}
    for published in proofs.seals if roots else ():
        if published.stamp is not None:
            with suppress(InvalidProof):
                proved = seals.check_stamp(published.stamp, published.signed.to_bytes(), roots)
                times[published.signed.seal.number] = proved.at
    return replace(proofs, stamped=times)


async def _load_leaves(
    store: SqlStore, agency_id: str, subjects: Sequence[str], senders: Iterable[str]
) -> list[StoredLeaf]:
    leaves: dict[int, StoredLeaf] = {}
    queries = [(agency_id, subject) for subject in subjects]
    codes = sorted(set(senders))
    async with store.reading() as tx:
        batches = await binding.batches_of(tx.connection, codes)
    queries += [(NODE, binding_subject(code)) for code in codes]
    queries += [(NODE, batch_subject(batch)) for batch in batches]
    for owner, subject in queries:
        leaves |= {leaf.index: leaf for leaf in await log_reading.leaves_of(store, owner, subject)}
    return [leaves[index] for index in sorted(leaves)]


async def _join(prover: log_reading.Prover, old: PublishedSeal, new: PublishedSeal) -> JoinedTrees:
    old_seal, new_seal = old.signed.seal, new.signed.seal
    path = await prover.hashes(sealed_log.consistency_spans(old_seal.tree_size, new_seal.tree_size))
    return JoinedTrees(old=old_seal.number, new=new_seal.number, path=path)


def _is_readable(answer: Answer) -> bool:
    """Tell whether a checker of packs can read the answer. One from a file was read by another library, and a pack with an
    answer that cannot be read is refused."""
    try:
        if answer.question.source is RevocationSource.LIST:
            revocation.read_list(answer.body)
        else:
            revocation.serial_of_answer(answer.body)
    except (ValueError, revocation.NoAnswer):
        return False
    return True


async def answers_of(store: SqlStore, folder: Path, digests: Collection[str], pool: Pool) -> AnswerBodies:
    """Load the revocation answers with these digests, as far as the store or files still have them, by digest."""
    rows = await store.revocation.read(sorted(set(digests)))
    answers = {row.digest: (row.question.source, row.body) for row in rows}
    lacking = set(digests) - answers.keys()
    return answers | (await pool.run(partial(_answers_in_files, folder, lacking)) if lacking else {})


def _answers_in_files(folder: Path, digests: Collection[str]) -> dict[str, tuple[RevocationSource, bytes]]:
    files = read_answer_files(folder / "crl", folder / "ocsp")
    lists = {
        crl.digest: (RevocationSource.LIST, crl.listed.public_bytes(Encoding.DER))
        for crl in files.lists
        if crl.digest in digests
    }
    bodies = (body for bodies in files.by_serial.values() for body in bodies)
    ocsp_answers = {hashlib.sha256(body).hexdigest(): (RevocationSource.OCSP, body) for body in bodies}
    return lists | {digest: ocsp_answers[digest] for digest in ocsp_answers if digest in digests}
