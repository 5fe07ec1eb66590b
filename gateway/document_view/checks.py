"""Checks on arrival, graded by one table for every front end. In: an incoming document, or the words of its checks and
its marks. Out: a panel of rows in the reader's language, with the grade that chooses the one button of its page; for
lists, one word for a doubt or a note."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.document_view.seals import header_text, lead_verdict, person_text, seal_text
from gateway.domain.document import PAPER_COPY, IncomingDocument, OtherProof, Source
from gateway.domain.seals import SIGNER_CHECK, HeaderWord, SealWord, SignatoryWord
from gateway.domain.signatures import FileVerdict, SignatureWord
from gateway.policy.first_page import PageStanding
from gateway.words import labels
from gateway.words.legal import bases_of_rules, basis_of_codes

REVOCATION = "CERT-REVOCATION-UNKNOWN"
STOLEN, REVOKED = "key_stolen", "revoked_before_arrival"
_PAGES = "pages-differ"
_FIRST_PAGE = "first-page-differs"
_STAMP = "secrecy-stamp"
# `settle.checks` writes a reason as `code at /pointer (name=value, …), use …`.
_REASON = re.compile(r"(?P<code>[a-z-]+) at (?P<pointer>/\S*)(?: \((?P<params>.*)\))?", re.DOTALL)
_SEPARATOR = re.compile(r"; (?=[a-z-]+ at /)")
_PARAM = re.compile(r"(?:^|, )(?P<name>[a-z_]+)=")

# A broken rule: its code and parameters, or an empty code and a text.
Rule = tuple[str, dict[str, str]]


class Grade(IntEnum):
    """Weight of a row. `NONE`: nothing could be checked, so it is neither good nor bad; a `NOTE` should be read but stops
    nothing; a `DOUBT` asks for a note or a hold, `BAD` for a refusal."""

    NONE = -1
    GOOD = 0
    NOTE = 1
    DOUBT = 2
    BAD = 3

    @property
    def key(self) -> str:
        return self.name.lower()


# Weight of each word of a check; any other word is a doubt. An unknown PDF signature never stops intake (R23,
# unknown signatures); a first page whose number and subject both differ needs a note.
_GRADES: Mapping[str, Mapping[str, Grade]] = {
    "envelope_signature": {"valid": Grade.GOOD, "axis": Grade.GOOD, "weak": Grade.NOTE},
    "certificate_confirmed": {"true": Grade.GOOD, "axis": Grade.GOOD},
    "revocation": {"good": Grade.GOOD, "axis": Grade.GOOD, "unknown": Grade.NOTE},
    "digests": {"match": Grade.GOOD},
    "recipient": {"ours": Grade.GOOD},
    "pages": {"same": Grade.GOOD, "unstated": Grade.NONE, "uncounted": Grade.NONE},
    "pdf": {
        SignatureWord.VALID: Grade.GOOD,
        SignatureWord.UNKNOWN: Grade.NOTE,
        SignatureWord.UNSIGNED: Grade.NOTE,
        SignatureWord.INVALID: Grade.BAD,
    },
    "seal": {
        SealWord.OWN: Grade.GOOD,
        SealWord.ENTITLED: Grade.GOOD,
        SealWord.UNREGISTERED: Grade.NOTE,
    },
    "signatory": {SignatoryWord.KNOWN: Grade.GOOD, SignatoryWord.UNKNOWN: Grade.NOTE},
    "signer": {HeaderWord.SAME: Grade.GOOD},
    "first_page": {
        PageStanding.SAME: Grade.GOOD,
        PageStanding.DIFFERS: Grade.NOTE,
        PageStanding.UNREAD: Grade.NONE,
    },
    "rules": {"allowed": Grade.GOOD},
}
# Rules behind each check that has a row of its own.
_RULES_OF_CHECK: Mapping[str, Sequence[str]] = {
    "envelope_signature": ("R56",),
    "certificate_confirmed": ("R56",),
    "revocation": ("R23",),
    "digests": ("R56",),
    "recipient": ("R58",),
    "first_page": ("R15",),
}
ALWAYS = ("envelope_signature", "certificate_confirmed", "revocation", "digests", "recipient", "rules")
"""Checks of every document that came over the axis."""


OF_SENDER = frozenset({"signatory", "seal_unregistered"})
"""Notes that say what of the sender is not registered: they are the same for each of its letters."""


def grade_of(check: str, word: str) -> Grade:
    return _GRADES[check].get(word, Grade.DOUBT)


def arrival_words(document: IncomingDocument) -> dict[str, str]:
    """Return the words of all checks on arrival, with the worst PDF signature verdict and the page count's result."""
    verdicts, pages = {file.verdict for file in document.signatures}, pages_word(document)
    worst = (SignatureWord.INVALID, SignatureWord.UNKNOWN, SignatureWord.VALID)
    pdf = next((word.value for word in worst if word in verdicts), "")
    computed = {"pdf": pdf, "pages": pages if pages in ("same", "other") else ""}
    return dict(document.checks) | {name: word for name, word in computed.items() if word}


def pages_word(document: IncomingDocument) -> str:
    if document.pages is None:
        return "unstated"
    counted = counted_pages(document)
    return "uncounted" if counted is None else "same" if document.pages == counted else "other"


def weighed(words: Mapping[str, str], marks: Sequence[str]) -> list[tuple[str, Grade]]:
    """Grade each check, the most important first, by its word and the document's marks."""
    warnings = words.get("warnings", "")
    weights = [(check, grade_of(check, words[check])) for check in ALWAYS[:-1] if check in words]
    if STOLEN in marks or REVOKED in marks:
        weights.append(("certificate_confirmed", Grade.BAD))
    if any(mark.startswith(f"{PAPER_COPY}:") for mark in marks):
        weights.append((PAPER_COPY, Grade.DOUBT))
    weights += _weigh_signers(words)
    if "pdf" in words:
        weights.append(("pdf", grade_of("pdf", words["pdf"])))
    if words.get("pages", "other" if f"{_PAGES} at" in warnings else "") == "other":
        weights.append(("pages", Grade.DOUBT))
    if "first_page" in words:
        weights.append(("first_page", grade_of("first_page", words["first_page"])))
    if _STAMP in warnings:
        weights.append(("secrecy", Grade.DOUBT))
    rules = grade_of("rules", words.get("rules", "allowed"))
    if words.get("reasons") or warnings:
        rules = Grade.DOUBT if words.get("reasons") else max(rules, Grade.NOTE)
    return [*weights, ("rules", rules)]


def _weigh_signers(words: Mapping[str, str]) -> Iterator[tuple[str, Grade]]:
    """Grade whose seal the lead file has; with a right seal also the person; and the signer that the header names."""
    if SIGNER_CHECK in words:
        yield SIGNER_CHECK, grade_of(SIGNER_CHECK, words[SIGNER_CHECK])
    seal = words.get("seal")
    if seal is None:
        return
    grade = grade_of("seal", seal)
    yield ("seal_unregistered" if seal == SealWord.UNREGISTERED else "seal"), grade
    if grade is Grade.GOOD and "signatory" in words:
        yield "signatory", grade_of("signatory", words["signatory"])


def doubt_in(words: Mapping[str, str], marks: Sequence[str]) -> str:
    """Return the name of the first check that a clerk must decide on before taking the document in; empty for none."""
    return next((key for key, grade in weighed(words, marks) if grade >= Grade.DOUBT), "")


def note_in(words: Mapping[str, str], marks: Sequence[str]) -> str:
    """Return the name of the first check to read that stops nothing; empty for none, and where there is a doubt."""
    weights = weighed(words, marks)
    notes = [key for key, grade in weights if grade is Grade.NOTE]
    if not notes or any(grade > Grade.NOTE for _, grade in weights):
        return ""
    return "first_page" if "first_page" in notes else notes[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    label: str
    word: str
    grade: Grade
    details: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    basis: str = ""
    """Articles that the check rests on, as people cite them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`sender_notes` are no rows of the letter: they say what its sender has not registered."""

    rows: tuple[CheckRow, ...]
    sender_notes: tuple[CheckRow, ...] = ()

    @property
    def grade(self) -> Grade:
        """Grade of the worst row."""
        return max((row.grade for row in self.rows if row.grade is not Grade.NONE), default=Grade.GOOD)

    @property
    def weighed(self) -> tuple[CheckRow, ...]:
        """Rows with a verdict."""
        return tuple(row for row in self.rows if row.grade is not Grade.NONE)

    @property
    def passed(self) -> int:
        return sum(row.grade is Grade.GOOD for row in self.rows)

    @property
    def is_clean(self) -> bool:
        """True if no check needs a clerk's note, so that one press takes the document in."""
        return self.grade <= Grade.NOTE

    @property
    def doubts(self) -> str:
        """Join what is wrong or doubtful into the note with which a clerk takes the document in."""
        rows = (row for row in self.rows if row.grade > Grade.NOTE)
        return "; ".join(f"{row.label}: {', '.join((row.word, *row.details))}" for row in rows)


def panel(
    document: IncomingDocument,
    lang: str,
    *,
    doubles: Sequence[tuple[str, str]] = (),
    hold_reasons: Sequence[str] = (),
    content: bool = True,
) -> Panel:
    """Build the panel of checks. `doubles` are addresses and texts of documents that look the same, `hold_reasons` a
    clerk's reasons for a hold; without `content` it shows no file names and no written text."""
    if document.source is not Source.AXIS:
        return Panel(rows=())
    words, marks = document.checks, document.marks
    is_unknown = words.get("revocation") == "unknown" and REVOKED not in marks
    unknown = [labels.mark_text("revocation_unknown", lang)] if is_unknown else ()
    files = [labels.say("incoming.check.files", lang, count=len(document.files))] if document.files else ()
    old = [m.partition(":")[2] for m in marks if m.startswith("old_code:")][:1]
    codes = [labels.say("incoming.check.old_code", lang, code=code) for code in old]
    seal = _seal_row(document, lang)
    is_of_sender = (
        seal is not None and seal.grade is Grade.NOTE
    )  # by `_GRADES` what is not registered is a note
    rows = [
        _row(words, "envelope_signature", lang, _vouchers(document, lang), STOLEN if STOLEN in marks else ""),
        *(_pdf_row(m, lang, content=content) for m in document.signatures),
        None if is_of_sender else seal,
        _signer_row(document, lang),
        _row(words, "certificate_confirmed", lang),
        _row(words, "revocation", lang, unknown, REVOKED if REVOKED in marks else ""),
        _row(words, "digests", lang, files),
        _row(words, "recipient", lang, codes),
        _duplicate_row(doubles, lang),
        *_rules(words, hold_reasons, lang, content=content),
        _pages_row(document, lang),
        _row(words, "first_page", lang, _first_page_details(words, lang, content=content)),
    ]
    return Panel(
        rows=tuple(row for row in rows if row is not None),
        sender_notes=(seal,) if seal is not None and is_of_sender else (),
    )


def _row(
    words: Mapping[str, str], name: str, lang: str, details: Sequence[str] = (), mark: str = ""
) -> CheckRow | None:
    """Build the row of one check. A `mark` says more than the check itself, and makes the row bad."""
    word = words.get(name, "")
    if not word and not mark:
        return None
    return CheckRow(
        label=labels.say(f"check.{name}", lang),
        word=labels.mark_text(mark, lang) if mark else labels.say_or(f"checked.{word}", word, lang),
        grade=Grade.BAD if mark else grade_of(name, word),
        details=tuple(details),
        basis=bases_of_rules(_RULES_OF_CHECK[name], lang),
    )


def _vouchers(document: IncomingDocument, lang: str) -> list[str]:
    """Describe further envelopes of the document, and the axis session that vouches for an unsigned one."""
    lines = [_describe_proof(proof, lang) for proof in document.proofs]
    session = document.checks.get("axis_session")
    return [*lines, labels.say("incoming.check.axis_session", lang, session=session)] if session else lines


def _describe_proof(proof: OtherProof, lang: str) -> str:
    word = labels.say_or(f"checked.{proof.signature}", proof.signature, lang)
    return labels.say("incoming.check.other_proof", lang, axis=proof.axis, word=word)


def _pdf_row(verdict: FileVerdict, lang: str, *, content: bool) -> CheckRow:
    why = labels.say_or(f"code.{verdict.why}", verdict.why or "", lang)
    if verdict.why == REVOCATION:
        why = labels.say("pdf.revocation_unknown", lang)
    name = verdict.file if content else labels.say("incoming.file.nameless", lang, n=verdict.n)
    return CheckRow(
        label=labels.say("incoming.check.pdf", lang, file=name),
        word=labels.say(f"signature.{verdict.verdict}", lang),
        grade=grade_of("pdf", verdict.verdict),
        details=(why,) if why else (),
        basis=bases_of_rules(("R19", "R23"), lang),
    )


def _seal_row(document: IncomingDocument, lang: str) -> CheckRow | None:
    """Build the row about whose seal and whose signature the lead file has; None where none was compared."""
    lead = lead_verdict(document)
    word = document.checks.get("seal", "")
    text = seal_text(lead, lang)
    if not word or not text:
        return None
    grades = [grade for check, grade in _weigh_signers(document.checks) if check != SIGNER_CHECK]
    person = person_text(lead, lang)
    return CheckRow(
        label=labels.say("check.seal", lang),
        word=text,
        grade=max(grades),
        details=(person,) if person else (),
    )


def _signer_row(document: IncomingDocument, lang: str) -> CheckRow | None:
    """Build the row that compares the signer of the header with the person who signed; None where none was compared."""
    word, text = document.checks.get(SIGNER_CHECK), header_text(document, lang)
    if word is None or not text:
        return None
    return CheckRow(
        label=labels.say("check.signer", lang),
        word=text,
        grade=grade_of(SIGNER_CHECK, word),
        basis=bases_of_rules(("R19", "R28"), lang),
    )


def _duplicate_row(doubles: Sequence[tuple[str, str]], lang: str) -> CheckRow:
    word = "incoming.check.double" if doubles else "incoming.check.single"
    return CheckRow(
        label=labels.say("incoming.check.duplicate", lang),
        word=labels.say(word, lang),
        grade=Grade.DOUBT if doubles else Grade.GOOD,
        links=tuple(doubles),
        basis=bases_of_rules(("R117",), lang),
    )


def _rules(words: Mapping[str, str], holds: Sequence[str], lang: str, *, content: bool) -> Iterator[CheckRow]:
    """Yield the row of broken rules and holds, then the row of warnings, as far as there are any."""
    word = words.get("rules", "")
    broken = broken_rules(words.get("reasons", "")) + [("", {"text": why}) for why in holds]
    if word or holds:
        shown_word = "held" if holds and word in ("", "allowed") else word
        yield CheckRow(
            label=labels.say("incoming.check.rules", lang),
            word=labels.say_or(f"checked.{shown_word}", shown_word, lang),
            grade=grade_of("rules", shown_word),
            details=_rule_sentences(broken, lang, content=content),
            basis=basis_of_codes((code for code, _ in broken), lang),
        )
    warnings = [
        rule for rule in broken_rules(words.get("warnings", "")) if rule[0] not in (_PAGES, _FIRST_PAGE)
    ]
    if warnings:
        is_secret = any(code == _STAMP for code, _ in warnings)
        yield CheckRow(
            label=labels.say("check.warnings", lang),
            word=labels.say("incoming.check.look", lang),
            grade=Grade.DOUBT if is_secret else Grade.NOTE,
            details=_rule_sentences(warnings, lang, content=content),
            basis=basis_of_codes((code for code, _ in warnings), lang),
        )


def _rule_sentences(rules: Sequence[Rule], lang: str, *, content: bool) -> tuple[str, ...]:
    return tuple(rule_sentence(code, params, lang) for code, params in rules) if content else ()


def _pages_row(document: IncomingDocument, lang: str) -> CheckRow:
    word, stated, counted = pages_word(document), document.pages, counted_pages(document)
    return CheckRow(
        label=labels.say("incoming.check.pages", lang),
        word=labels.say(f"incoming.check.pages.{word}", lang, stated=stated, found=counted),
        grade=grade_of("pages", word),
        basis=bases_of_rules(("R57",), lang),
    )


def _first_page_details(words: Mapping[str, str], lang: str, *, content: bool) -> Sequence[str]:
    differences = [rule for rule in broken_rules(words.get("warnings", "")) if rule[0] == _FIRST_PAGE]
    return _rule_sentences(differences, lang, content=content)


def counted_pages(document: IncomingDocument) -> int | None:
    """Return the counted pages of the lead file; None where they could not be counted."""
    return document.lead.pages if document.lead is not None else None


def broken_rules(text: str) -> list[Rule]:
    """Parse the reasons that a check stored as text into codes and parameters. An unreadable reason stays a text."""
    return [_parse_rule(part) for part in _SEPARATOR.split(text) if part.strip()]


def _parse_rule(text: str) -> Rule:
    match = _REASON.match(text)
    if match is None:
        return "", {"text": text}
    raw = match["params"] or ""
    marks = list(_PARAM.finditer(raw))
    ends = [m.start() for m in marks[1:]] + ([len(raw)] if marks else [])
    return match["code"], {m["name"]: raw[m.end() : end] for m, end in zip(marks, ends, strict=True)}


def rule_sentence(code: str, params: Mapping[str, str], lang: str) -> str:
    """Describe a broken rule in a sentence; where a parameter is missing, return the code and the others."""
    if not code:
        return params.get("text", "")
    try:
        return labels.reason_text(code, params, lang)
    except (KeyError, ValueError):
        return " ".join((code, *params.values()))
