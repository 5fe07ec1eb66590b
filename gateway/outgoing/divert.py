"""Decides where a packet goes when the registry has closed a recipient meanwhile (R83, closed recipients): it is held
back with the successor named, returned at once, or sent to the successor with a notice. Only imported or synced registry
rows have this effect (R48, recipients are codes). Where an earlier attempt may have reached the ended code, the outcome
says so. A packet that asks about a document which has left goes where that document went: to the ended code, or to the
successor that it was sent to. A status is never diverted. In: a packet that is about to leave, its recipients, and which
of them may have it. Out: outcomes of recipients that are left out, and the codes to publish to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.queues import OutboxItem, OutboxTarget
from gateway.domain.registry import CodeStanding, Resolution
from gateway.domain.registry_reform import QueuedMail
from gateway.domain.status import last_sent
from gateway.outgoing.services import OutgoingServices
from gateway.policy.verdict import ReasonCode
from gateway.ports.axis import Fate, Outcome

REDIRECTED = "recipient-redirected"
_IN_DOUBT = "recipient-closed-in-doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diverted:
    """Diversions of one packet, each by the recipient's code: outcomes of recipients that are held back, successors of
    those that are redirected, and the notices to store."""

    held_back: Mapping[str, Outcome] = field(default_factory=dict)
    heirs: Mapping[str, str] = field(default_factory=dict)
    notices: Mapping[str, str] = field(default_factory=dict)

    def routes(self, targets: Sequence[OutboxTarget]) -> list[str]:
        """Return the codes to publish to, each once, since a successor may be a recipient too."""
        open_codes = [target.code for target in targets if target.code not in self.held_back]
        return list(dict.fromkeys([self.heirs.get(code, code) for code in open_codes]))

    def outcomes(
        self, targets: Sequence[OutboxTarget], published: Mapping[str, Outcome]
    ) -> dict[str, Outcome]:
        """Return the outcome of each recipient, from the outcomes of the codes that were published to."""
        outcomes = dict(self.held_back)
        for code in dict.fromkeys([target.code for target in targets if target.code not in self.held_back]):
            outcome = published[self.heirs.get(code, code)]
            notice = self.notices.get(code, "")
            if outcome.fate is Fate.DELIVERED and notice:
                outcome = replace(outcome, code=REDIRECTED, detail=notice, heir=self.heirs[code])
            outcomes[code] = outcome
        return outcomes


_NO_DIVERSION = Diverted()


async def divert_closed(
    services: OutgoingServices,
    scope: AgencyScope,
    item: OutboxItem,
    targets: Sequence[OutboxTarget],
    doubtful: Collection[str],
) -> Diverted:
    """Divert the recipients whose codes are closed. A packet that is held back leaves once the registry opens its code
    again; its sender may cancel it and send anew. `doubtful`: codes that may have the packet."""
    closed = await _list_closed(services, targets) if item.kind is not Kind.STATUS else {}
    if not closed:
        return _NO_DIVERSION
    places = await _list_places(services, scope, item.subject_id, closed) if item.kind.asks else {}
    held_back: dict[str, Outcome] = {}
    heirs: dict[str, str] = {}
    for code, answer in closed.items():
        heir = places[code] if code in places else await _find_heir(services, answer)
        if heir is None:
            held_back[code] = _hold_outcome(answer, is_doubtful=code in doubtful)
        elif heir != code:
            heirs[code] = heir
    notices = {
        code: f"{code} ended: sent to its successor {heir}{_doubt(code) if code in doubtful else ''}"
        for code, heir in heirs.items()
    }
    return Diverted(held_back=held_back, heirs=heirs, notices=notices)


async def _list_closed(services: OutgoingServices, targets: Sequence[OutboxTarget]) -> dict[str, Resolution]:
    """Return the recipients that the registry closes, each with its resolution."""
    today, closed = services.today(), dict[str, Resolution]()
    for target in targets:
        if await services.directory.find(target.code, today) is None:
            answer = await services.directory.resolve(target.code, today)
            if answer.standing is CodeStanding.CLOSED and answer.may_refuse:
                closed[target.code] = answer
    return closed


async def _list_places(
    services: OutgoingServices, scope: AgencyScope, request_id: str, closed: Mapping[str, Resolution]
) -> Mapping[str, str]:
    """Return where the document went that an update or a recall asks about, by the ended code it was sent to: to the code
    itself, or to a successor. A document that has not left yet has no place."""
    async with services.store.read(scope) as work:
        parent_id = (await work.outgoing.get(request_id)).parent_id
        deliveries = await work.deliveries.of_document(parent_id) if parent_id else ()
        closed_ids = {d.recipient.code: d.id for d in deliveries if d.recipient.code in closed}
        facts = await work.facts.of_subjects(list(closed_ids.values())) if closed_ids else {}
    places: dict[str, str] = {}
    for code, id in closed_ids.items():
        if (sent := last_sent(facts[id])) is not None:
            # A fact of an older version does not name the successor.
            is_unnamed = sent.reason == REDIRECTED and sent.heir is None
            places[code] = (closed[code].successor if is_unnamed else sent.heir) or code
    return places


async def _find_heir(services: OutgoingServices, answer: Resolution) -> str | None:
    """Return the successor, where the registry change redirects waiting mail to it and it is in force."""
    ending = answer.ending
    if ending is None or ending.queued is not QueuedMail.REDIRECT or answer.successor is None:
        return None
    return answer.successor if await services.directory.find(answer.successor, services.today()) else None


def _doubt(code: str) -> str:
    return f"; an earlier attempt may have reached {code}"


def _hold_outcome(answer: Resolution, *, is_doubtful: bool) -> Outcome:
    """Return the outcome of a closed recipient without an heir for its mail: retried later, or returned at once."""
    closed_after = f" after {answer.entry.valid_to}" if answer.entry and answer.entry.valid_to else ""
    is_returned = answer.ending is not None and answer.ending.queued is QueuedMail.RETURN
    advice = "send to it anew" if is_returned else "cancel and send to it"
    heirs = _list_heirs(answer)
    heir = f"; its successor is {', '.join(heirs)}: {advice}" if heirs else ""
    return Outcome(
        fate=Fate.NEVER if is_returned else Fate.RETRY,
        code=_IN_DOUBT if is_doubtful else ReasonCode.RECIPIENT_CLOSED,
        detail=f"{answer.query} is closed in the registry{closed_after}{heir}{_doubt(answer.query) if is_doubtful else ''}",
        unsure=is_doubtful,
    )


def _list_heirs(answer: Resolution) -> Collection[str]:
    if answer.successor is not None:
        return (answer.successor,)
    return answer.ending.heirs if answer.ending is not None else ()
