"""What `gateway registry change` prints of a plan: what stands against it, what to look at, what will be, code by code; of
many the first, and how many more. In: a plan. Out: lines, or one JSON object with everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gateway.cli import output, registry_change_form
from gateway.cli.command import Call, Format

if TYPE_CHECKING:
    from gateway.domain.registry_reform import Reform, Remark
    from gateway.policy.reform import ReformPlan

_SHOWN = 100  # sentences of each sort, and codes, that are printed unasked
_NAMED = 5


def sentence(call: Call, remark: Remark) -> str:
    from gateway.words.labels import remark_text

    return remark_text(remark.key, remark.params, call.lang)


def plan(call: Call, planned: ReformPlan, *, details: bool = False) -> None:
    parts: dict[str, Sequence[Remark]] = {
        "conflicts": planned.conflicts,
        "warnings": planned.warnings,
        "sentences": planned.sentences,
    }
    if call.output is not Format.TABLE:
        told: dict[str, Any] = {
            name: [{"key": each.key, "text": sentence(call, each), **each.params} for each in remarks]
            for name, remarks in parts.items()
        }
        told["rows"] = [
            {
                "code": code,
                "before": registry_change_form.life(planned.before[code]),
                "after": registry_change_form.life(life),
            }
            for code, life in planned.after.items()
        ]
        output.document(told)
        return
    marks = {"conflicts": "✗", "warnings": "!", "sentences": "·"}
    lines: list[str] = []
    left = 0
    for name, remarks in parts.items():
        said = remarks if details else remarks[:_SHOWN]
        left += len(remarks) - len(said)
        lines += [f"{marks[name]} {sentence(call, each)}" for each in said]
    lines += _changed(planned) if details or len(planned.after) <= _SHOWN else []
    output.lines(output.plain(line) for line in lines)
    if not details and (left or len(planned.after) > _SHOWN):
        call.say("cli.more_details", count=left + max(len(planned.after) - _SHOWN, 0))


def _changed(planned: ReformPlan) -> list[str]:
    """Code by code, each field that changes."""
    lines = []
    for code, life in planned.after.items():
        lines.append(f"{'~' if planned.before[code] else '+'} {code}  {life.record.name}")
        was = registry_change_form.life(planned.before[code]) or {}
        now = registry_change_form.life(life) or {}
        lines += [
            f"    {field}: {was.get(field) or '∅'} → {value or '∅'}"
            for field, value in now.items()
            if field not in ("code", "former") and was.get(field) != value
        ]
    return lines


def codes(reform: Reform) -> str:
    """Of many steps what ends and what takes over, so far as a line holds it."""
    gone = reform.sources or reform.ended
    heirs = [target.code for target in reform.targets] or list(reform.heirs)
    first = " ".join(gone[:_NAMED]) + (" …" if len(gone) > _NAMED else "")
    return f"{first} → {' '.join(heirs[:_NAMED]) or '–'}"
