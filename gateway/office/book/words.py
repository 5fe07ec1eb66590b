"""What the books say in words: notes of their last column, who signed for a document, and the sentence about gaps. In:
facts and a language. Out: text as it is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from gateway.domain.book import Gap, Run, Summary
from gateway.domain.status import Fact, began, counts_at
from gateway.domain.wall_clock import local
from gateway.words import labels


def day(on: date | None) -> str:
    return "" if on is None else on.strftime("%d/%m/%Y")


def moment(at: datetime) -> str:
    """14:02 20/11/2026, as it stands beside a signature."""
    return local(at).strftime("%H:%M %d/%m/%Y")


def signed_for(fact: Fact, facts: Iterable[Fact], lang: str) -> str:
    """The proof at hand, one of these facts: 03, 14:02 20/11/2026, and the name where it was said."""
    name = fact.staff.name if fact.staff is not None and fact.staff.name else ""
    by = f", {name}" if name else ""
    if fact.register_no:
        number = labels.say(
            "outgoing.arrival_number", lang, number=fact.register_no, year=fact.register_year or ""
        )
        by = f"{by}, {number}"
    return labels.say(
        "book.signed_for", lang, code=fact.code, at=moment(counts_at(fact, began(facts))), by=by
    )


def joined(*parts: str | None) -> str:
    return ". ".join(part.rstrip(". ") for part in parts if part and part.strip())


def of_kind(type_name: str | None, subject: str) -> str:
    """Type and abstract in one cell."""
    return ": ".join(part for part in (type_name or "", subject) if part)


def run_sentence(run: Run, lang: str) -> str:
    """Whether numbers are missing, and which."""
    if run.first is None or run.last is None:
        return labels.say("book.run.none", lang)
    parts = []
    if run.missing:
        which = _named(run.gaps, run.missing, lang)
        parts.append(
            labels.say(
                "book.run.missing", lang, first=run.first, last=run.last, count=run.missing, which=which
            )
        )
    if run.doubled:
        parts.append(labels.say("book.run.doubled", lang, which=", ".join(map(str, run.doubled))))
    said = joined(*parts) or labels.say("book.run.whole", lang, first=run.first, last=run.last)
    return labels.say("book.run.series", lang, series=run.series, said=said) if run.series else said


def _named(gaps: Sequence[Gap], missing: int, lang: str) -> str:
    named = [str(gap.first) if gap.count == 1 else f"{gap.first}–{gap.last}" for gap in gaps]
    if sum(gap.count for gap in gaps) < missing:
        named.append(labels.say("book.run.and_more", lang))
    return ", ".join(named)


def closing(summary: Summary, lang: str) -> tuple[str, ...]:
    """What stands under the last line."""
    if not summary.lines:
        return (labels.say("book.empty", lang),)
    total = labels.say(
        "book.closing", lang, lines=summary.lines, struck=summary.struck, digest=summary.digest
    )
    return *(run_sentence(run, lang) for run in summary.runs), total
