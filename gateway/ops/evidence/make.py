"""Makes an evidence pack (E4) of one document of this node. In: an agency's scope and an id. Out: a pack ready to be
written or streamed, and an event that says so. Packets are judged anew, certificates, revocation answers and the log's
proofs put beside them; what is recalled, purged or sealed is there by digest alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from typing import BinaryIO

from gateway import __version__
from gateway.bootstrap.node import Node
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.evidence import PAGE, Manifest
from gateway.domain.evidence_story import Direction, Party, Story
from gateway.domain.proof import Binding
from gateway.domain.wall_clock import local
from gateway.edxml import verify
from gateway.ops.evidence import answers, key, parts, proofs, tell
from gateway.ops.evidence.judge import ANY_PAST, Judged, judge
from gateway.ops.evidence.log import LogProofs
from gateway.ops.evidence.packets import Finder, Found, Held
from gateway.ops.evidence.tell import Heard
from gateway.ops.evidence.write import PIECE, Ready, part_of, prepare

# Where the events of packs stand: one agency makes few, and a list of them is asked for by this.
SUBJECT = "evidence"
# Each reads every packet of its document twice: the node's mail goes before.
AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A pack that an event tells of. It can be streamed as often as needed while its content is kept."""

    id: str
    name: str
    ready: Ready

    @property
    def size(self) -> int:
        return self.ready.size

    def pieces(self) -> Iterator[bytes]:
        return self.ready.pieces()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One document as one view of the rows shows it."""

    agency: HostedAgency
    document: OutgoingDocument | IncomingDocument
    found: Found
    deliveries: tuple[Delivery, ...] = ()


class EvidenceMaker:
    """Makes packs for one open node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def make(self, scope: AgencyScope, id: str) -> Made:
        """NotFound when the agency has no such document. The event is durable on return."""
        async with self._turns:
            return await self._make(scope, id)

    async def packets(self, scope: AgencyScope, id: str) -> Sequence[Held]:
        """Every packet of a document, oldest first, without a pack."""
        return (await self._case(scope, id)).found.packets

    async def judged(self, held: Held) -> Judged | None:
        """What is to be said of one packet today; None where its bytes are withheld."""
        if held.open is None:
            return None
        bound = await self._bindings(held.sender)
        # G1: one that is not native is held whole while it is judged.
        async with self._node.inn.general_turns:
            return await self._node.pool.run(partial(self._judged, held, held.open, bound))

    async def _make(self, scope: AgencyScope, id: str) -> Made:
        node = self._node
        case = await self._case(scope, id)
        heard = [await self._heard(n, each) for n, each in enumerate(case.found.packets, start=1)]
        log = await proofs.of(
            node.store,
            proofs.Wanted(
                agency_id=scope.agency_id,
                subjects=case.found.subjects,
                senders=[each.held.sender for each in heard],
            ),
        )
        folder = node.settings.trust.folder
        log = await node.pool.run(partial(proofs.with_times, log, folder))
        story = tell.logged(await self._story(case, heard), log)
        said = await answers.of(node.store, folder, await self._digests(heard), node.pool)
        made = await node.pool.run(partial(self._ready, story, heard, log, said))
        await self._told(scope, story, made)
        return made

    async def _case(self, scope: AgencyScope, id: str) -> _Case:
        async with self._node.store.read(scope) as work:
            agency = await work.agency()
            finder = Finder(work, self._node.blobs, agency.code)
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

    async def _heard(self, n: int, held: Held) -> Heard:
        return Heard(held=held, judged=await self.judged(held), member=tell.member_name(n, held))

    def _judged(self, held: Held, opener: Callable[[], BinaryIO], bound: Sequence[Binding]) -> Judged:
        """For the time at which it came or was packed, with what is known of certificates today."""
        inn = self._node.inn
        return judge(
            verify.Source(size=held.size, open=partial(_read, opener)),
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

    async def _story(self, case: _Case, heard: Sequence[Heard]) -> Story:
        node, names = self._node, await self._names(heard)
        begun = tell.Begun(
            pack=node.clock.new_id("evp_"),
            made_at=node.clock.now(),
            made_by=Party(code=case.agency.code, name=case.agency.name),
            node=node.settings.node.name,
            software=__version__,
            policy=parts.policy_of(node),
            packets=tuple(tell.packet(each, names, case.agency.code) for each in heard),
        )
        if isinstance(case.document, OutgoingDocument):
            return tell.outgoing(begun, case.document, case.deliveries, names)
        return tell.incoming(begun, case.document)

    def _ready(self, story: Story, heard: Sequence[Heard], log: LogProofs, said: answers.Bodies) -> Made:
        settings = self._node.settings
        password = settings.keys.password
        signer = key.open_key(
            settings.keys.folder, password.reveal().encode() if password is not None else None
        )
        name = f"{story.pack.lower()}.zip"
        members = [
            parts.of_story(story),
            *parts.of_packets(heard),
            *parts.of_certificates(heard),
            *parts.of_answers(said),
            *parts.of_log(log),
        ]
        from gateway.ops.evidence.page import page

        front = part_of(PAGE, "text/html; charset=utf-8", page(story, members, name).encode("utf-8"))
        return Made(id=story.pack, name=name, ready=prepare([front, *members], _words(story), signer))

    async def _told(self, scope: AgencyScope, story: Story, made: Made) -> None:
        told = {
            "pack": story.pack,
            "document": story.id,
            "manifest": made.ready.digest,
            "size": made.size,
            "members": len(made.ready.manifest.members),
        }
        async with self._node.store.begin(scope) as work:
            await work.events.append(EventKind.EVIDENCE_MADE, SUBJECT, story.made_at, told)
            await work.commit()
        self._node.store.wake.ring("sequencer")


def _words(story: Story) -> Manifest:
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


def _read(opener: Callable[[], BinaryIO]) -> Iterator[bytes]:
    with opener() as file:
        while piece := file.read(PIECE):
            yield piece
