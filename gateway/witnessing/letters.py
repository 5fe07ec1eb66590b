"""Signed letters between nodes, over the node's own axes and never over a foreign one. In: a letter for another node; a
file that the axis brought. Out: the letter published; a letter whose signature holds for an agency of its node. A letter
that does not hold changes nothing. A lost one is not sent again by itself: its sender asks again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.domain.notes import to_base64
from gateway.domain.proof import Binding
from gateway.domain.wall_clock import local
from gateway.domain.witness import MOST_LETTER, Letter, LetterKind, LetterSeal, read_letter
from gateway.errors import InvalidProof, TransportFailure
from gateway.ports.axis import LETTER, TO_NODE, Axis, Fate, ForeignAxis, ManagedAxis, Parcel, each_axis
from gateway.ports.services import Clock, EnvelopeSigner, Pool
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.feed_file import FeedRefused
from gateway.registry_authoring.feed_judge import AHEAD, is_signed_by_bound


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLetters:
    """Writer and reader of letters of this node. `choose_signer` returns the signer of an agency with a usable key."""

    node_name: str
    axis: ManagedAxis
    directory: SqlDirectory
    choose_signer: Callable[[], Awaitable[EnvelopeSigner]]
    clock: Clock
    pool: Pool

    async def send(self, kind: LetterKind, to: str, body: str) -> None:
        """Sign a letter and publish it. TransportFailure where no axis of ours brings it to that node."""
        signer = await self.choose_signer()
        letter = Letter(
            kind=kind, node=self.node_name, to=to, code=signer.agency_code, at=self.clock.now(), body=body
        )
        raw = await self.pool.run(partial(sign_letter, letter, signer))
        digest = hashlib.sha256(raw).hexdigest()
        parcel = Parcel(
            packet_id=f"{LETTER}-{digest[:32]}",
            kind=LETTER,
            sender=f"{TO_NODE}{self.node_name}",
            lane=Lane.NORMAL,
            digest=Digest(digest),
            size=len(raw),
            open=partial(io.BytesIO, raw),
        )
        route, detail = f"{TO_NODE}{to}", "this node has no axis of its own"
        for axis in self._own_axes():
            outcome = (await axis.publish(parcel, [route]))[route]
            if outcome.fate is Fate.DELIVERED:
                return
            detail = outcome.detail or outcome.code
        raise TransportFailure(f"no letter reaches the node {to}: {detail}")

    async def open(self, path: Path, node: str | None) -> Letter:
        """Read a letter that came for this node and verify it; `node` is the sender that the axis vouches for. InvalidProof
        for one that does not hold."""
        letter, seal = read_letter(await self.pool.run(partial(_read, path)))
        now = self.clock.now()
        if letter.to != self.node_name or node not in (None, letter.node):
            raise InvalidProof(f"the letter is of {letter.node} to {letter.to}, and came from {node}")
        if letter.at > now + AHEAD:
            raise InvalidProof(f"the letter of {letter.node} is of {letter.at}, which is still to come")
        entry = await self.directory.find(letter.code, local(now).date())
        if entry is None or entry.host_on(local(now).date()) not in (None, letter.node):
            raise InvalidProof(f"{letter.code} is no agency of the node {letter.node} by the registry")
        bindings = await self.directory.bindings(letter.code)
        await self.pool.run(partial(_check_seal, letter, seal, bindings, now))
        return letter

    def _own_axes(self) -> Sequence[Axis]:
        return [axis for axis in each_axis(self.axis).values() if not isinstance(axis, ForeignAxis)]


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_LETTER + 1)


def sign_letter(letter: Letter, signer: EnvelopeSigner) -> bytes:
    """Return the letter with its seal. It may wait for a token: use the pool."""
    message = letter.to_text().encode()
    seal = LetterSeal(
        hashlib.sha256(signer.certificate_der).hexdigest(),
        signer.algorithm,
        to_base64(signer.sign(message)),
    )
    return message + seal.to_text().encode()


def _check_seal(letter: Letter, seal: LetterSeal, bindings: Sequence[Binding], now: datetime) -> None:
    """Raise InvalidProof unless a certificate that is in force for the code signed the letter."""
    try:
        if is_signed_by_bound(seal, letter.to_text().encode(), bindings, now, "the letter"):
            return
    except FeedRefused as cause:
        raise InvalidProof(f"the signature of the letter does not hold: {cause}") from cause
    raise InvalidProof(f"the certificate {seal.certificate} is not in force for {letter.code} here")
