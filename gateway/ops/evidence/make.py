"""Makes an evidence pack (E4) of one document of this node. In: an agency's scope and an id. Out: a pack ready to be
written or streamed, and an event that says so. Packets are judged anew; certificates, the authorities' answers byte
for byte, and what the sealed log proves are put beside them: each leaf with its way to the first seal with a trusted
time that covers it (or the first at all), and those seals joined to each other, to the newest published and to the
newest. What is recalled, purged or sealed is there by digest alone."""

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
from gateway.domain.certificates import RevocationSource
from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.event import EventKind, binding_subject
from gateway.domain.evidence import PAGE, Direction, Manifest, Story
from gateway.domain.proof import Binding
from gateway.domain.sealed_log import PublishedSeal
from gateway.domain.wall_clock import local
from gateway.edxml import verify
from gateway.edxml.attachment import pieces
from gateway.errors import InvalidProof, NotFound
from gateway.ops.evidence import contents, pack_file
from gateway.ops.evidence.contents import Finder, FoundPackets, Heard, HeldPacket
from gateway.ops.evidence.judge import ANY_PAST, UNKNOWN, JudgedSignature, judge
from gateway.ops.evidence.log import JoinedTrees, LogProofs, ProvedLeaf
from gateway.ops.evidence.pack_file import Ready, part_of, prepare
from gateway.ports.services import Pool
from gateway.store import log_reading
from gateway.store.events import NODE
from gateway.store.log_reading import StoredLeaf
from gateway.store.store import SqlStore
from gateway.trust import seals
from gateway.trust.evidence import certificates_in, read_answer_files

# Where the events of packs stand: one agency makes few, and a list of them is asked for by this.
SUBJECT = "evidence"
# Each reads every packet of its document twice: the node's mail goes before.
AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One document as one view of the rows shows it."""

    agency: HostedAgency
    document: OutgoingDocument | IncomingDocument
    found: FoundPackets
    deliveries: tuple[Delivery, ...] = ()


class EvidenceMaker:
    """Makes packs for one open node."""

    def __init__(self, node: OpenNode) -> None:
        self._node = node
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def make(self, scope: AgencyScope, id: str) -> Ready:
        """NotFound when the agency has no such document. The event is durable on return."""
        async with self._turns:
            return await self._make(scope, id)

    async def packets(self, scope: AgencyScope, id: str) -> Sequence[HeldPacket]:
        """Every packet of a document, oldest first, without a pack."""
        return (await self._case(scope, id)).found.packets

    async def judged(self, held: HeldPacket) -> JudgedSignature | None:
        """What is to be said of one packet today; None where its bytes are withheld."""
        if held.open is None:
            return None
        if held.handed is not None:
            # Nobody signed it; what it was made of is a packet of its own, and is judged.
            return JudgedSignature(word=UNKNOWN, at=held.at)
        bound = await self._bindings(held.sender)
        # G1: one that is not native is held whole while it is judged.
        async with self._node.inn.general_turns:
            return await self._node.pool.run(partial(self._judged, held, held.open, bound))

    async def _make(self, scope: AgencyScope, id: str) -> Ready:
        node = self._node
        case = await self._case(scope, id)
        heard = [
            Heard(held=each, judged=await self.judged(each), member=contents.member_name(n, each))
            for n, each in enumerate(case.found.packets, start=1)
        ]
        senders = [each.held.sender for each in heard]
        log = await proofs_of(node.store, scope.agency_id, case.found.subjects, senders)
        folder = node.settings.trust.folder
        log = await node.pool.run(partial(with_times, log, folder))
        names = await self._names(heard)
        story = contents.story_of(node, case.agency, case.document, case.deliveries, heard, names)
        story = contents.with_log(story, log)
        said = await answers_of(node.store, folder, await self._digests(heard), node.pool)
        made = await node.pool.run(partial(self._ready, story, heard, log, said))
        await self._told(scope, story, made)
        return made

    async def _case(self, scope: AgencyScope, id: str) -> _Case:
        async with self._node.store.read(scope) as work:
            agency = await work.agency()
            finder = Finder(work, self._node.blobs, agency.code, self._node.inn.xml)
            if id.startswith("inb_"):
                arrived = await work.incoming.get(id)
                return _Case(agency=agency, document=arrived, found=await finder.incoming(arrived))
            sent = await work.outgoing.get(id)
            return _Case(
                agency=agency,
                document=sent,
                found=await finder.outgoing(sent),
                deliveries=tuple(await work.deliveries.of(sent.id)),
            )

    def _judged(
        self, held: HeldPacket, opener: Callable[[], BinaryIO], bound: Sequence[Binding]
    ) -> JudgedSignature:
        """For the time at which it came or was packed, with what is known of certificates today."""
        inn = self._node.inn
        return judge(
            verify.EnvelopeSource(size=held.size, open=partial(pieces, opener)),
            lambda code: [one for one in bound if one.code == code],
            inn.trust,
            held.at,
            xml=inn.xml,
            policy=replace(inn.trust_policy, signing_past=ANY_PAST),
        )

    async def _digests(self, heard: Sequence[Heard]) -> set[str]:
        """Of the answers about these certificates: for the time of each packet, and the newest."""
        now, trust = self._node.clock.now(), self._node.inn.trust
        judged = [each.judged for each in heard if each.judged is not None]
        found = {digest for each in judged if each.evidence is not None for digest in each.evidence.answers}
        for der in {each.signed.certificate_der for each in judged if each.signed is not None}:
            newest = await self._node.pool.run(partial(trust.collect, der, now))
            found |= set(newest.answers)
        return found

    async def _bindings(self, code: str) -> Sequence[Binding]:
        """The registry's; and of our own agencies the keys that sign, which a registry need not name."""
        node = self._node
        bound = list(await node.directory.bindings(code))
        if code in {each.code for each in await node.store.hosted()}:
            known = {each.certificate_der for each in bound}
            entries = await node.pool.run(partial(node.keys.entries, code))
            own = (each.certificate_der for each in entries)
            bound += [
                Binding(code=code, certificate_der=der) for der in own if der is not None and der not in known
            ]
        return bound

    async def _names(self, heard: Sequence[Heard]) -> dict[str, str]:
        today = local(self._node.clock.now()).date()
        codes = {code for each in heard for code in (each.held.sender, *each.held.to)}
        found = {code: await self._node.directory.find(code, today) for code in sorted(codes)}
        return {code: entry.name for code, entry in found.items() if entry is not None}

    def _ready(self, story: Story, heard: Sequence[Heard], log: LogProofs, said: AnswerBodies) -> Ready:
        settings = self._node.settings
        password = settings.keys.password
        signer = pack_file.open_key(
            settings.keys.folder, password.reveal().encode() if password is not None else None
        )
        members = [
            contents.story_part(story),
            *contents.packet_parts(heard),
            *contents.certificate_parts(heard),
            *contents.answer_parts(said),
            *contents.log_parts(log),
        ]
        from gateway.ops.evidence.page import page

        shown = page(story, members, pack_file.file_name(story.pack))
        front = part_of(PAGE, "text/html; charset=utf-8", shown.encode("utf-8"))
        return prepare([front, *members], _manifest_words(story), signer)

    async def _told(self, scope: AgencyScope, story: Story, made: Ready) -> None:
        told = {
            "pack": story.pack,
            "document": story.id,
            "manifest": made.digest,
            "size": made.size,
            "members": len(made.manifest.members),
        }
        async with self._node.store.begin(scope) as work:
            await work.events.append(EventKind.EVIDENCE_MADE, SUBJECT, story.made_at, told)
            await work.commit()
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
    """Of one agency's events about these subjects, and the node's about these agencies' certificates: what is sealed by
    now; events that no seal covers yet are left out."""
    seals: dict[int, PublishedSeal] = {}
    proved: list[ProvedLeaf] = []
    prover = log_reading.Prover(store)
    covering: PublishedSeal | None = None
    for each in await _leaves(store, agency_id, subjects, senders):
        # The first seal over one leaf is the first over every later one that it covers.
        if covering is None or covering.signed.seal.tree_size <= each.index:
            covering = await log_reading.seal_covering(store, each.index, stamped=True)
            covering = covering or await log_reading.seal_covering(store, each.index)
        if covering is None:
            break
        sealed = covering.signed.seal
        seals[sealed.number] = covering
        (path,) = await prover.inclusions([each.index], sealed.tree_size)
        proved.append(ProvedLeaf(index=each.index, body=each.body, seal=sealed.number, path=path))
    published = await log_reading.seal_published(store)
    for more in (published, await _newest_seal(store)):
        if more is not None:
            seals[more.signed.seal.number] = more
    ordered = [seals[number] for number in sorted(seals)]
    return LogProofs(
        seals=tuple(ordered),
        leaves=tuple(proved),
        joined=tuple([await _joined(prover, old, new) for old, new in itertools.pairwise(ordered)]),
        published=frozenset({published.signed.seal.number} if published is not None else ()),
    )


def with_times(found: LogProofs, folder: Path) -> LogProofs:
    """With the times of those timestamps that the node's own trust folder vouches for; they are told, not believed."""
    roots = [each for path in sorted((folder / "tsa").glob("*.pem")) for each in certificates_in(path)]
    times: dict[int, datetime] = {}
    for each in found.seals if roots else ():
        if each.stamp is not None:
            with suppress(InvalidProof):
                proved = seals.check_stamp(each.stamp, each.signed.to_bytes(), roots)
                times[each.signed.seal.number] = proved.at
    return replace(found, stamped=times)


async def _leaves(
    store: SqlStore, agency_id: str, subjects: Sequence[str], senders: Iterable[str]
) -> list[StoredLeaf]:
    found: dict[int, StoredLeaf] = {}
    asked = [(agency_id, subject) for subject in subjects]
    asked += [(NODE, binding_subject(code)) for code in sorted(set(senders))]
    for owner, subject in asked:
        found |= {each.index: each for each in await log_reading.leaves_of(store, owner, subject)}
    return [found[index] for index in sorted(found)]


async def _newest_seal(store: SqlStore) -> PublishedSeal | None:
    try:
        return await log_reading.seal_numbered(store)
    except NotFound:
        return None


async def _joined(prover: log_reading.Prover, old: PublishedSeal, new: PublishedSeal) -> JoinedTrees:
    before, after = old.signed.seal, new.signed.seal
    path = await prover.hashes(sealed_log.consistency_spans(before.tree_size, after.tree_size))
    return JoinedTrees(old=before.number, new=after.number, path=path)


AnswerBodies = Mapping[str, tuple[RevocationSource, bytes]]


async def answers_of(store: SqlStore, folder: Path, digests: Collection[str], pool: Pool) -> AnswerBodies:
    """Those that are still to be had."""
    kept = await store.revocation.read(sorted(set(digests)))
    found = {each.digest: (each.question.source, each.body) for each in kept}
    lacking = set(digests) - found.keys()
    return found | (await pool.run(partial(_in_files, folder, lacking)) if lacking else {})


def _in_files(folder: Path, digests: Collection[str]) -> dict[str, tuple[RevocationSource, bytes]]:
    known = read_answer_files(folder / "crl", folder / "ocsp")
    found = {
        each.digest: (RevocationSource.LIST, each.listed.public_bytes(Encoding.DER))
        for each in known.lists
        if each.digest in digests
    }
    bodies = (body for bodies in known.about.values() for body in bodies)
    said = {hashlib.sha256(body).hexdigest(): (RevocationSource.OCSP, body) for body in bodies}
    return found | {digest: said[digest] for digest in said.keys() & digests}
