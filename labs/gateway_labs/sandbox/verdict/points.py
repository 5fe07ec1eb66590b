"""The points on which a program is judged: one row for each, with a judge that reads the calls of a trial. In: a trial.
Out: right, wrong or unseen, with the calls that show it. A judge says wrong only where the calls prove it, and unseen
where the program gave no occasion. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from gateway_labs.sandbox.verdict.trial import Cue, SeenCall, Trial
from gateway_labs.sandbox.verdict.watch import RETRY_AFTER_S

# So many calls for a file that is not there are endless; a second try is a habit of some.
ENDLESS = 5
_REQUEST_ANSWERED = ("agreed", "refused")
_KEY_REUSED = "idempotency-other"
# A timer may ring a little early.
_LEAST_S = RETRY_AFTER_S - 0.1
_FAILURES = (Cue.DAMAGED, Cue.CUT, Cue.MISSING)


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    UNSEEN = "unseen"


# The verdict on one point, and the calls that show it.
Finding = tuple[Verdict, Sequence[SeenCall]]
Judge = Callable[[Trial], Finding]
UNSEEN: Finding = (Verdict.UNSEEN, ())


def _finding(*evidence: SeenCall | None, is_right: bool) -> Finding:
    return Verdict.RIGHT if is_right else Verdict.WRONG, [call for call in evidence if call]


def _leased(trial: Trial) -> Finding:
    acks = [c for c in trial.calls if c.is_act("ack") and c.is_good]
    bare = next((c for c in acks if c.path.split("/")[2] not in trial.leased), None)
    return _finding(bare or acks[0], is_right=bare is None) if acks else UNSEEN


def _is_whole(part: Cue) -> Judge:
    """Make the judge of a file: it must not be acknowledged until it was fetched, after any trick on it."""

    def judge(trial: Trial) -> Finding:
        ack, spoiled = trial.acknowledgement(trial.item(part)), trial.tricked(part)
        if part is not Cue.PLAIN and spoiled is None:
            return UNSEEN
        if ack is None:
            return _finding(spoiled, trial.last_ack, is_right=True) if spoiled and trial.last_ack else UNSEEN
        reads = [c for c in trial.calls_about(trial.item(part)) if c.is_read and c.n < ack.n]
        # Another file of the document does not count.
        tries = [c for c in reads if spoiled is None or (c.n > spoiled.n and c.path == spoiled.path)]
        fetched = tries[0] if tries else None
        return _finding(spoiled, fetched, ack, is_right=fetched is not None)

    return judge


def _loop_goes_on(trial: Trial) -> Finding:
    failures = [c for c in trial.calls if c.cue in _FAILURES]
    if failures and (trial.last_ack or trial.has_ended):
        return _finding(failures[-1], trial.last_ack, is_right=trial.last_ack is not None)
    return UNSEEN


def _endless(trial: Trial) -> Finding:
    refusals = [c for c in trial.calls if c.cue is Cue.MISSING][:ENDLESS]
    is_endless = len(refusals) == ENDLESS
    return (
        _finding(*refusals, is_right=not is_endless)
        if is_endless or (refusals and trial.last_ack)
        else UNSEEN
    )


def _strange_item(trial: Trial) -> Finding:
    leased, ack = trial.tricked(Cue.STRANGE_ITEM), trial.acknowledgement(trial.item(Cue.STRANGE_ITEM))
    return _finding(leased, ack, is_right=ack is not None) if leased and (ack or trial.last_ack) else UNSEEN


def _request(part: Cue) -> Judge:
    """Make the judge of a request of the sender: it takes 15 or 16, and is no new document."""

    def judge(trial: Trial) -> Finding:
        id = next((id for id, own in trial.requests.items() if own is part), "")
        calls = trial.calls_about(id)
        for call in (*calls, *trial.calls_about(trial.item(part))):
            request = (call.facts.get("item") or {}).get("request") or {}
            if call.is_act("status") and call.is_good and request.get("state") in _REQUEST_ANSWERED:
                return _finding(call, is_right=True)
        status = next((c for c in calls if c.is_act("status")), None)
        is_overlooked = id and trial.last_ack and not trial.acknowledgement(id)
        return _finding(status or trial.last_ack, is_right=False) if status or is_overlooked else UNSEEN

    return judge


def _reason(trial: Trial) -> Finding:
    for call in (c for c in trial.calls if c.is_act("status")):
        if "/reason" in _fault_fields(call, "pointer"):
            return _finding(call, is_right=False)
        if (call.facts.get("item") or {}).get("state") == "rejected":
            return _finding(call, is_right=True)
    return UNSEEN


def _fault_fields(call: SeenCall, name: str) -> list[str]:
    return [str(error.get(name)) for error in call.facts.get("errors") or ()]


def _follows(cue: Cue, is_right: Callable[[SeenCall, SeenCall], bool]) -> Judge:
    """Make the judge of the call that follows the one on which the trick was played."""

    def judge(trial: Trial) -> Finding:
        tricked = trial.tricked(cue)
        if tricked is None:
            return UNSEEN
        following = next(iter(trial.following(tricked)), None)
        if following is None:
            return _finding(tricked, is_right=False) if trial.has_ended else UNSEEN
        return _finding(tricked, following, is_right=is_right(tricked, following))

    return judge


def _cursor_of(call: SeenCall) -> str:
    return call.query.get("after", "0")


def _lost_send(trial: Trial) -> Finding:
    lost = trial.tricked(Cue.LOST_SEND)
    for call in trial.following(lost) if lost else ():
        first, facts = lost.facts if lost else {}, call.facts
        if call.is_good and facts["id"] == first["id"]:
            return _finding(lost, call, is_right=True)
        is_doubled = call.is_good and facts.get("number") == first["number"]
        if is_doubled or first["id"] in str(facts.get("errors") or ""):
            return _finding(lost, call, is_right=False)
    return UNSEEN


def _own_key(trial: Trial) -> Finding:
    sends = [c for c in trial.calls if c.method == "POST" and c.path == "/messages"]
    reused = next((c for c in sends if _KEY_REUSED in _fault_fields(c, "code")), None)
    if reused is not None:
        return _finding(next(c for c in sends if c.key == reused.key), reused, is_right=False)
    accepted = list({c.facts["id"]: c for c in sends if c.is_good}.values())
    return _finding(*accepted[:2], is_right=True) if len(accepted) > 1 else UNSEEN


def _hook(cue: Cue, *, is_believed: bool) -> Judge:
    """Make the judge of one webhook: whether it is to be answered 2xx or refused."""

    def judge(trial: Trial) -> Finding:
        hook = trial.tricked(cue)
        if hook is None or not hook.status:
            return UNSEEN
        acts = [] if is_believed else trial.calls_about(hook.facts["subject"])
        return _finding(hook, *acts[:1], is_right=hook.is_good == is_believed and not acts)

    return judge


def _repeated(trial: Trial) -> Finding:
    first, repeated = trial.tricked(Cue.FIRST_HOOK), trial.tricked(Cue.REPEATED_HOOK)
    following = trial.tricked(Cue.NEXT_HOOK)
    if first is None or repeated is None or following is None:
        return UNSEEN
    acts = [c for c in trial.calls_about(first.facts["subject"]) if c.n > first.n]
    effects = {(c.method, c.path) for c in acts if c.n < repeated.n}
    twice = next((c for c in acts if c.n > repeated.n and (c.method, c.path) in effects), None)
    if twice or not repeated.is_good:
        return _finding(first, repeated, twice, is_right=False)
    marker = next((c for c in trial.calls_about(following.facts["subject"]) if c.n > following.n), None)
    return _finding(first, repeated, marker, is_right=True) if effects and marker else UNSEEN


# Their texts are those of the key: title, what is played, what is watched, what to do.
POINTS: dict[str, Judge] = {
    "lease": _leased,
    "store": _is_whole(Cue.PLAIN),
    "digest": _is_whole(Cue.DAMAGED),
    "cut": _is_whole(Cue.CUT),
    "others": _loop_goes_on,
    "endless": _endless,
    "field": _strange_item,
    "recall": _request(Cue.RECALLED),
    "update": _request(Cue.UPDATED),
    "reason": _reason,
    "retry_after": _follows(Cue.BUSY, lambda refused, x: x.began_s - refused.ended_s >= _LEAST_S),
    "event_type": _follows(Cue.STRANGE_EVENT, lambda strange, x: _cursor_of(x) != _cursor_of(strange)),
    "cursor": _follows(Cue.LOST_EVENTS, lambda lost, x: _cursor_of(x) == _cursor_of(lost)),
    "cursor_410": _follows(Cue.CURSOR_REFUSED, lambda _, x: _cursor_of(x) == "0"),
    "lost_answer": _lost_send,
    "own_key": _own_key,
    "forged": _hook(Cue.FORGED, is_believed=False),
    "stale": _hook(Cue.STALE, is_believed=False),
    "hook_type": _hook(Cue.STRANGE_HOOK, is_believed=True),
    "repeat": _repeated,
}
