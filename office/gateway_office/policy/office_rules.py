"""Rules of an office for incoming letters: when a letter is like this, then that unit is suggested, a label is put on it,
persons follow it. In: a rule; a letter, by its document or its row in a list. Out: whether the letter meets it, and
the faults of a typed rule. A letter's words are folded once for all rules, as search folds them. Pure: a rule carries out
nothing, and no act of it accepts, refuses, assigns or sends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from gateway.domain.document import IncomingDocument, InState, Urgency
from gateway.domain.text import bare_words, fold
from gateway_office.domain.listing import ListLine, type_key

MOST_RULES = 200
MOST_PEOPLE = 10
MOST_DAYS = 365
LONGEST = {"name": 80, "sender": 75, "words": 200}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCondition:
    """Condition of a rule; its parts must all hold, and an empty one always does. `sender` is a code, with `below` also
    those of its branch; `words` must all be in the subject; `urgency` is the least."""

    sender: str = ""
    below: bool = False
    type_name: str = ""
    words: str = ""
    urgency: Urgency = Urgency.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleActs:
    """Acts of a rule: the unit to suggest, and within how many days; the name of a label; the ids of persons who follow
    the letter, told by mail too where `mails`."""

    unit: str = ""
    days: int | None = None
    tag: str = ""
    people: tuple[str, ...] = ()
    mails: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeRule:
    """Rule of an agency. It is switched on only after a trial, which met `tried_count` letters of a month."""

    id: str
    name: str
    position: int
    condition: RuleCondition
    acts: RuleActs
    made_by: str
    made_at: datetime
    is_on: bool = False
    tried_at: datetime | None = None
    tried_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterTraits:
    """Traits of a letter that conditions look at, folded."""

    sender: str
    type_name: str
    words: frozenset[str]
    urgency: Urgency


def traits_of(letter: IncomingDocument | ListLine) -> LetterTraits:
    """Return the traits of a letter. The subject of a sealed one stays unread, as on every page."""
    if isinstance(letter, IncomingDocument):
        subject = "" if letter.state is InState.SEALED else letter.subject
        sender, type_name = letter.sender_code, letter.type_name or ""
    else:
        subject, sender, type_name = letter.card.subject, letter.card.party_code, letter.card.type_name
    return _fold_traits(sender, type_name, subject, letter.urgency)


def _fold_traits(sender: str, type_name: str, words: str, urgency: Urgency) -> LetterTraits:
    return LetterTraits(
        sender=fold(sender),
        type_name=type_key(type_name),
        words=frozenset(bare_words(words)),
        urgency=urgency,
    )


# Conditions are few, and compared with every letter.
_fold_condition = lru_cache(maxsize=4096)(_fold_traits)


def meets(letter: LetterTraits, condition: RuleCondition) -> bool:
    """Tell whether all parts of the condition hold for the letter."""
    least = _fold_condition(condition.sender, condition.type_name, condition.words, condition.urgency)
    if letter.urgency < least.urgency or least.type_name not in ("", letter.type_name):
        return False
    is_below = condition.below and letter.sender.startswith(f"{least.sender}.")
    return (least.sender in ("", letter.sender) or is_below) and least.words <= letter.words


def find_faults(rule: OfficeRule) -> list[tuple[str, str]]:
    """Return the faults of a rule as typed, each as a field and a word."""
    condition, acts = rule.condition, rule.acts
    has_condition = condition.sender or condition.type_name or condition.words or condition.urgency
    faults = {
        ("name", "name"): not bare_words(rule.name) or len(rule.name) > LONGEST["name"],
        ("subject", "words"): condition.words and not bare_words(condition.words),
        ("sender", "condition"): not has_condition,
        ("days", "days"): acts.days is not None and not (acts.unit and 1 <= acts.days <= MOST_DAYS),
        ("unit", "acts"): not (acts.unit or acts.tag or acts.people),
        ("people", "people"): len(acts.people) > MOST_PEOPLE,
    }
    return [fault for fault, is_wrong in faults.items() if is_wrong]
