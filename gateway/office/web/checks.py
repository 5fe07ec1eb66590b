"""What was checked when a document came, as the panel on its page: a row each with its mark and word, and the verdict that
chooses the one button of the page (interfaces.md 2.6). In: an incoming document, and what it looks like a double of. Out:
rows in the reader's language. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.domain.document import FileRole, IncomingDocument, IncomingFile, Source
from gateway.domain.signatures import FileVerdict, Word
from gateway.office.policy.first_page import FirstPage, compare
from gateway.words import labels

REVOCATION = "CERT-REVOCATION-UNKNOWN"
STOLEN, REVOKED = "key_stolen", "revoked_before_arrival"
_PAGES = "pages-differ"
_STAMP = "secrecy-stamp"
# `settle.checks` writes a reason as `code at /pointer (name=value, …), use …`.
_REASON = re.compile(r"(?P<code>[a-z-]+) at (?P<pointer>/\S*)(?: \((?P<params>.*)\))?", re.DOTALL)
_NEXT = re.compile(r"; (?=[a-z-]+ at /)")
_PARAM = re.compile(r"(?:^|, )(?P<name>[a-z_]+)=")

# A broken rule: its code and parameters, or a text under no code.
Told = tuple[str, dict[str, str]]


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
class Row:
    label: str
    word: str
    grade: Grade
    details: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    rows: tuple[Row, ...]

    @property
    def grade(self) -> Grade:
        """That of the worst row."""
        return max((row.grade for row in self.rows if row.grade is not Grade.NONE), default=Grade.GOOD)

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
    first_page: FirstPage | None = None,
) -> Panel:
    """`doubles` are address and words of documents that look the same, `held` why a clerk put it on hold; without `content`
    no name of a file and nothing that somebody wrote is told."""
    if document.source is not Source.AXIS:
        return Panel(rows=())
    found = document.checks
    rows = [
        _envelope(document, lang),
        *(_pdf(each, lang, content=content) for each in document.signatures),
        _truth(found, "certificate_confirmed", lang),
        _revocation(document, lang),
        _digests(document, lang),
        _recipient(document, lang),
        _double(doubles, lang),
        *_rules(found, held, lang, content=content),
        _pages(document, lang),
        _first_page(document, first_page, lang),
    ]
    return Panel(rows=tuple(row for row in rows if row is not None))


def _envelope(document: IncomingDocument, lang: str) -> Row | None:
    grades = {"valid": Grade.GOOD, "axis": Grade.GOOD, "weak": Grade.NOTE}
    row = _row(document.checks, "envelope_signature", grades, lang)
    if row is None or STOLEN not in document.marks:
        return row
    return Row(label=row.label, word=labels.mark_text(STOLEN, lang), grade=Grade.BAD)


def _pdf(verdict: FileVerdict, lang: str, *, content: bool) -> Row:
    """What cannot be told about a PDF never stops intake (R23)."""
    grades = {Word.VALID: Grade.GOOD, Word.INVALID: Grade.BAD}
    why = labels.say(f"code.{verdict.why}", lang) if labels.has(f"code.{verdict.why}") else verdict.why or ""
    if verdict.why == REVOCATION:
        why = labels.say("pdf.revocation_unknown", lang)
    name = verdict.file if content else labels.say("incoming.file.nameless", lang, n=verdict.n)
    return Row(
        label=labels.say("incoming.check.pdf", lang, file=name),
        word=labels.say(f"signature.{verdict.verdict}", lang),
        grade=grades.get(verdict.verdict, Grade.NOTE),
        details=(why,) if why else (),
    )


def _revocation(document: IncomingDocument, lang: str) -> Row | None:
    if REVOKED in document.marks:
        label = labels.say("check.revocation", lang)
        return Row(label=label, word=labels.mark_text(REVOKED, lang), grade=Grade.BAD)
    row = _row(document.checks, "revocation", {"good": Grade.GOOD, "axis": Grade.GOOD}, lang)
    if row is None or row.grade is Grade.GOOD:
        return row
    detail = labels.mark_text("revocation_unknown", lang)
    return Row(label=row.label, word=row.word, grade=row.grade, details=(detail,))


def _digests(document: IncomingDocument, lang: str) -> Row | None:
    row = _row(document.checks, "digests", {"match": Grade.GOOD}, lang)
    if row is None or not document.files:
        return row
    count = labels.say("incoming.check.files", lang, count=len(document.files))
    return Row(label=row.label, word=row.word, grade=row.grade, details=(count,))


def _recipient(document: IncomingDocument, lang: str) -> Row | None:
    row = _row(document.checks, "recipient", {"ours": Grade.GOOD}, lang)
    old = next((mark for mark in document.marks if mark.startswith("old_code:")), None)
    if row is None or old is None:
        return row
    code = old.partition(":")[2]
    told = labels.say("incoming.check.old_code", lang, code=code)
    return Row(label=row.label, word=row.word, grade=row.grade, details=(told,))


def _double(doubles: Sequence[tuple[str, str]], lang: str) -> Row:
    word = "incoming.check.double" if doubles else "incoming.check.single"
    return Row(
        label=labels.say("incoming.check.duplicate", lang),
        word=labels.say(word, lang),
        grade=Grade.DOUBT if doubles else Grade.GOOD,
        links=tuple(doubles),
    )


def _rules(found: Mapping[str, str], held: Sequence[str], lang: str, *, content: bool) -> Iterator[Row]:
    word = found.get("rules", "")
    broken = reasons_of(found.get("reasons", "")) + [("", {"text": why}) for why in held]
    if word or held:
        shown = "held" if held and word in ("", "allowed") else word
        yield Row(
            label=labels.say("incoming.check.rules", lang),
            word=labels.say(f"checked.{shown}", lang) if labels.has(f"checked.{shown}") else shown,
            grade=Grade.GOOD if shown == "allowed" else Grade.DOUBT,
            details=_sentences(broken, lang, content=content),
        )
    warned = [each for each in reasons_of(found.get("warnings", "")) if each[0] != _PAGES]
    if warned:
        is_secret = any(code == _STAMP for code, _ in warned)
        yield Row(
            label=labels.say("check.warnings", lang),
            word=labels.say("incoming.check.look", lang),
            grade=Grade.DOUBT if is_secret else Grade.NOTE,
            details=_sentences(warned, lang, content=content),
        )


def _sentences(found: Sequence[Told], lang: str, *, content: bool) -> tuple[str, ...]:
    return tuple(sentence(code, params, lang) for code, params in found) if content else ()


def _pages(document: IncomingDocument, lang: str) -> Row | None:
    label = labels.say("incoming.check.pages", lang)
    found = counted(document)
    if document.pages is None or found is None:
        word = "incoming.check.pages.unstated" if document.pages is None else "incoming.check.pages.uncounted"
        return Row(
            label=label, word=labels.say(word, lang, stated=document.pages, found=found), grade=Grade.NONE
        )
    same = document.pages == found
    word = "incoming.check.pages.same" if same else "incoming.check.pages.other"
    return Row(
        label=label,
        word=labels.say(word, lang, stated=document.pages, found=found),
        grade=Grade.GOOD if same else Grade.DOUBT,
    )


def _first_page(document: IncomingDocument, page: FirstPage | None, lang: str) -> Row | None:
    """What differs is marked: which of the two is right is for a person to see."""
    if page is None:
        return None
    found = compare(page, document)
    label = labels.say("incoming.check.first_page", lang)
    if not found:
        return Row(label=label, word=labels.say("incoming.check.first_page.unread", lang), grade=Grade.NONE)
    other = [each for each in found if not each.same]
    named = ", ".join(labels.say(f"incoming.check.first_page.{each.field}", lang) for each in other or found)
    word = "incoming.check.first_page.other" if other else "incoming.check.first_page.same"
    return Row(
        label=label,
        word=labels.say(word, lang, fields=named),
        grade=Grade.NOTE if other else Grade.GOOD,
        details=tuple(
            labels.say("incoming.check.first_page.differs", lang, page=each.page, sent=each.sent)
            for each in other
        ),
    )


def counted(document: IncomingDocument) -> int | None:
    """The pages of the lead file as they were counted, None where nobody could."""
    lead = lead_file(document)
    return lead.pages if lead is not None else None


def lead_file(document: IncomingDocument) -> IncomingFile | None:
    """The file that its sender calls the lead, else the first."""
    named = [file for file in document.files if file.role is FileRole.LEAD]
    return next(iter(named or document.files), None)


def _truth(found: Mapping[str, str], name: str, lang: str) -> Row | None:
    return _row(found, name, {"true": Grade.GOOD, "axis": Grade.GOOD}, lang, other=Grade.DOUBT)


def _row(
    found: Mapping[str, str], name: str, grades: Mapping[str, Grade], lang: str, other: Grade = Grade.NOTE
) -> Row | None:
    word = found.get(name, "")
    if not word:
        return None
    key = f"checked.{word}"
    return Row(
        label=labels.say(f"check.{name}", lang),
        word=labels.say(key, lang) if labels.has(key) else word,
        grade=grades.get(word, other),
    )


def reasons_of(text: str) -> list[Told]:
    """The broken rules that a check kept as text: code and parameters. What cannot be read is told as it stands."""
    return [_reason(part) for part in _NEXT.split(text) if part.strip()]


def _reason(text: str) -> Told:
    found = _REASON.match(text)
    if found is None:
        return "", {"text": text}
    raw = found["params"] or ""
    marks = list(_PARAM.finditer(raw))
    ends = [each.start() for each in marks[1:]] + [len(raw)]
    return found["code"], {each["name"]: raw[each.end() : end] for each, end in zip(marks, ends, strict=True)}


def sentence(code: str, params: Mapping[str, str], lang: str) -> str:
    """Its words; the code with what is known where a parameter was lost."""
    if not code:
        return params.get("text", "")
    try:
        return labels.reason_text(code, params, lang)
    except (KeyError, ValueError):
        return " ".join((code, *params.values()))
