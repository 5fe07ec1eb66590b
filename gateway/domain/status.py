"""Computes states from facts: three tracks with their codes, the one word that is shown, and whose turn it is. A fact is
never changed or removed; a state is a pure function of the set of facts, so the order of arrival and repeats do not
matter.

In: the facts of one delivery or one incoming document. Out: its standing; a `Duty`, or None where nothing is due. Lists,
pages and the to-do list count the time left from the same moment, that of the duty."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.document import (
    Delivery,
    IncomingDocument,
    InState,
    OutgoingDocument,
    OutState,
    RecipientRole,
    Staff,
)
from gateway.domain.enums import ValueAtHand
from gateway.domain.forms import Handed
from gateway.domain.identity import Digest
from gateway.domain.states import (
    ASKED_BACK,
    BUSINESS_CODES,
    CODES,
    DECIDED,
    GIVEN_BACK,
    HAS_IT,
    REQUESTED,
    TAKEN_CODES,
    State,
    Track,
    is_given_back,
    worst,
)
from gateway.domain.wall_clock import whole_second

SKEW = timedelta(minutes=5)
# As for a SigningTime (K2, signing time). A stated time further outside of the possible span is not believed.
ALLOWED_SKEW = timedelta(minutes=10)
_TRANSPORT_RANK = {State.QUEUED: 0, State.SENDING: 1, State.FAILED: 2}
_STATE_OF_CODE = {code: InState(row.key) for code, row in CODES.items() if row.key in DECIDED}
REOPENED = "reopened"
"""Mark of work that was closed by mistake and is open again."""
MAY_HAVE_LEFT = "may_have_left"
"""Reason of `cancelled`, and its mark: an earlier attempt may have reached the axis."""
# Mark of a delivery to a code that received before and has no queue at the axis now; the reason of such a try, too.
NO_QUEUE = "no_queue"
_OWN_MARKS = ("held", "released", "replaced", "sealed", "unsealed")
_OWN_WORD = frozenset({OutState.DRAFT, OutState.BLOCKED, OutState.CANCELLED})


def incoming_word(document: IncomingDocument, facts: Iterable[Fact]) -> str:
    """Return the word shown for an incoming document: that of the sender's open request, else its own state."""
    word = fold_incoming(facts).word
    return word if word in REQUESTED and document.state is not InState.SEALED else str(document.state)


class RequestKind(ValueAtHand, StrEnum):
    RECALL = "recall"
    TAKE_BACK = "take_back"
    UPDATE = "update"


class RequestState(StrEnum):
    OPEN = "asked"
    AGREED = "agreed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Fact about a delivery or an incoming document. `at` is when our node learnt or did it; `stated_at` is the time that
    the other side states. Two facts are the same when track, code, stated_at, packet_digest and request_id are equal.
    `request_id` is the packet id of the request, or of the answered request. `axis` is the axis, of several, on which it
    was sent, refused or reported. `handed` is the file that the axis was given, where that is not the standard one."""

    track: Track
    code: str
    at: datetime
    stated_at: datetime | None = None
    packet_digest: Digest | None = None
    proved: bool = False
    request_id: str | None = None
    request_kind: RequestKind | None = None
    reason: str | None = None
    note: str | None = None
    staff: Staff | None = None
    register_no: str | None = None
    """With a 03: the arrival number that the receiver gave. Its year is in `register_year`."""
    register_year: int | None = None
    axis: str | None = None
    handed: Handed | None = None
    session: str | None = None
    """Session with a foreign axis that vouches for the fact, where no signature proves it."""
    heir: str | None = None
    """Successor of an ended recipient: the packet was sent to it, or it answered. Its right to answer rests on the decision
    in `heir_by`."""
    heir_by: str | None = None
    is_on_route: bool = False
    """True if mail to its author may use that axis; then it counts even where the document took another."""

    @property
    def identity(self) -> tuple[object, ...]:
        """Key that is equal for the same fact."""
        return self.track, self.code, self.stated_at, self.packet_digest, self.request_id


def arrival_number(facts: Iterable[Fact]) -> tuple[str, int | None] | None:
    """Return the arrival number that a receiver gave, and its year: a proved one before others, then the latest."""
    counted, _ = _split_by_weight(tuple(facts))
    numbered = [fact for fact in counted if fact.code == "03" and fact.register_no]
    if not numbered:
        return None
    since = began(counted)
    last = max(numbered, key=lambda fact: (fact.proved, counts_at(fact, since), fact.at))
    return None if last.register_no is None else (last.register_no, last.register_year)


def last_sent(facts: Iterable[Fact]) -> Fact | None:
    """Return the fact that a delivery was sent, the last one where it was sent again; None where it has not left."""
    sent = [fact for fact in facts if fact.track is Track.TRANSPORT and fact.code == State.SENT]
    return max(sent, key=lambda fact: fact.at, default=None)


def queued_at(facts: Iterable[Fact]) -> datetime | None:
    """Return when a delivery was last queued."""
    queued = [fact.at for fact in facts if fact.track is Track.TRANSPORT and fact.code == State.QUEUED]
    return max(queued, default=None)


def own_fact(track: Track, code: str, at: datetime, *, reason: str | None = None) -> Fact:
    """Make a fact of our own node that may happen more than once (`queued` again on a resend): its time makes it
    distinct."""
    return Fact(track=track, code=code, at=at, stated_at=at, reason=reason)


# Only peers that answer a recall with 02 or 03 have these codes in the request track; the caller decides that.
_ANSWERS = {
    "15": RequestState.AGREED,
    "03": RequestState.AGREED,
    "16": RequestState.REFUSED,
    "02": RequestState.REFUSED,
}
_CANCELLING = (RequestKind.RECALL, RequestKind.TAKE_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStanding:
    """State of one recall, take-back or update, with its times and the reason that came with its answer."""

    request_id: str
    kind: RequestKind
    state: RequestState
    asked_at: datetime
    answered_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStanding:
    """Standing of a delivery on its three tracks, the word for it (a key of `STATES`), and its marks."""

    transport: str
    business: str | None
    requests: tuple[RequestStanding, ...]
    word: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingStanding:
    """Standing of an incoming document. `word` is its state, or the word of the request to answer."""

    state: InState
    requests: tuple[RequestStanding, ...]
    word: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Permission to set a status now. `repeat`: the status is set already, so nothing is to do. `reason` is a label
    key."""

    allowed: bool
    repeat: bool = False
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed


def fold_delivery(facts: Iterable[Fact]) -> DeliveryStanding:
    """Compute the standing of a delivery. The order and repeats of facts do not matter."""
    counted, outweighed = _split_by_weight(_merge_repeats(facts))
    since = began(counted)
    transport = _fold_transport(counted)
    business = _fold_business(counted, since)
    requests = _fold_requests(counted)
    word = _request_word(requests) or (CODES[business].key if business else transport)
    marks = _collect_marks(counted, requests, since) | {f"session_only:{fact.code}" for fact in outweighed}
    return DeliveryStanding(
        transport=transport,
        business=business,
        requests=requests,
        word=word,
        marks=tuple(sorted(marks)),
    )


def counts(fact: Fact, facts: Iterable[Fact]) -> bool:
    """Tell whether a fact of a delivery has an effect beside `facts`, or is only shown."""
    _, outweighed = _split_by_weight((*facts, fact))
    return fact not in outweighed


def _split_by_weight(facts: tuple[Fact, ...]) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
    """Split the facts of a delivery into those that count and those that are only shown. A status that only a session
    with a foreign axis vouches for overrules no signed one, and counts only if that axis carried the document, or may
    carry mail to its sender. An attempt that failed may have arrived all the same."""
    by_session = [fact for fact in facts if fact.session is not None]
    if not by_session:
        return facts, ()
    tried = [
        fact for fact in facts if fact.track is Track.TRANSPORT and fact.code in (State.SENT, State.FAILED)
    ]
    carriers = {fact.axis for fact in [f for f in tried if f.code == State.SENT] or tried}
    signed = any(fact.session is None and fact.track is Track.BUSINESS for fact in facts)
    outweighed = tuple(
        fact for fact in by_session if signed or not (fact.is_on_route or fact.axis in carriers)
    )
    return tuple(fact for fact in facts if fact not in outweighed), outweighed


def fold_incoming(facts: Iterable[Fact]) -> IncomingStanding:
    """Compute the standing of an incoming document, whose requests are the sender's and whose answers are ours."""
    distinct = _merge_repeats(facts)
    since = began(distinct)
    requests = _fold_requests(distinct)
    state = _fold_in_state(distinct, requests, since)
    waiting = _first_open_request(requests) if requests else None
    word = state.value if waiting is None or state is InState.SEALED else f"{waiting.kind}_asked"
    return IncomingStanding(
        state=state,
        requests=requests,
        word=word,
        marks=tuple(sorted(_collect_marks(distinct, requests, since))),
    )


def open_request(standing: DeliveryStanding | IncomingStanding) -> RequestStanding | None:
    """Return the one request that waits for an answer, if any; no second one may be made until then."""
    return _first_open_request(standing.requests)


def may_set_incoming(standing: IncomingStanding, code: str) -> Permission:
    """Judge whether a status may be set: 02 to 06 in any order and more than once; 15 and 16 only as the answer to the
    open request; nothing about a sealed document; about a recalled one 15, or the answer that leaves it recalled."""
    if code not in CODES:
        return Permission(allowed=False, reason="status.unknown_code")
    if code in ("01", "13"):
        return Permission(allowed=False, reason="status.not_by_hand")
    if standing.state is InState.SEALED:
        return Permission(allowed=False, reason="status.sealed")
    if code in ("15", "16"):
        return _may_answer(standing, code)
    if standing.state is InState.RECALLED:
        return Permission(allowed=False, reason="status.recalled")
    return Permission(allowed=True)


def is_reopened(facts: Iterable[Fact]) -> bool:
    """Tell whether closed work is open again: it has a 05 with a reason as `note`, stated later than every 06."""
    all_facts = tuple(facts)
    closed, since = closed_at(all_facts), began(all_facts)
    return closed is not None and any(
        counts_at(fact, since) > closed for fact in _business_facts(all_facts, "05") if fact.note
    )


def closed_at(facts: Iterable[Fact]) -> datetime | None:
    """Return when the work was last reported as done."""
    all_facts = tuple(facts)
    since = began(all_facts)
    return max((counts_at(fact, since) for fact in _business_facts(all_facts, "06")), default=None)


def not_before(facts: Iterable[Fact], code: str) -> datetime | None:
    """Return the first second at which a new 05 or 06 counts, after the last one of the other code."""
    all_facts = tuple(facts)
    since = began(all_facts)
    times = [counts_at(fact, since) for fact in _business_facts(all_facts, "06" if code == "05" else "05")]
    return max(times) + timedelta(seconds=1) if times else None


def _business_facts(facts: Iterable[Fact], code: str) -> list[Fact]:
    return [fact for fact in facts if fact.track is Track.BUSINESS and fact.code == code]


def code_of(text: str) -> str | None:
    """Return the wire code for a code or a word (`03` or `accepted`); None for any other text. `3` is read as `03`."""
    code = text.strip()
    if code.isascii() and code.isdigit():
        code = code.zfill(2)
    if code in CODES:
        return code
    return next((row.code for row in CODES.values() if row.key == code), None)


def is_skewed(fact: Fact) -> bool:
    """Tell whether the stated time and ours differ by more than five minutes. This is shown, but never decides."""
    return fact.stated_at is not None and abs(fact.at - fact.stated_at) > SKEW


def _merge_repeats(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Merge repeats of the same fact into one: with the earliest time we learnt it, and proved if any of them was."""
    merged: dict[tuple[object, ...], Fact] = {}
    for fact in facts:
        key = (fact.track, fact.code, fact.stated_at, fact.packet_digest, fact.request_id)
        previous = merged.get(key)
        if previous is None:
            merged[key] = fact
            continue
        kinds = sorted(kind for kind in (fact.request_kind, previous.request_kind) if kind is not None)
        merged[key] = replace(
            previous,
            at=min(fact.at, previous.at),
            proved=fact.proved or previous.proved,
            request_kind=kinds[0] if kinds else None,
        )
    return tuple(merged.values())


def counts_at(fact: Fact, since: datetime | None) -> datetime:
    """Return when the fact takes effect: at its stated time if that is possible, else when we received it, so that a time
    in 2099 does not rule for ever. `since` is when the document or request began with us. In whole seconds, as on the
    wire, so that sender and receiver compute the same state."""
    at = fact.at if fact.stated_at is None or _is_absurd(fact, since) else fact.stated_at
    return whole_second(at)


def began(facts: Iterable[Fact]) -> datetime | None:
    """Return when we accepted a document to send, or received one, by facts of our own clock alone."""
    # Our own 01 about an incoming document states no time; a recipient's 01 does.
    ours = [
        fact.at
        for fact in facts
        if fact.track is Track.TRANSPORT
        or (fact.track is Track.BUSINESS and fact.code == "01" and fact.stated_at is None)
    ]
    return min(ours, default=None)


def _is_absurd(fact: Fact, since: datetime | None) -> bool:
    if fact.stated_at is None:
        return False
    too_early = since is not None and fact.stated_at < min(since, fact.at) - ALLOWED_SKEW
    return too_early or fact.stated_at > fact.at + ALLOWED_SKEW


def _fold_transport(facts: tuple[Fact, ...]) -> str:
    """Return the code of the transport track. `sent` and `cancelled` are final, and `cancelled` comes only before `sent`;
    paper has no later code but `cancelled`. Of the others the latest counts, so that a resend after `failed` is `queued`
    again."""
    codes = {fact.code for fact in facts if fact.track is Track.TRANSPORT}
    for final in (State.SENT, State.CANCELLED, State.PAPER):
        if final in codes:
            return final
    last = _last_move(facts)
    return State.QUEUED if last is None else last.code


def _last_move(facts: Iterable[Fact]) -> Fact | None:
    moving = [fact for fact in facts if fact.track is Track.TRANSPORT and fact.code in _TRANSPORT_RANK]
    return max(moving, key=lambda fact: (fact.at, _TRANSPORT_RANK[fact.code]), default=None)


def _fold_business(facts: tuple[Fact, ...], since: datetime | None) -> str | None:
    """Return the highest business code. Between 02 and 03 (R5, contradictions) a proved one goes first, then the one
    stated later; on a tie it is 02."""
    business_facts = [fact for fact in facts if fact.track is Track.BUSINESS and fact.code in BUSINESS_CODES]
    if len(business_facts) < 2:
        return business_facts[0].code if business_facts else None

    def weight(fact: Fact) -> tuple[int, bool, datetime, bool]:
        return CODES[fact.code].rank, fact.proved, counts_at(fact, since), fact.code == "02"

    return max(business_facts, key=weight).code


def _fold_requests(facts: tuple[Fact, ...]) -> tuple[RequestStanding, ...]:
    """Return the standing of each request, oldest first."""
    mine = [fact for fact in facts if fact.track is Track.REQUEST and fact.request_id]
    if not mine:
        return ()
    asks_by_id: dict[str, Fact] = {}
    for fact in sorted(mine, key=lambda fact: (fact.at, fact.request_kind or "")):
        if fact.code == RequestState.OPEN and fact.request_kind and fact.request_id:
            asks_by_id.setdefault(fact.request_id, fact)
    standings = [
        _fold_ask(request_id, ask.request_kind, ask.at, [f for f in mine if f.request_id == request_id])
        for request_id, ask in asks_by_id.items()
        if ask.request_kind is not None
    ]
    return tuple(sorted(standings, key=lambda request: (request.asked_at, request.request_id)))


def _fold_ask(request_id: str, kind: RequestKind, asked_at: datetime, facts: list[Fact]) -> RequestStanding:
    """Return the standing of a request. The first answer counts, on a tie the refusal. An answer outweighs a withdrawal,
    since the receiver has acted on it."""
    answers = [fact for fact in facts if fact.code in _ANSWERS]
    withdrawals = [fact for fact in facts if fact.code == RequestState.WITHDRAWN]
    standing = RequestStanding(request_id=request_id, kind=kind, state=RequestState.OPEN, asked_at=asked_at)
    if answers:
        first = min(
            answers, key=lambda fact: (counts_at(fact, asked_at), _ANSWERS[fact.code] is RequestState.AGREED)
        )
        state, at = _ANSWERS[first.code], counts_at(first, asked_at)
        return replace(standing, state=state, answered_at=at, reason=first.reason or first.note)
    if withdrawals:
        at = min(fact.at for fact in withdrawals)
        return replace(standing, state=RequestState.WITHDRAWN, answered_at=at)
    return standing


def _first_open_request(requests: tuple[RequestStanding, ...]) -> RequestStanding | None:
    return next((request for request in requests if request.state is RequestState.OPEN), None)


def _is_cancelled(requests: tuple[RequestStanding, ...]) -> bool:
    return any(request.kind in _CANCELLING and request.state is RequestState.AGREED for request in requests)


def _request_word(requests: tuple[RequestStanding, ...]) -> str | None:
    """Return the word of the requests: that of an open one, else that of an agreed recall or take-back, if any."""
    if not requests:
        return None
    waiting = _first_open_request(requests)
    if waiting is not None:
        return f"{waiting.kind}_asked"
    return State.REQUEST_AGREED if _is_cancelled(requests) else None


def _fold_in_state(
    facts: tuple[Fact, ...], requests: tuple[RequestStanding, ...], since: datetime | None
) -> InState:
    """Return the state of an incoming document: sealed, recalled and replaced go before business codes and holds."""
    own = [fact for fact in facts if fact.track is Track.OTHER]
    if _latest_of(own, "sealed", "unsealed") == "sealed":
        return InState.SEALED
    if _is_cancelled(requests):
        return InState.RECALLED
    if _latest_of(own, "replaced") == "replaced":
        return InState.REPLACED
    business = _fold_business(facts, since)
    if business == "06" and is_reopened(facts):
        return InState.PROCESSING
    if business in _STATE_OF_CODE:
        return _STATE_OF_CODE[business]
    return InState.HELD if _latest_of(own, "held", "released") == "held" else InState.NEW


def _latest_of(own: Sequence[Fact], strict: str, lifted: str = "") -> str | None:
    """Return the later of two of our own codes; at the same time the strict one; None without either."""
    candidates = [fact for fact in own if fact.code in (strict, lifted)] if own else []
    return max(candidates, key=lambda fact: (fact.at, fact.code == strict)).code if candidates else None


def _collect_marks(
    facts: tuple[Fact, ...], requests: tuple[RequestStanding, ...], since: datetime | None
) -> set[str]:
    """Collect the marks of contradictions, answered requests, facts without effect, and odd times."""
    marks = set()
    business_codes = {fact.code for fact in facts if fact.track is Track.BUSINESS}
    if "02" in business_codes and not business_codes.isdisjoint(TAKEN_CODES):
        marks.add("contradiction")
    if "06" in business_codes and is_reopened(facts):
        marks.add(REOPENED)
    for request in requests:
        if request.state is RequestState.REFUSED:
            marks.add(f"request_refused:{request.kind}")
        elif request.state is RequestState.AGREED and request.kind is RequestKind.UPDATE:
            marks.add(f"request_agreed:{request.kind}")
    last = _last_move(facts)
    if last is not None and last.reason == NO_QUEUE and last.code == _fold_transport(facts):
        marks.add(NO_QUEUE)
    asked_at = {request.request_id: request.asked_at for request in requests}
    for fact in facts:
        if fact.code == State.CANCELLED and fact.reason == MAY_HAVE_LEFT:
            marks.add(MAY_HAVE_LEFT)
        if fact.track is not Track.TRANSPORT and (mark := _stray_mark(fact, asked_at)):
            marks.add(mark)
        if fact.stated_at is not None and _is_absurd(fact, asked_at.get(fact.request_id or "", since)):
            marks.add(f"odd_time:{fact.code}")
    return marks


def _stray_mark(fact: Fact, request_ids: Collection[str]) -> str | None:
    """Return the mark of a fact without effect: an answer without a request, or an unknown code."""
    if fact.track is Track.REQUEST:
        is_stray = fact.code != RequestState.OPEN and fact.request_id not in request_ids
        return f"stray:{fact.code}" if is_stray else None
    if fact.code in _OWN_MARKS or (fact.track is Track.BUSINESS and fact.code in BUSINESS_CODES):
        return None
    return f"stray:{fact.code}" if fact.code in CODES else f"unknown:{fact.code}"


def _may_answer(standing: IncomingStanding, code: str) -> Permission:
    """Judge whether 15 or 16 may be set: on the open request, or as a repeat of its last answer."""
    waiting = _first_open_request(standing.requests)
    if waiting is not None:
        # A recalled document stays recalled: another recall of it is agreed to, and an update refused.
        fitting = "15" if waiting.kind in _CANCELLING else "16"
        if standing.state is InState.RECALLED and code != fitting:
            return Permission(allowed=False, reason="status.recalled")
        return Permission(allowed=True)
    answered = [request for request in standing.requests if request.answered_at is not None]
    last = max(answered, key=lambda request: (request.answered_at, request.request_id), default=None)
    if standing.state is InState.RECALLED and code == "15":
        return Permission(allowed=True, repeat=True)
    if last is not None and last.state is _ANSWERS[code] and standing.state is not InState.RECALLED:
        return Permission(allowed=True, repeat=True)
    reason = "status.recalled" if standing.state is InState.RECALLED else "status.no_open_request"
    return Permission(allowed=False, reason=reason)


class Waits(StrEnum):
    """Kind of action that is due."""

    TAKE_IN = "take_in"
    DECIDE = "decide"
    """The document is on hold, and has to be taken in or refused."""
    ANSWER = "answer"
    """The sender asks for its recall, update or take-back."""
    PARTNER = "partner"
    """A recipient has to take in a document of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    waits: Waits
    since: datetime
    stated: datetime | None = None
    """Hour that a timed express letter states."""


def duty_of(document: IncomingDocument, facts: Sequence[Fact]) -> Duty | None:
    """Return the duty about a document: to answer an open request first, else to decide on it. A sealed one has none."""
    request = None if document.state is InState.SEALED else open_request(fold_incoming(facts))
    if request is not None:
        return Duty(waits=Waits.ANSWER, since=request_learnt_at(facts, request))
    if document.state is InState.HELD:
        return Duty(waits=Waits.DECIDE, since=held_since(facts) or document.arrived_at)
    if document.state is InState.NEW:
        return Duty(waits=Waits.TAKE_IN, since=document.arrived_at, stated=document.due_at)
    return None


def request_learnt_at(facts: Iterable[Fact], request: RequestStanding) -> datetime:
    """Return when our node learnt of the request. The sender's own time is no basis for our deadline."""
    times = [
        fact.at
        for fact in facts
        if fact.track is Track.REQUEST and fact.request_id == request.request_id and fact.code == "asked"
    ]
    return min(times, default=request.asked_at)


def held_since(facts: Iterable[Fact]) -> datetime | None:
    """Return when the document was last put on hold; None if never."""
    times = [fact.at for fact in facts if fact.track is Track.OTHER and fact.code == "held"]
    return max(times, default=None)


def waits_for_answer(document: OutgoingDocument, delivery: Delivery, answered: Collection[str]) -> bool:
    """Tell whether the recipient has the document, owes an answer, and has not given it. `answered` are the casefolded
    codes of recipients that have answered."""
    owes = delivery.recipient.role is not RecipientRole.TO_KNOW and delivery.state in HAS_IT
    return document.reply_by is not None and owes and delivery.recipient.code.casefold() not in answered


def document_word(own: OutState, states: Iterable[str]) -> str:
    """Return the word shown for an outgoing document: its own state before there are deliveries and once it is cancelled,
    else that of its recall, open or agreed to by all, else that of its most urgent recipient. A packed document still
    counts as queued."""
    recipient_states = tuple(states)
    if recipient_states and own not in _OWN_WORD:
        if recall_states := ASKED_BACK.intersection(recipient_states):
            return worst(recall_states)
        if is_given_back(recipient_states):
            return GIVEN_BACK
        return worst(recipient_states)
    return str(OutState.QUEUED if own is OutState.PACKED else own)
