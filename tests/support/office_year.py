"""A made-up stretch of office life as events, and an independent count of it. In: a seed, a number of documents and days.
Out: numbered events of several agencies in the order of time, with refusals, recalls, replacements, work that was late or
reopened, replies, mail on paper, codes that a reform changed; and counts by a plain loop over these events, which shares
no code with the product's own figures."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.domain.event import Event, EventKind

AGENCIES = ("agy_north", "agy_south")
TYPES = ("Công văn", "Báo cáo", "Tờ trình", "Giấy mời", "Quyết định", "Thông báo", "Kế hoạch")
UNITS = ("Phòng Tổng hợp", "Phòng Hành chính", "Phòng Kế toán")
PARTNERS = tuple(f"Z91.{n:02}" for n in range(3, 43))
BEGIN = datetime(2026, 1, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


class OfficeYear:
    """Maker of events: `events` of so many documents, spread over so many days."""

    def __init__(self, seed: int, documents: int, days: int = 365) -> None:
        self._chance = random.Random(seed)
        self._documents, self._days = documents, days
        self._events: list[Event] = []

    def events(self) -> list[Event]:
        for n in range(self._documents):
            at = BEGIN + timedelta(seconds=self._chance.randrange(self._days * 86_400))
            agency = self._chance.choice(AGENCIES)
            maker = self._chance.choices((self._sent, self._received, self._by_hand), (50, 45, 5))[0]
            maker(agency, f"{n:07}", at)
            self._use(agency, at)
        self._events.sort(key=lambda event: event.at)
        return [replace(event, node_seq=n, agency_seq=n) for n, event in enumerate(self._events, start=1)]

    def _add(self, agency: str, kind: EventKind, subject: str, at: datetime, /, **data: Any) -> None:
        id = f"evt_{len(self._events):09}"
        event = Event(
            id=id, kind=kind, at=at, subject_id=subject, principal_id="x", agency_id=agency, data=data
        )
        self._events.append(event)

    def _use(self, agency: str, at: datetime) -> None:
        """Let a person sign in, and sometimes read documents."""
        person, unit = f"prn_{self._chance.randint(1, 9)}", self._chance.choice(("", *UNITS))
        kind = self._chance.choice((EventKind.SESSION_BEGUN, EventKind.SESSION_AGENCY))
        chosen = agency if self._happens(0.8) else None
        event = Event(
            id=f"evt_s{len(self._events):08}", kind=kind, at=at, subject_id=person, principal_id=person
        )
        self._events.append(replace(event, data={"session": "ses_1", "agency": chosen}))
        for n in range(self._chance.randint(0, 3)):
            role, file = self._chance.choice(("clerk", "head", "officer")), "a.pdf" if n else ""
            data = {"session": "ses_1", "role": role, "file": file} | ({"unit": unit} if unit else {})
            self._events.append(
                Event(
                    id=f"evt_r{len(self._events):08}",
                    kind=EventKind.DOCUMENT_READ,
                    at=self._add_delay(at, 1),
                    subject_id=f"inb_x{n}",
                    principal_id=person,
                    agency_id=agency,
                    data=data,
                )
            )

    def _happens(self, share: float) -> bool:
        return self._chance.random() < share

    def _add_delay(self, at: datetime, most_days: float) -> datetime:
        return at + timedelta(seconds=self._chance.randrange(1, int(most_days * 86_400)))

    def _sent(self, agency: str, n: str, at: datetime) -> None:
        id, chance = f"msg_{n}", self._chance
        codes = chance.sample(PARTNERS, chance.randint(1, 4))
        if self._happens(0.1):
            self._add(agency, EventKind.MESSAGE_ACCEPTED, id, at, kind="edoc", draft=True)
            at = self._add_delay(at, 3)
            if self._happens(0.2):
                self._add(agency, EventKind.MESSAGE_CANCELLED, id, at)
                return
        mode = chance.choices(("", "both", "paper"), (80, 12, 8))[0]
        data: dict[str, Any] = {"type": chance.choice(TYPES), "urgency": chance.choice((0, 0, 0, 1, 2, 3))}
        data |= {"kind": "replace" if self._happens(0.04) else "edoc"}
        data |= {"legal_value": chance.choice(("official", "official", "information", None))}
        data |= {"mode": mode, "mode_by": chance.choice(("class", "sender"))} if mode else {}
        data |= {"unit": chance.choice(UNITS)} if self._happens(0.6) else {}
        if wants := self._happens(0.2):
            data |= {"reply_by": (at + 7 * _DAY).date().isoformat(), "to_know": codes[1:2]}
        self._add(agency, EventKind.MESSAGE_ACCEPTED, id, at, **data)
        if self._happens(0.02):
            self._add(agency, EventKind.MESSAGE_CANCELLED, id, self._add_delay(at, 0.01))
            return
        for k, code in enumerate(codes):
            self._deliver(agency, id, f"dlv_{n}_{k}", code, self._add_delay(at, 0.02), mode)
            if wants and self._happens(0.6):
                reply_at = self._add_delay(at + _DAY, 14)
                self._add(agency, EventKind.INBOX_ANSWERED, id, reply_at, **{"by": f"inb_r{n}", "from": code})

    def _deliver(self, agency: str, id: str, delivery: str, code: str, at: datetime, mode: str) -> None:
        ids = {"delivery": delivery}
        if mode:
            handed = self._add_delay(at, 3)
            if self._happens(0.9):
                self._add(agency, EventKind.PAPER_HANDED, id, handed, **ids, to=code, on=str(handed.date()))
            if mode == "paper":
                return
        if self._happens(0.03):
            self._add(agency, EventKind.DELIVERY_FAILED, id, at, **ids, to=code, code="GW-X")
            if self._happens(0.5):
                return
            at = self._add_delay(at, 1)
        self._add(agency, EventKind.DELIVERY_SENT, id, at, **ids, to=code)
        at = self._add_delay(at, 0.5)
        status = {**ids, "from": code}
        self._add(agency, EventKind.DELIVERY_STATUS, id, at, **status, code="01", state="delivered")
        if self._happens(0.05):
            at = self._add_delay(at, 5)
            self._add(agency, EventKind.DELIVERY_STATUS, id, at, **status, code="02", state="rejected")
            return
        if self._happens(0.04):
            at = self._add_delay(at, 2)
            kind = self._chance.choice(("recall", "take_back", "update"))
            self._add(agency, EventKind.RECALL_REQUESTED, id, at, **ids, to=code, kind=kind, request="pkt")
            agrees = self._happens(0.7)
            code_, word = ("15", "request_agreed") if agrees else ("16", "request_refused")
            at = self._add_delay(at, 3)
            self._add(agency, EventKind.REQUEST_ANSWERED, id, at, **status, code=code_, state=word)
            return
        for number, word in (("03", "accepted"), ("04", "assigned"), ("05", "processing"), ("06", "done")):
            at = self._add_delay(at, 20)
            self._add(agency, EventKind.DELIVERY_STATUS, id, at, **status, code=number, state=word)
            if self._happens(0.25):
                return
        if self._happens(0.05):
            at = self._add_delay(at, 5)
            data = {**status, "code": "05", "state": "processing", "reopened": True}
            self._add(agency, EventKind.DELIVERY_STATUS, id, at, **data)

    def _received(self, agency: str, n: str, at: datetime) -> None:
        id, chance = f"inb_{n}", self._chance
        data: dict[str, Any] = {"kind": "replace" if self._happens(0.04) else "edoc"}
        # A reform in the middle of the year: later mail comes from the new code.
        code = chance.choice(PARTNERS)
        data |= {"from": f"{code}N" if at > BEGIN + 180 * _DAY and code < "Z91.10" else code}
        data |= {"type": chance.choice(TYPES), "urgency": chance.choice((0, 0, 0, 1, 2, 3))}
        data |= {"legal_value": chance.choice(("official", "information"))}
        if self._happens(0.4):
            data |= {"due": (at + chance.randint(2, 20) * _DAY).date().isoformat()}
            data |= {"reply": True} if self._happens(0.5) else {}
        is_held = self._happens(0.03)
        self._add(agency, EventKind.INBOX_HELD if is_held else EventKind.INBOX_RECEIVED, id, at, **data)
        if self._happens(0.05):
            at = self._add_delay(at, 3)
            self._add(agency, EventKind.INBOX_STATUS, id, at, code="02", state="rejected", reason="wrong")
            return
        if self._happens(0.03):
            at = self._add_delay(at, 1)
            self._add(agency, EventKind.INBOX_STATUS, id, at, code="15", by_itself=True)
            return
        if self._happens(0.1):
            return
        at = self._add_delay(at, 2)
        self._add(agency, EventKind.INBOX_STATUS, id, at, code="03", state="accepted", register_no="1")
        self._work_on(agency, id, at, "reply" in data)

    def _work_on(self, agency: str, id: str, at: datetime, owes: bool) -> None:
        chance = self._chance
        if self._happens(0.8):
            unit, day = chance.choice(UNITS), (at + chance.randint(1, 15) * _DAY).date().isoformat()
            more: dict[str, Any] = {"deadline": day} if self._happens(0.5) else {}
            more |= {"persons": [{"unit": unit, "person": f"prn_{chance.randint(1, 9)}"}]}
            self._add(agency, EventKind.INBOX_STATUS, id, self._add_delay(at, 1), assignment=unit, **more)
        if owes and self._happens(0.7):
            self._add(agency, EventKind.INBOX_REPLIED, id, self._add_delay(at, 25), by="msg_x", to="Z91.03")
        if self._happens(0.02):
            at = self._add_delay(at, 3)
            self._add(agency, EventKind.INBOX_STATUS, id, at, code="15", state="recalled")
            return
        if self._happens(0.75):
            at = self._add_delay(at, 30)
            self._add(agency, EventKind.INBOX_STATUS, id, at, code="06", state="done")
            if self._happens(0.05):
                at = self._add_delay(at, 3)
                self._add(agency, EventKind.INBOX_STATUS, id, at, code="05", state="processing")
                self._add(agency, EventKind.INBOX_REOPENED, id, at, reason="x")

    def _by_hand(self, agency: str, n: str, at: datetime) -> None:
        chance, day = self._chance, (at + timedelta(hours=7)).date().isoformat()
        kind = chance.choice(TYPES)
        if self._happens(0.4):
            id = f"ppr_{n}"
            self._add(
                agency, EventKind.BOOK_ENTERED, id, at, book="outgoing", source="paper", day=day, type=kind
            )
        else:
            id, source = f"inb_{n}", chance.choice(("paper", "email"))
            data = {"book": "incoming", "source": source, "day": day, "type": kind, "urgency": 0}
            self._add(agency, EventKind.BOOK_ENTERED, id, at, **data, **{"from": chance.choice(PARTNERS)})
            self._work_on(agency, id, at, owes=False)
        if self._happens(0.05):
            self._add(agency, EventKind.BOOK_STRUCK, id, self._add_delay(at, 30), book="x", reason="x")


# --- the independent count ------------------------------------------------------------------------------------------

Counts = dict[tuple[str, ...], dict[str, int]]


def count(events: Iterable[Event]) -> Counts:
    """Count documents by (agency, side, dimension, value, day), looking at all events of each document together."""
    stories: dict[str, list[Event]] = defaultdict(list)
    counts: Counts = defaultdict(lambda: defaultdict(int))
    for event in events:
        if event.kind in (EventKind.DOCUMENT_READ, EventKind.SESSION_BEGUN, EventKind.SESSION_AGENCY):
            _count_use(counts, event)
        else:
            stories[event.subject_id].append(event)
    for subject, story in stories.items():
        teller = {"msg": _tell_sent, "inb": _tell_received, "ppr": _tell_paper}[subject[:3]]
        for agency, side, keys, figures in teller(story):
            for key in keys:
                for name, n in figures.items():
                    if n:
                        counts[(agency, side, *key)][name] += n
    return {key: dict(values) for key, values in counts.items()}


def _count_use(counts: Counts, event: Event) -> None:
    day, agency = _vietnam(event.at).date().isoformat(), event.agency_id or event.data["agency"]
    if event.kind is EventKind.DOCUMENT_READ:
        side, figures = "read", {"reads": 1, "read_files": int(event.data["file"] != "")}
        more = [("role", event.data["role"]), ("person", event.principal_id)]
    else:
        side, figures, more = "use", {"sign_ins": 1}, [("person", event.subject_id)]
    if agency is None:
        return
    for unit in ("", event.data.get("unit", "-")):
        for dimension, value in (("", ""), *more):
            for name, n in figures.items():
                if n:
                    counts[(agency, side, unit, dimension, value, day)][name] += n


_StoryFigures = Iterator[tuple[str, str, list[tuple[str, ...]], Mapping[str, int]]]


def _vietnam(at: datetime) -> datetime:
    return at + timedelta(hours=7)


# Two at once, by month: the first one's value stands in the place of the unit.
PAIRS = (
    *("partner/type", "partner/urgency", "partner/unit", "type/partner", "type/urgency"),
    *("urgency/partner", "urgency/type", "unit/partner"),
)


def _keys(day: str, unit: str, *more: tuple[str, str]) -> list[tuple[str, ...]]:
    of_all = [("", "", ""), *[("", dimension, value) for dimension, value in more if value]]
    of_unit = [
        (unit, dimension, value) for _, dimension, value in of_all if dimension not in ("partner", "reason")
    ]
    by_name, month = {"unit": unit, **dict(more)}, f"{day[:7]}-01"
    pairs = [(pair, *pair.split("/")) for pair in PAIRS if {*pair.split("/")} <= {*by_name}]
    of_pairs = [(by_name[first], pair, by_name[second], month) for pair, first, second in pairs]
    return [*((*key, day) for key in (*of_all, *of_unit)), *of_pairs]


def _of_kind(story: Sequence[Event], *kinds: EventKind) -> list[Event]:
    return [event for event in story if event.kind in kinds]


def _tell_paper(story: Sequence[Event]) -> _StoryFigures:
    if _of_kind(story, EventKind.BOOK_STRUCK):
        return
    data, agency = story[0].data, story[0].agency_id or ""
    keys = _keys(data["day"], "-", ("type", data["type"]), ("urgency", "0"), ("reason", "book"))
    yield agency, "out", keys, {"documents": 1, "paper": 1}


def _tell_sent(story: Sequence[Event]) -> _StoryFigures:
    sent = [e for e in _of_kind(story, EventKind.MESSAGE_ACCEPTED) if "draft" not in e.data]
    if not sent or _of_kind(story, EventKind.MESSAGE_CANCELLED):
        return
    first = sent[-1]
    data, agency, day = first.data, first.agency_id or "", _vietnam(first.at).date().isoformat()
    mode, unit = data.get("mode", "electronic"), data.get("unit", "-")
    base = [("type", data["type"]), ("urgency", str(data["urgency"])), ("reason", data.get("mode_by", ""))]
    own = {
        "documents": 1,
        {"both": "with_paper"}.get(mode, mode): 1,
        "unsigned": data["legal_value"] == "information",
    }
    own |= {"replacements": data["kind"] == "replace"}
    yield agency, "out", _keys(day, unit, *base), {name: int(n) for name, n in own.items()}
    deliveries: dict[str, list[Event]] = defaultdict(list)
    for event in story:
        if "delivery" in event.data:
            deliveries[event.data["delivery"]].append(event)
    replies = {(e.data["from"], _vietnam(e.at).date()) for e in _of_kind(story, EventKind.INBOX_ANSWERED)}
    for events in deliveries.values():
        code = next(e.data["to"] for e in events if "to" in e.data)
        figures = _tell_delivery(events, first.at)
        due = date.fromisoformat(data["reply_by"]) if "reply_by" in data else None
        owed = ""
        if due is not None and code not in data["to_know"]:
            days = [on for sender, on in replies if sender == code]
            figures |= {
                "asked": 1,
                "replied": int(bool(days)),
                "replied_late": int(bool(days) and min(days) > due),
            }
            figures["owed"] = int(
                not days and not any(figures[end] for end in ("refused", "recalled", "failed"))
            )
            owed = data["reply_by"] if figures["owed"] else ""
        keys = _keys(day, unit, *base, ("partner", code), ("reply_due", owed))
        yield agency, "out", keys, figures


def _tell_delivery(events: Sequence[Event], began: datetime) -> dict[str, int]:
    statuses = _of_kind(events, EventKind.DELIVERY_STATUS)
    words = [event.data["state"] for event in statuses]
    went = _of_kind(events, EventKind.DELIVERY_SENT, EventKind.DELIVERY_FAILED)
    request_kinds = [e.data["kind"] for e in _of_kind(events, EventKind.RECALL_REQUESTED)]
    agreed = any(e.data["state"] == "request_agreed" for e in _of_kind(events, EventKind.REQUEST_ANSWERED))
    figures = {
        "recipients": 1,
        "handed": int(bool(_of_kind(events, EventKind.PAPER_HANDED))),
        "failed": int(bool(went) and went[-1].kind is EventKind.DELIVERY_FAILED),
        "refused": int("rejected" in words),
        "recalled": int(agreed and request_kinds[0] != "update"),
        "done": int(bool(words) and words[-1] == "done"),
        "delivered": int(bool(words)),
        "taken": int("accepted" in words),
    }
    for name, word in (("delivered_s", "delivered"), ("taken_s", "accepted"), ("done_s", "done")):
        if figures[name[:-2]]:
            at = next(event.at for event in statuses if event.data["state"] == word)
            figures[name] = int((at - began).total_seconds())
    return figures


def _tell_received(story: Sequence[Event]) -> _StoryFigures:
    first, agency = story[0], story[0].agency_id or ""
    data, by_hand = first.data, first.kind is EventKind.BOOK_ENTERED
    if by_hand and _of_kind(story, EventKind.BOOK_STRUCK):
        return
    statuses = _of_kind(story, EventKind.INBOX_STATUS)
    words = [event.data.get("state", "") for event in statuses]
    assigned = [event.data for event in statuses if "assignment" in event.data]
    unit = assigned[-1]["assignment"] if assigned else "-"
    person = assigned[-1]["persons"][0]["person"] if assigned else ""
    due = assigned[-1].get("deadline") if assigned else None
    due = due or data.get("due", "")
    is_over = "recalled" in words or any(e.data.get("by_itself") for e in statuses)
    figures = {"documents": 1, "replacements": int(data.get("kind") == "replace")}
    figures["paper" if by_hand and data["source"] == "paper" else "electronic"] = 1
    figures |= {"unsigned": int(data.get("legal_value") == "information"), "recalled": int(is_over)}
    figures |= {"refused": int("rejected" in words), "taken": int(by_hand or "accepted" in words)}
    ends = [event.at for event in statuses if event.data.get("state") == "done"]
    is_done = bool(ends) and "processing" not in words[words.index("done") :]
    figures["done"] = int(is_done)
    if is_done:
        figures["done_s"] = int((ends[0] - first.at).total_seconds())
    if figures["taken"] and not by_hand:
        at = next(event.at for event in statuses if event.data.get("state") == "accepted")
        figures["taken_s"] = int((at - first.at).total_seconds())
    is_over = is_over or bool(figures["refused"])
    is_open = False
    if due and not is_over:
        is_open = not is_done
        late = (_vietnam(ends[0]).date() - date.fromisoformat(due)).days if is_done else 0
        figures |= {
            "due": 1,
            "open_due": int(is_open),
            "late": int(late > 0),
            "late_s": max(0, late) * 86_400,
        }
        figures["on_time"] = int(is_done and late <= 0)
    owed = ""
    if data.get("reply"):
        days = [_vietnam(event.at).date() for event in _of_kind(story, EventKind.INBOX_REPLIED)]
        reply_by = date.fromisoformat(data["due"])
        figures |= {
            "asked": 1,
            "replied": int(bool(days)),
            "replied_late": int(bool(days) and min(days) > reply_by),
        }
        figures["owed"] = int(not days and not is_over)
        owed = data["due"] if figures["owed"] else ""
    day = data["day"] if by_hand else _vietnam(first.at).date().isoformat()
    base = [
        ("type", data["type"]),
        ("urgency", str(data["urgency"])),
        ("partner", data["from"]),
        ("person", person),
    ]
    reason = "book" if figures.get("paper") else ""
    more = [("reason", reason), ("due", due if is_open else ""), ("reply_due", owed)]
    yield agency, "in", _keys(day, unit, *base, *more), figures
