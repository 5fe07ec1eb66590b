"""The part of the wiring for letters between nodes: the witness of other logs, and the worker that has our log cosigned.
In: settings, an open core, the axis. Out: the taker of letters; the worker; the witness for calls over HTTP."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import log
from gateway.bootstrap.core import log_signer_opener
from gateway.bootstrap.feed_fetch import choose_signer
from gateway.domain.witness import LetterKind, WitnessAddress, read_witnesses
from gateway.errors import GatewayError, InvalidProof, Misconfigured, StoreFailure
from gateway.trust.note_keys import open_witness_signer
from gateway.witnessing.asking import WitnessAsker
from gateway.witnessing.cosigning import Cosigner
from gateway.witnessing.counting import LossAuditor
from gateway.witnessing.letters import NodeLetters
from gateway.witnessing.stating import StateAuditor
from gateway.workers.loop import Loop

if TYPE_CHECKING:
    from gateway.bootstrap.core import NodeCore
    from gateway.ports.axis import ManagedAxis
    from gateway.settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterPost:
    """Taker of letters of other nodes."""

    letters: NodeLetters
    asker: WitnessAsker
    cosigner: Cosigner | None
    auditor: LossAuditor
    state_auditor: StateAuditor

    async def take(self, path: Path, node: str | None) -> None:
        """Take a letter. One that does not hold, or that cannot be answered, is logged: its sender asks again. StoreFailure
        while the storage fails."""
        try:
            letter = await self.letters.open(path, node)
            if letter.kind is LetterKind.COUNTS:
                await self.auditor.take_counts(letter)
            elif letter.kind is LetterKind.COUNTED:
                await self.auditor.take_answer(letter)
            elif letter.kind is LetterKind.STATES:
                await self.state_auditor.take_states(letter)
            elif letter.kind is LetterKind.STATED:
                await self.state_auditor.take_answer(letter)
            elif letter.kind is not LetterKind.CHECKPOINT:
                await self.asker.take_answer(letter)
            elif self.cosigner is not None:
                await self.cosigner.take_request(letter, self.letters)
        except StoreFailure:
            raise
        except GatewayError as error:
            log.action(_log, "letter.refused", str(error), node=node, code=error.code)


def open_post(core: NodeCore, axis: ManagedAxis) -> LetterPost:
    asker = make_asker(core, axis)
    is_witness = core.settings.log.is_witness == "yes"
    cosigner = make_cosigner(core) if is_witness else None
    return LetterPost(
        letters=asker.letters,
        asker=asker,
        cosigner=cosigner,
        auditor=make_auditor(core, axis),
        state_auditor=make_state_auditor(core, axis),
    )


def letter_loops(core: NodeCore, axis: ManagedAxis) -> dict[str, Loop]:
    """Return the loops that have the log cosigned, and that compare packets, as far as the settings name nodes."""
    workers: dict[str, WitnessAsker | LossAuditor | StateAuditor] = {}
    if core.settings.log.witnesses:
        workers["witnesses"] = make_asker(core, axis)
    if core.settings.log.compares:
        workers["loss_audit"] = make_auditor(core, axis)
        workers["state_audit"] = make_state_auditor(core, axis)
    return {name: Loop(step=worker.step, is_due=worker.is_due) for name, worker in workers.items()}


def make_auditor(core: NodeCore, axis: ManagedAxis) -> LossAuditor:
    """Make the worker that compares packets with partners."""
    return LossAuditor(
        store=core.store,
        letters=_letters(core, axis),
        partners=_partners(core),
        host_of=core.host_of,
        clock=core.clock,
    )


def make_state_auditor(core: NodeCore, axis: ManagedAxis) -> StateAuditor:
    """Make the worker that compares states of packets with partners."""
    return StateAuditor(
        store=core.store,
        letters=_letters(core, axis),
        partners=_partners(core),
        host_of=core.host_of,
        clock=core.clock,
        pool=core.pool,
    )


def _partners(core: NodeCore) -> frozenset[str]:
    names = (name.strip() for name in core.settings.log.compares.split(","))
    return frozenset(filter(None, names))


def make_asker(core: NodeCore, axis: ManagedAxis) -> WitnessAsker:
    """Make the worker that asks the witnesses. Misconfigured where the setting has another form."""
    return WitnessAsker(
        store=core.store,
        letters=_letters(core, axis),
        addresses=addresses(core.settings),
        every=timedelta(seconds=core.settings.log.witness_every_s),
        open_signer=log_signer_opener(core.settings),
        clock=core.clock,
        pool=core.pool,
    )


def make_cosigner(core: NodeCore) -> Cosigner:
    keys = core.settings.keys
    return Cosigner(
        store=core.store,
        every=timedelta(seconds=core.settings.log.witness_every_s),
        open_signer=partial(open_witness_signer, keys.folder, keys.passwords),
        clock=core.clock,
        pool=core.pool,
    )


def _letters(core: NodeCore, axis: ManagedAxis) -> NodeLetters:
    return NodeLetters(
        node_name=core.settings.node.name,
        axis=axis,
        directory=core.directory,
        choose_signer=partial(choose_signer, core),
        clock=core.clock,
        pool=core.pool,
    )


def addresses(settings: Settings) -> tuple[WitnessAddress, ...]:
    try:
        return read_witnesses(settings.log.witnesses)
    except InvalidProof as cause:
        raise Misconfigured(f"log.witnesses: {cause.detail}") from cause
