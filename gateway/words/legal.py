"""Legal bases: the acts, and the rules of the product with the places in acts that they rest on. In: `legal.toml` beside
this module. Out: acts and rules as frozen values, and a basis in words ("Điều 26 NĐ 30/2020/NĐ-CP"). An entry that breaks
the form, or names an unknown act, is an error when the file is read. What holds on a day is `policy.legal_state`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pkgutil import get_data
from types import MappingProxyType
from typing import Any

from gateway.words import labels

DUTIES = ("refuse", "warn", "hold", "record", "support")
"""Treatments of a rule by the node."""
STATES = ("works", "partly", "absent", "outside")
"""How far the node keeps a rule; `outside`: it is no matter for a program."""
_ARTICLE = re.compile(r"(?P<article>\d+)(?:\.(?P<clause>\d+)(?P<point>[a-zđ]?))?")
_ANNEX = re.compile(
    r"PL (?P<annex>[IVX]+)(?: (?:(?P<part>[IVX]+)\.(?=[IVX]))?(?P<section>[IVX]+(?:\.\w+)*))?"
)

# Mentions of acts in texts: by the whole number, or by kind and number of either language.
_FULL_NUMBER = re.compile(r"\b\d+/\d{4}/(?:NĐ-CP|QĐ-TTg|TT-[A-ZĐ]+|NQ-CP|QH\d+)")
_STANDARD = re.compile(r"\bQCVN \d+(?::\d{4}/[A-Z]+)?")
_SHORT_NUMBER = re.compile(
    r"\b(?P<kind>NĐ|Nghị định(?: số)?|[Dd]ecree|QĐ|Quyết định(?: số)?|[Dd]ecision|TT|Thông tư(?: số)?|[Cc]ircular"
    r"|Luật(?: số)?|[Ll]aw|Nghị quyết(?: số)?|NQ|[Rr]esolution) (?P<number>\d+/\d{4})(?![/\d])"
)
_KINDS = {
    "decree": ("nđ", "nghị định", "decree"),
    "decision": ("qđ", "quyết định", "decision"),
    "circular": ("tt", "thông tư", "circular"),
    "law": ("luật", "law"),
    "resolution": ("nq", "nghị quyết", "resolution"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act. `ended` is its last day in force; `checked` the day on which its text was compared, None while it was not;
    `dates_from` says then where its dates come from."""

    key: str
    number: str
    kind: str
    issuer: str
    title: str
    issued: date
    begins: date
    ended: date | None = None
    replaced_by: Sequence[str] = ()
    amends: Sequence[str] = ()
    source: str
    checked: date | None = None
    dates_from: str = ""

    def is_in_force(self, on: date) -> bool:
        return self.begins <= on and (self.ended is None or on <= self.ended)

    def name(self, lang: str = "vi") -> str:
        """Return the short name: NĐ 30/2020/NĐ-CP."""
        return labels.say(f"act.{self.kind}", lang, number=self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """A place in an act. `is_compared` is False where the act's text, or this place in it, was not read."""

    act: Act
    place: str
    is_compared: bool

    def text(self, lang: str = "vi") -> str:
        """Return it as people cite it: điểm b khoản 4 Điều 18 NĐ 30/2020/NĐ-CP."""
        place = _place_text(self.place, lang)
        name = self.act.name(lang)
        return labels.say("act.place", lang, place=place, act=name) if place else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, policy or form. `codes` are the reasons with which the node tells it: reasons of a check or a refusal, keys
    of timers, codes of errors. `tests` prove what works, `lacks` says what does not. `events` are the kinds of events that
    are instances of it, `checks` those of the doctor that examine it on a node. `is_own` marks a figure or way of working
    that no act prescribes."""

    id: str
    texts: Mapping[str, str]
    bases: Sequence[Basis]
    does: str
    codes: Sequence[str] = ()
    events: Sequence[str] = ()
    checks: Sequence[str] = ()
    state: str = "works"
    tests: Sequence[str] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)
    evidence: Sequence[str] = ()
    is_own: bool = False
    begins: date | None = None
    ended: date | None = None

    @property
    def in_force_from(self) -> date:
        """Return its own first day, else the day on which the first of its acts began."""
        return self.begins or min(basis.act.begins for basis in self.bases)

    def basis_text(self, lang: str = "vi") -> str:
        """Return its bases in one line."""
        return "; ".join(basis.text(lang) for basis in self.bases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Permission for one file to name an act that has ended."""

    act: str
    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBases:
    """The whole file."""

    acts: Mapping[str, Act]
    rules: Mapping[str, Rule]
    allowances: Sequence[Allowance]


@cache
def read() -> LegalBases:
    """Read the file of the package."""
    return parse((get_data(__package__ or "gateway.words", "legal.toml") or b"").decode("utf-8"))


def parse(text: str) -> LegalBases:
    """Read the text of such a file. ValueError names the entry that breaks the form."""
    tables = tomllib.loads(text)
    acts = {key: _read_act(key, row) for key, row in tables["acts"].items()}
    for act in acts.values():
        if unknown := {*act.replaced_by, *act.amends} - acts.keys():
            raise ValueError(f"act {act.key} names {', '.join(sorted(unknown))}, which is not in the file")
    rules = {key: _read_rule(key, row, acts) for key, row in tables["rules"].items()}
    return LegalBases(
        acts=MappingProxyType(acts),
        rules=MappingProxyType(rules),
        allowances=tuple(Allowance(**row) for row in tables.get("allowances", ())),
    )


def rule_of_code(code: str) -> Rule | None:
    """Return the rule that a reason tells; None for a reason that no rule stands behind."""
    return _rules_by_code().get(code)


def basis_of_code(code: str, lang: str = "vi") -> str:
    """Return the bases of the rule that a reason tells; nothing where there is none."""
    rule = rule_of_code(code)
    return rule.basis_text(lang) if rule is not None else ""


def basis_of_codes(codes: Iterable[str], lang: str = "vi") -> str:
    """Return the bases of several reasons in one line, each once; nothing where no rule stands behind them."""
    rules = (rule_of_code(code) for code in codes)
    return bases_of_rules((rule.id for rule in rules if rule is not None), lang)


def bases_of_rules(ids: Iterable[str], lang: str = "vi") -> str:
    """Return the bases of several rules in one line, each once."""
    texts = [basis.text(lang) for id in ids for basis in read().rules[id].bases]
    return "; ".join(dict.fromkeys(texts))


def basis_of_timer(timer: str, lang: str = "vi") -> str:
    """Return the bases of a timer (`t2u`), whose rule is T2u."""
    return bases_of_rules([f"T{timer[1:]}"], lang)


def find_acts(bases: LegalBases, text: str) -> Iterator[tuple[int, str, Act | None]]:
    """Yield each mention of an act: its line, the text, and the act; None for one that is not in the table."""
    for match in (*_FULL_NUMBER.finditer(text), *_STANDARD.finditer(text)):
        yield _line_at(text, match.start()), match[0], _act_of_number(bases, match[0])
    for match in _SHORT_NUMBER.finditer(text):
        yield _line_at(text, match.start()), match[0], _act_of_short(bases, match["kind"], match["number"])


def _line_at(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


@cache
def _rules_by_code() -> Mapping[str, Rule]:
    """Return the rule of each code; of several rules with one code it is the first."""
    return {code: rule for rule in reversed([*read().rules.values()]) for code in rule.codes}


# Any: a row of the file, whose values are checked here.
def _read_act(key: str, row: Mapping[str, Any]) -> Act:
    act = Act(
        key=key,
        number=row["number"],
        kind=row["kind"],
        issuer=row["issuer"],
        title=row["title"],
        issued=row["issued"],
        begins=row["from"],
        ended=row.get("to"),
        replaced_by=tuple(row.get("replaced_by", ())),
        amends=tuple(row.get("amends", ())),
        source=row["source"],
        checked=row.get("checked"),
        dates_from=row.get("dates_from", ""),
    )
    if (act.checked is None) != bool(act.dates_from):
        raise ValueError(f"act {key} has either the day of its comparison, or where its dates come from")
    return act


def _read_rule(key: str, row: Mapping[str, Any], acts: Mapping[str, Act]) -> Rule:
    if row["does"] not in DUTIES:
        raise ValueError(f"rule {key} does {row['does']}, which is none of {', '.join(DUTIES)}")
    if (state := row.get("state", STATES[0])) not in STATES:
        raise ValueError(f"rule {key} has the state {state}, which is none of {', '.join(STATES)}")
    if (state == STATES[0]) == ("lacks_vi" in row):
        raise ValueError(f"rule {key} says what it lacks where it does not work, and only there")
    if not row["bases"]:
        raise ValueError(f"rule {key} has no basis")
    return Rule(
        id=key,
        texts=MappingProxyType({"vi": row["vi"], "en": row["en"]}),
        bases=tuple(_read_basis(key, text, acts) for text in row["bases"]),
        does=row["does"],
        codes=tuple(row.get("codes", ())),
        events=tuple(row.get("events", ())),
        checks=tuple(row.get("checks", ())),
        state=state,
        tests=tuple(row.get("tests", ())),
        lacks=MappingProxyType({lang: row.get(f"lacks_{lang}", "") for lang in ("vi", "en")}),
        evidence=tuple(row["evidence"]),
        is_own=row.get("own", False),
        begins=row.get("from"),
        ended=row.get("to"),
    )


def _read_basis(rule: str, text: str, acts: Mapping[str, Act]) -> Basis:
    act_key, _, place = text.partition(" ")
    is_doubted = place.endswith("?")
    place = place.removesuffix("?").strip()
    if act_key not in acts:
        raise ValueError(f"rule {rule} rests on {act_key}, which is not in the file")
    if place and not (_ARTICLE.fullmatch(place) or _ANNEX.fullmatch(place)):
        raise ValueError(f"rule {rule}: {place} is no place in an act")
    act = acts[act_key]
    return Basis(act=act, place=place, is_compared=act.checked is not None and not is_doubted)


def _place_text(place: str, lang: str) -> str:
    """Return a place in words, the smallest part first as Vietnamese has it."""
    if not place:
        return ""
    if (annex := _ANNEX.fullmatch(place)) is not None:
        key = "part" if annex["part"] else "section" if annex["section"] else "annex"
        return labels.say(f"act.place.{key}", lang, **annex.groupdict())
    if (article := _ARTICLE.fullmatch(place)) is None:
        raise ValueError(f"{place} is no place in an act")
    key = "point" if article["point"] else "clause" if article["clause"] else "article"
    return labels.say(f"act.place.{key}", lang, **article.groupdict())


def _act_of_number(bases: LegalBases, number: str) -> Act | None:
    if number.startswith("QCVN"):
        return next((a for a in bases.acts.values() if _is_standard(a.number, number)), None)
    return next((act for act in bases.acts.values() if act.number == number), None)


def _is_standard(number: str, cited: str) -> bool:
    return number == cited or number.startswith(f"{cited}:")


def _act_of_short(bases: LegalBases, word: str, number: str) -> Act | None:
    folded = word.lower().removesuffix(" số")
    kind = next(kind for kind, words in _KINDS.items() if folded in words)
    return next(
        (act for act in bases.acts.values() if act.kind == kind and act.number.startswith(f"{number}/")), None
    )
