"""Findings of the node's checks as an operator reads them. In: findings, the reader's language. Out: for each the name of
what was checked, the sentence, and the page or command that mends it; and the one to do first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.domain.diagnosis import Diagnosis, Level
from gateway.words import labels

PATH = "/van-hanh"
# The page where a finding is looked into, by the check, or by the part of its name before the first dot.
_PLACES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "axis": ("line", f"{PATH}/kiem-tra"),
        "axis.dead": ("dead", f"{PATH}/goi-tin-loi"),
        "queues": ("queues", f"{PATH}/hang-doi"),
        "outbox": ("tries", f"{PATH}/gui-lai"),
        "quarantine": ("aside", f"{PATH}/cach-ly"),
        "leases": ("jobs", f"{PATH}/tac-vu"),
        "workers": ("jobs", f"{PATH}/tac-vu"),
        "jobs": ("jobs", f"{PATH}/tac-vu"),
        "log": ("log", "/nhat-ky"),
        "bindings": ("certificates", "/co-quan/de-nghi"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingLine:
    """One finding in words. `act` is the key of its page's name and the page's `path`, both empty where only `command`, or
    nothing, mends it; `cure` is a sentence instead of a command."""

    finding: Diagnosis
    name: str
    says: str
    act: str = ""
    path: str = ""
    command: str = ""
    cure: str = ""


def describe_findings(
    findings: Iterable[Diagnosis], lang: str, names: Mapping[str, str]
) -> list[FindingLine]:
    """Describe findings, the worst first; `names` are those of agencies by code."""
    ordered = sorted(findings, key=lambda finding: -finding.level.badness)
    return [_describe(name_agencies(finding, names), lang) for finding in ordered]


def name_agencies(finding: Diagnosis, names: Mapping[str, str]) -> Diagnosis:
    """Replace the code of an agency by its name in the finding's sentence."""
    code = str(finding.params.get("code", ""))
    return replace(finding, params={**finding.params, "code": names[code]}) if code in names else finding


def _describe(finding: Diagnosis, lang: str) -> FindingLine:
    base = finding.check.partition(".")[0]
    act, path = _PLACES.get(finding.check) or _PLACES.get(base) or ("", "")
    is_sentence = finding.cure is not None and labels.has(finding.cure)
    cure_text = finding.mends(lang) or ""
    return FindingLine(
        finding=finding,
        name=check_name(finding.check, lang),
        says=finding.says(lang),
        act=act,
        path=path,
        command="" if is_sentence else cure_text,
        cure=cure_text if is_sentence else "",
    )


def check_name(check: str, lang: str) -> str:
    """Name what a check examines, in words; the check's own name where it has none."""
    base = check.partition(".")[0]
    key = f"operating.check.{check}"
    return labels.say_or(key if labels.has(key) else f"operating.check.{base}", check, lang)


def first_step(lines: Sequence[FindingLine]) -> FindingLine | None:
    """Return the line to act on first: the worst, one with a page before one without; None where all is well."""
    troubles = [line for line in lines if line.finding.level in (Level.RED, Level.YELLOW)]
    return min(
        troubles,
        key=lambda line: (-line.finding.level.badness, not line.path, not line.command),
        default=None,
    )
