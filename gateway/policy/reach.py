"""Will this recipient hear of it, and can it answer? In: what is known of each recipient. Out: warnings, each at its JSON
pointer; none refuses, for a certificate or a route may come tomorrow. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from gateway.domain.document import Recipient
from gateway.domain.registry import AgencyEntry, Resolution, RowSource, Standing
from gateway.policy.verdict import Reason, ReasonCode, reason

_ADDRESSED = (Standing.ACTIVE, Standing.MAPPED)


def addressed(answers: Sequence[Resolution]) -> Sequence[AgencyEntry]:
    """The agencies that mail would go to; whoever is unknown or closed is told of by the rules for recipients."""
    return [each.entry for each in answers if each.entry is not None and each.standing in _ADDRESSED]


def of_registry(answers: Sequence[Resolution], bound: Collection[str]) -> Iterator[Reason]:
    """`bound` are the codes for which a confirmed certificate speaks: what comes from others is not taken as theirs."""
    for pointer, entry in _each(answers):
        told = {"recipient": entry.code, "name": entry.name}
        if entry.source is RowSource.STARTER:
            yield reason(ReasonCode.RECIPIENT_STARTER, pointer, **told)
        if entry.code not in bound:
            yield reason(ReasonCode.RECIPIENT_UNBOUND, pointer, **told)


def of_axis(recipients: Sequence[Recipient], unhosted: Collection[str]) -> Iterator[Reason]:
    """`recipients` as they would be addressed; `unhosted` are the codes that no node receives for."""
    for n, each in enumerate(recipients):
        if each.code in unhosted:
            yield reason(
                ReasonCode.RECIPIENT_UNHOSTED,
                f"/recipients/{n}/code",
                recipient=each.code,
                name=each.name or "",
            )


def _each(answers: Sequence[Resolution]) -> Iterator[tuple[str, AgencyEntry]]:
    for n, answer in enumerate(answers):
        if answer.entry is not None and answer.standing in _ADDRESSED:
            yield f"/recipients/{n}/code", answer.entry
