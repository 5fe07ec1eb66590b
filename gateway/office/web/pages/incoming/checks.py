"""What was checked when a document came, as the panel on its page: a row each with its mark and word, and the verdict
that chooses the one button of the page (interfaces.md 2.6); and what happened to it since, oldest first: what its
sender asked, what we answered and who did it, to whom it was given. In: an incoming document, what it looks like a
double of, its facts and events. Out: rows and lines in the reader's language, those of the history each with our
time and theirs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import IntEnum

from gateway.domain.document import IncomingDocument, OtherProof, Source, Staff
from gateway.domain.event import Event, EventKind
from gateway.domain.signatures import FileVerdict, SignatureWord
from gateway.domain.status import CODES, Fact, Track, is_skewed
from gateway.policy.first_page import PageStanding
from gateway.words import labels

REVOCATION = "CERT-REVOCATION-UNKNOWN"
STOLEN, REVOKED = "key_stolen", "revoked_before_arrival"
_PAGES = "pages-differ"
_FIRST_PAGE = "first-page-differs"
_STAMP = "secrecy-stamp"
# `settle.checks` writes a reason as `code at /pointer (name=value, …), use …`.
_REASON = re.compile(r"(?P<code>[a-z-]+) at (?P<pointer>/\S*)(?: \((?P<params>.*)\))?", re.DOTALL)
_NEXT = re.compile(r"; (?=[a-z-]+ at /)")
_PARAM = re.compile(r"(?:^|, )(?P<name>[a-z_]+)=")

# A broken rule: its code and parameters, or a text under no code.
Rule = tuple[str, dict[str, str]]


class Grade(IntEnum):
    """How much a row weighs: `NONE` says that nothing could be checked, which is no tick and no fault; `NOTE` is to be read
    and stops nothing, `DOUBT` asks for a note or a hold, `BAD` for a refusal."""

    NONE = -1
    GOOD = 0
    NOTE = 1
    DOUBT = 2
    BAD = 3

    @property
    def key(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    label: str
    word: str
    grade: Grade
    details: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    rows: tuple[CheckRow, ...]

    @property
    def grade(self) -> Grade:
        """That of the worst row."""
        return max((row.grade for row in self.rows if row.grade is not Grade.NONE), default=Grade.GOOD)

    @property
    def weighed(self) -> tuple[CheckRow, ...]:
        """Without those of which nothing could be checked."""
        return tuple(row for row in self.rows if row.grade is not Grade.NONE)

    @property
    def passed(self) -> int:
        return sum(row.grade is Grade.GOOD for row in self.rows)

    @property
    def is_clean(self) -> bool:
        """Nothing that a clerk must write about: it may be taken in with one press."""
        return self.grade <= Grade.NOTE


def panel(
    document: IncomingDocument,
    lang: str,
    *,
    doubles: Sequence[tuple[str, str]] = (),
    held: Sequence[str] = (),
    content: bool = True,
) -> Panel:
    """`doubles` are address and words of documents that look the same, `held` why a clerk put it on hold; without `content`
    no name of a file and nothing that somebody wrote is told."""
    if document.source is not Source.AXIS:
        return Panel(rows=())
    found = document.checks
    rows = [
        _envelope(document, lang),
        *(_pdf(each, lang, content=content) for each in document.signatures),
        _row(found, "certificate_confirmed", {"true": Grade.GOOD, "axis": Grade.GOOD}, lang, Grade.DOUBT),
        _revocation(document, lang),
        _digests(document, lang),
        _recipient(document, lang),
        _double(doubles, lang),
        *_rules(found, held, lang, content=content),
        _pages(document, lang),
        _first_page(found, lang, content=content),
    ]
    return Panel(rows=tuple(row for row in rows if row is not None))


def _envelope(document: IncomingDocument, lang: str) -> CheckRow | None:
    grades = {"valid": Grade.GOOD, "axis": Grade.GOOD, "weak": Grade.NOTE}
    row = _row(document.checks, "envelope_signature", grades, lang)
    if row is not None and document.proofs:
        row = replace(row, details=(*row.details, *(_other_proof(each, lang) for each in document.proofs)))
    if row is not None and (session := document.checks.get("axis_session")):
        told = labels.say("incoming.check.axis_session", lang, session=session)
        row = replace(row, details=(*row.details, told))
    if row is None or STOLEN not in document.marks:
        return row
    return replace(row, word=labels.mark_text(STOLEN, lang), grade=Grade.BAD)


def _other_proof(proof: OtherProof, lang: str) -> str:
    word = _say_or(f"checked.{proof.signature}", lang, proof.signature)
    return labels.say("incoming.check.other_proof", lang, axis=proof.axis, word=word)


def _pdf(verdict: FileVerdict, lang: str, *, content: bool) -> CheckRow:
    """What cannot be told about a PDF never stops intake (R23)."""
    grades = {SignatureWord.VALID: Grade.GOOD, SignatureWord.INVALID: Grade.BAD}
    why = _say_or(f"code.{verdict.why}", lang, verdict.why or "")
    if verdict.why == REVOCATION:
        why = labels.say("pdf.revocation_unknown", lang)
    name = verdict.file if content else labels.say("incoming.file.nameless", lang, n=verdict.n)
    return CheckRow(
        label=labels.say("incoming.check.pdf", lang, file=name),
        word=labels.say(f"signature.{verdict.verdict}", lang),
        grade=grades.get(verdict.verdict, Grade.NOTE),
        details=(why,) if why else (),
    )


def _revocation(document: IncomingDocument, lang: str) -> CheckRow | None:
    if REVOKED in document.marks:
        label = labels.say("check.revocation", lang)
        return CheckRow(label=label, word=labels.mark_text(REVOKED, lang), grade=Grade.BAD)
    row = _row(document.checks, "revocation", {"good": Grade.GOOD, "axis": Grade.GOOD}, lang)
    if row is None or row.grade is Grade.GOOD:
        return row
    return replace(row, details=(labels.mark_text("revocation_unknown", lang),))


def _digests(document: IncomingDocument, lang: str) -> CheckRow | None:
    row = _row(document.checks, "digests", {"match": Grade.GOOD}, lang)
    if row is None or not document.files:
        return row
    return replace(row, details=(labels.say("incoming.check.files", lang, count=len(document.files)),))


def _recipient(document: IncomingDocument, lang: str) -> CheckRow | None:
    row = _row(document.checks, "recipient", {"ours": Grade.GOOD}, lang)
    old = next((mark for mark in document.marks if mark.startswith("old_code:")), None)
    if row is None or old is None:
        return row
    code = old.partition(":")[2]
    return replace(row, details=(labels.say("incoming.check.old_code", lang, code=code),))


def _double(doubles: Sequence[tuple[str, str]], lang: str) -> CheckRow:
    word = "incoming.check.double" if doubles else "incoming.check.single"
    return CheckRow(
        label=labels.say("incoming.check.duplicate", lang),
        word=labels.say(word, lang),
        grade=Grade.DOUBT if doubles else Grade.GOOD,
        links=tuple(doubles),
    )


def _rules(found: Mapping[str, str], held: Sequence[str], lang: str, *, content: bool) -> Iterator[CheckRow]:
    word = found.get("rules", "")
    broken = broken_rules(found.get("reasons", "")) + [("", {"text": why}) for why in held]
    if word or held:
        shown = "held" if held and word in ("", "allowed") else word
        yield CheckRow(
            label=labels.say("incoming.check.rules", lang),
            word=_say_or(f"checked.{shown}", lang, shown),
            grade=Grade.GOOD if shown == "allowed" else Grade.DOUBT,
            details=_sentences(broken, lang, content=content),
        )
    warned = [
        each for each in broken_rules(found.get("warnings", "")) if each[0] not in (_PAGES, _FIRST_PAGE)
    ]
    if warned:
        is_secret = any(code == _STAMP for code, _ in warned)
        yield CheckRow(
            label=labels.say("check.warnings", lang),
            word=labels.say("incoming.check.look", lang),
            grade=Grade.DOUBT if is_secret else Grade.NOTE,
            details=_sentences(warned, lang, content=content),
        )


def _sentences(found: Sequence[Rule], lang: str, *, content: bool) -> tuple[str, ...]:
    return tuple(rule_sentence(code, params, lang) for code, params in found) if content else ()


def _pages(document: IncomingDocument, lang: str) -> CheckRow | None:
    stated, found = document.pages, counted_pages(document)
    if stated is None or found is None:
        word, grade = "unstated" if stated is None else "uncounted", Grade.NONE
    else:
        word, grade = ("same", Grade.GOOD) if stated == found else ("other", Grade.DOUBT)
    return CheckRow(
        label=labels.say("incoming.check.pages", lang),
        word=labels.say(f"incoming.check.pages.{word}", lang, stated=stated, found=found),
        grade=grade,
    )


def _first_page(found: Mapping[str, str], lang: str, *, content: bool) -> CheckRow | None:
    """Which of the two is right is for a person to see: number and subject both different ask for a note."""
    grades: Mapping[str, Grade] = {
        PageStanding.SAME: Grade.GOOD,
        PageStanding.DIFFERS: Grade.NOTE,
        PageStanding.OTHER: Grade.DOUBT,
        PageStanding.UNREAD: Grade.NONE,
    }
    row = _row(found, "first_page", grades, lang)
    differences = [rule for rule in broken_rules(found.get("warnings", "")) if rule[0] == _FIRST_PAGE]
    return replace(row, details=_sentences(differences, lang, content=content)) if row else None


def counted_pages(document: IncomingDocument) -> int | None:
    """The pages of the lead file as they were counted, None where nobody could."""
    return document.lead.pages if document.lead is not None else None


def _row(
    found: Mapping[str, str], name: str, grades: Mapping[str, Grade], lang: str, other: Grade = Grade.NOTE
) -> CheckRow | None:
    word = found.get(name, "")
    if not word:
        return None
    return CheckRow(
        label=labels.say(f"check.{name}", lang),
        word=_say_or(f"checked.{word}", lang, word),
        grade=grades.get(word, other),
    )


def _say_or(key: str, lang: str, other: str) -> str:
    return labels.say(key, lang) if labels.has(key) else other


def broken_rules(text: str) -> list[Rule]:
    """The broken rules that a check kept as text: code and parameters. What cannot be read is told as it stands."""
    return [_broken_rule(part) for part in _NEXT.split(text) if part.strip()]


def _broken_rule(text: str) -> Rule:
    found = _REASON.match(text)
    if found is None:
        return "", {"text": text}
    raw = found["params"] or ""
    marks = list(_PARAM.finditer(raw))
    ends = [each.start() for each in marks[1:]] + ([len(raw)] if marks else [])
    return found["code"], {each["name"]: raw[each.end() : end] for each, end in zip(marks, ends, strict=True)}


def rule_sentence(code: str, params: Mapping[str, str], lang: str) -> str:
    """Its words; the code with what is known where a parameter was lost."""
    if not code:
        return params.get("text", "")
    try:
        return labels.reason_text(code, params, lang)
    except (KeyError, ValueError):
        return " ".join((code, *params.values()))


_EVENTS_TOLD = {
    EventKind.INBOX_ACKED: "incoming.line.handed",
    EventKind.INBOX_REPLIED: "incoming.line.replied",
    EventKind.INBOX_PART_DONE: "incoming.line.part_done",
    EventKind.INBOX_REOPENED: "incoming.line.reopened",
    EventKind.INBOX_SIGNATURES: "incoming.line.signatures",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """`who` is a person, or the key of who else; `said` is what that person wrote, `stated` the time that they state."""

    at: datetime
    word: str
    who: str
    said: tuple[str, ...] = ()
    staff: Staff | None = None
    stated: datetime | None = None
    skewed: bool = False


def history_lines(
    facts: Sequence[Fact],
    events: Sequence[Event],
    names: Mapping[str, str],
    lang: str,
    *,
    sender: str,
    content: bool,
) -> list[HistoryLine]:
    """`content`: whether what people wrote may be shown."""
    made = [*(_of_fact(each, lang, sender) for each in facts), *_of_events(events, names, lang)]
    told = sorted(made, key=lambda line: line.at)
    return told if content else [replace(each, said=(), staff=None) for each in told]


def _of_fact(fact: Fact, lang: str, sender: str) -> HistoryLine:
    by_sender = fact.track is Track.REQUEST and fact.code in ("asked", "withdrawn")
    by_node = fact.code == "01" or fact.track is Track.OTHER
    who = sender if by_sender else labels.say("incoming.by.node" if by_node else "incoming.by.us", lang)
    if fact.staff is not None and fact.staff.name:
        who = fact.staff.name
    return HistoryLine(
        at=fact.at,
        word=_fact_word(fact, lang),
        who=who,
        said=_fact_said(fact, lang),
        staff=fact.staff,
        stated=fact.stated_at if fact.stated_at != fact.at else None,
        skewed=is_skewed(fact),
    )


def _fact_word(fact: Fact, lang: str) -> str:
    for key in (
        f"state.in.{fact.request_kind}_{fact.code}",
        f"incoming.line.{fact.code}",
        f"request.{fact.code}",
    ):
        if labels.has(key):
            return labels.say(key, lang)
    row = CODES.get(fact.code)
    if row is None:
        return labels.say("state.unknown", lang, code=fact.code)
    return labels.say(f"state.in.{row.key}", lang)


def _fact_said(fact: Fact, lang: str) -> tuple[str, ...]:
    """The reason and the note, without the packet id that every answer ends with for machines."""
    reference = labels.say("status.reference", "vi", packet="").strip()
    told = [_say_or(f"reason.{fact.reason}", lang, fact.reason or ""), fact.note or ""]
    cut = (text.partition(reference)[0].rstrip(" ·") for text in told)
    return tuple(dict.fromkeys(text for text in cut if text))


def _of_events(events: Sequence[Event], names: Mapping[str, str], lang: str) -> Iterator[HistoryLine]:
    for each in events:
        who = names.get(each.principal_id, each.principal_id)
        if each.kind is EventKind.INBOX_STATUS and "assignment" in each.data:
            yield HistoryLine(
                at=each.at,
                word=labels.say("incoming.line.assigned", lang),
                who=who,
                said=_instructions_given(each, lang),
            )
        elif each.kind in (EventKind.INBOX_SUBMITTED, EventKind.INBOX_OPINION):
            words = str(each.data.get("note") or each.data.get("opinion") or "")
            key = "submitted" if each.kind is EventKind.INBOX_SUBMITTED else "opinion"
            word = labels.say(f"incoming.line.{key}", lang)
            yield HistoryLine(at=each.at, word=word, who=who, said=(words,) if words else ())
        elif each.kind is EventKind.INBOX_HANDED_BACK:
            said = (str(each.data.get("unit", "")), str(each.data.get("reason", "")))
            word = labels.say("incoming.line.handed_back", lang)
            yield HistoryLine(at=each.at, word=word, who=who, said=said)
        elif each.kind in _EVENTS_TOLD:
            yield HistoryLine(at=each.at, word=labels.say(_EVENTS_TOLD[each.kind], lang), who=who)


def _instructions_given(event: Event, lang: str) -> tuple[str, ...]:
    """Each instruction as it was given: a later one never takes its place (R67)."""
    data = event.data
    unit = data.get("assignment")
    told = [labels.say("incoming.given.lead", lang, unit=unit) if unit else ""]
    if units := data.get("units"):
        told.append(labels.say("incoming.given.helping", lang, units=", ".join(map(str, units))))
    if deadline := data.get("deadline"):
        day = date.fromisoformat(str(deadline)).strftime("%d/%m/%Y")
        told.append(labels.say("incoming.given.deadline", lang, day=day))
    told += [str(data.get("note") or ""), str(data.get("why") or "")]
    return tuple(text for text in told if text)
