"""Judges the legal bases on a day: rules that the program names without an entry, rules that rest on acts which had ended,
texts that cite an act which had ended or is not in the table, what was never compared with the original, and rules in force
that the node does not keep, or only in part. In: the
table, texts of the program by their path, a day. Out: findings; a note is no fault. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.words.legal import Act, LegalBases, Rule, find_acts

# A rule's number as comments write it; times (T07:05) and positions of other tables are none.
_RULE = re.compile(r"(?<![\w}.:/-])[RT][1-9]\d{0,2}[a-z]?(?!\w|:\d)")


class Fault(StrEnum):
    """Sort of a finding."""

    RULE_WITHOUT_ENTRY = "rule-without-entry"
    ACT_ENDED = "act-ended"
    ACT_UNKNOWN = "act-unknown"
    ENDED_ACT_CITED = "ended-act-cited"
    ALLOWANCE_IDLE = "allowance-idle"
    NOT_COMPARED = "not-compared"
    NOT_KEPT = "not-kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalFinding:
    """One finding: its subject (a rule or an act), where it stands, what to use in its place; a rule's own first day."""

    fault: Fault
    subject: str
    place: str = ""
    instead: str = ""
    since: date | None = None

    @property
    def is_note(self) -> bool:
        return self.fault in (Fault.NOT_COMPARED, Fault.NOT_KEPT)


def judge(bases: LegalBases, texts: Mapping[str, str], on: date) -> list[LegalFinding]:
    """Judge the table and the texts on that day; faults first."""
    findings = [
        *_missing_entries(bases, texts),
        *_ended_bases(bases, on),
        *_bad_citations(bases, texts, on),
        *_not_compared(bases, on),
        *_not_kept(bases, on),
    ]
    return sorted(findings, key=lambda finding: finding.is_note)


def is_in_force(rule: Rule, on: date) -> bool:
    """Tell whether the node's rule holds on that day."""
    return rule.in_force_from <= on and (rule.ended is None or on <= rule.ended)


def find_rules(text: str) -> Iterator[tuple[int, str]]:
    """Yield each rule that a text names, with its line."""
    for match in _RULE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[0]


def replacements(bases: LegalBases, act: Act) -> str:
    """Return the short names of the acts that replaced this one."""
    return ", ".join(bases.acts[key].name() for key in act.replaced_by)


def _missing_entries(bases: LegalBases, texts: Mapping[str, str]) -> Iterator[LegalFinding]:
    reported: set[str] = set()
    for path, text in texts.items():
        for n, rule in find_rules(text):
            if rule not in bases.rules and rule not in reported:
                reported.add(rule)
                yield LegalFinding(fault=Fault.RULE_WITHOUT_ENTRY, subject=rule, place=f"{path}:{n}")


def _ended_bases(bases: LegalBases, on: date) -> Iterator[LegalFinding]:
    for rule in bases.rules.values():
        if not is_in_force(rule, on):
            continue
        for act in {basis.act.key: basis.act for basis in rule.bases}.values():
            if act.ended is not None and act.ended < on:
                yield LegalFinding(
                    fault=Fault.ACT_ENDED,
                    subject=act.name(),
                    place=rule.id,
                    instead=replacements(bases, act),
                )


def _bad_citations(bases: LegalBases, texts: Mapping[str, str], on: date) -> Iterator[LegalFinding]:
    unused = {(allowance.act, allowance.path) for allowance in bases.allowances}
    for path, text in texts.items():
        for n, number, act in find_acts(bases, text):
            place = f"{path}:{n}"
            if act is None:
                yield LegalFinding(fault=Fault.ACT_UNKNOWN, subject=number, place=place)
            elif act.ended is not None and act.ended < on:
                if any(a.act == act.key and a.path == path for a in bases.allowances):
                    unused.discard((act.key, path))
                    continue
                instead = replacements(bases, act)
                yield LegalFinding(
                    fault=Fault.ENDED_ACT_CITED, subject=act.name(), place=place, instead=instead
                )
    # The allowance of a file that was not given is not judged: an installed program has no pages of documentation.
    for act_key, path in sorted(unused):
        if path in texts:
            yield LegalFinding(fault=Fault.ALLOWANCE_IDLE, subject=bases.acts[act_key].name(), place=path)


def _not_compared(bases: LegalBases, on: date) -> Iterator[LegalFinding]:
    """Name each act whose text was not read, and each further place that was not, with the rules that rest on it."""
    rules: dict[str, list[str]] = {}
    for rule in bases.rules.values():
        if is_in_force(rule, on):
            for basis in rule.bases:
                if not basis.is_compared:
                    name = basis.act.name() if basis.act.checked is None else basis.text()
                    rules.setdefault(name, []).append(rule.id)
    for name, ids in rules.items():
        yield LegalFinding(fault=Fault.NOT_COMPARED, subject=name, place=" ".join(dict.fromkeys(ids)))


def _not_kept(bases: LegalBases, on: date) -> Iterator[LegalFinding]:
    """Name the rules in force on that day that are absent or work in part."""
    for rule in bases.rules.values():
        if rule.state in ("partly", "absent") and is_in_force(rule, on):
            yield LegalFinding(fault=Fault.NOT_KEPT, subject=rule.id, place=rule.state, since=rule.begins)
