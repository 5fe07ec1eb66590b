"""Choice of the axis for a packet, where there are several: the table of routes, and the choice for one recipient. In:
rules of the operator; sender, recipient and its node; the trail of earlier attempts; the axes that do not answer. Out:
the one rule that applies, and the axis to send to, to move to, or to wait for. Pure: the order in which the rules were
written does not matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from gateway.domain.forms import Form
from gateway.domain.registry import fold_code

ALL, NODE, BELOW = "*", "@", ".*"
_CODE = re.compile(r"[^\s*@.]+(\.[^\s*@.]+)*")
_NODE = re.compile(r"[^\s*@]+")
AXIS_NAME = re.compile(r"[a-z][a-z0-9]{0,19}")


class Breadth(IntEnum):
    """Breadth of a pattern; among those that fit, the narrowest applies."""

    EVERYTHING = 0
    SUBTREE = 1
    ANY_NODE = 2
    NODE = 3
    CODE = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    """Pattern of recipients: `*`; `H41.*`, which is H41 and everything below; `@*`, any code that the registry says
    another node hosts; `@name`, any code of that node; `H41.07`. Letter case is ignored."""

    breadth: Breadth
    key: str

    @classmethod
    def read(cls, text: str) -> Pattern:
        """Parse a pattern; ValueError with the mistake and the correct forms."""
        folded = fold_code(text)
        if folded == ALL:
            return cls(Breadth.EVERYTHING, "")
        if folded == f"{NODE}{ALL}":
            return cls(Breadth.ANY_NODE, "")
        if folded.startswith(NODE) and _NODE.fullmatch(folded[1:]):
            return cls(Breadth.NODE, folded[1:])
        if folded.endswith(BELOW) and _CODE.fullmatch(folded.removesuffix(BELOW)):
            return cls(Breadth.SUBTREE, folded.removesuffix(BELOW))
        if _CODE.fullmatch(folded):
            return cls(Breadth.CODE, folded)
        raise ValueError(
            f"{text!r} is no pattern: write a code (H41.07), a code and all below it (H41.*), a node (@name), "
            "any node (@*), or everything (*)"
        )

    @property
    def rank(self) -> tuple[int, int]:
        """Sort key, higher for narrower patterns; of two subtrees the deeper is narrower."""
        return self.breadth, self.key.count(".") if self.breadth is Breadth.SUBTREE else 0

    def fits(self, code: str, node: str | None = None) -> bool:
        """Tell whether the pattern matches the code, hosted by `node`. A code that begins with @ is the node itself."""
        folded = fold_code(code)
        host = folded[1:] if folded.startswith(NODE) else fold_code(node or "")
        match self.breadth:
            case Breadth.EVERYTHING:
                return True
            case Breadth.ANY_NODE:
                return bool(host)
            case Breadth.NODE:
                return host == self.key
            case Breadth.SUBTREE:
                return folded == self.key or folded.startswith(f"{self.key}.")
        return folded == self.key

    def __str__(self) -> str:
        heads = {Breadth.EVERYTHING: ALL, Breadth.ANY_NODE: f"{NODE}{ALL}", Breadth.NODE: f"{NODE}{self.key}"}
        code = self.key.upper()
        return heads.get(self.breadth) or (f"{code}{BELOW}" if self.breadth is Breadth.SUBTREE else code)


EVERYTHING = Pattern(Breadth.EVERYTHING, "")


class OnTrouble(StrEnum):
    WAIT = "wait"
    NEXT = "next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Route for mail. `away` is the action while the current axis does not answer, `unsure` that while it may have the
    packet without confirming it; `form` is the form of files for an axis whose session vouches."""

    to: Pattern
    axes: tuple[str, ...]
    sender: Pattern = EVERYTHING
    away: OnTrouble = OnTrouble.WAIT
    unsure: OnTrouble = OnTrouble.WAIT
    form: Form = Form.STANDARD

    @property
    def rank(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return self.to.rank, self.sender.rank

    def __str__(self) -> str:
        return str(self.to) if self.sender == EVERYTHING else f"{self.to} ← {self.sender}"


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Table of routes. `faults` must be empty for its rules: then every recipient has exactly one rule."""

    rules: tuple[Rule, ...]

    def rule(self, sender: str, code: str, node: str | None = None) -> Rule:
        """Return the narrowest rule that fits, by recipient first, then by sender."""
        fitting = [r for r in self.rules if r.to.fits(code, node) and r.sender.fits(sender)]
        return max(fitting, key=lambda r: r.rank)

    @property
    def asks_for_nodes(self) -> bool:
        """True if a rule depends on the node that hosts a code."""
        return any(r.to.breadth in (Breadth.ANY_NODE, Breadth.NODE) for r in self.rules)


def faults(rules: Sequence[Rule], axes: Collection[str]) -> list[str]:
    """Return what is wrong with these rules, as sentences; an empty list for a valid table."""
    problems = []
    for n, rule in enumerate(rules, 1):
        if unknown_axes := [name for name in rule.axes if name not in axes]:
            problems.append(
                f"routes {n} ({rule}): no axis is named {', '.join(unknown_axes)}; there are {_join_names(axes)}"
            )
        if not rule.axes or len(set(rule.axes)) < len(rule.axes):
            problems.append(f"routes {n} ({rule}): expected the names of axes, each once, in their order")
        if rule.sender.breadth in (Breadth.ANY_NODE, Breadth.NODE):
            problems.append(f"routes {n} ({rule}): from is one of your agencies' codes, not a node")
        if any((rule.to, rule.sender) == (other.to, other.sender) for other in rules[: n - 1]):
            problems.append(f"routes {n} ({rule}): there is a route for just this already; keep one of them")
    if not any(rule.to == EVERYTHING and rule.sender == EVERYTHING for rule in rules):
        problems.append(
            'routes: no route says where everything else goes; add one with to = "*", which every recipient '
            "has that no other route names"
        )
    return problems


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """Results of earlier attempts for one recipient. `axis` is the current axis; `unsure`: that axis may have the packet;
    `refused` are axes that do not reach the recipient at all."""

    axis: str = ""
    unsure: bool = False
    refused: tuple[str, ...] = ()


FRESH = Trail()


class Turn(StrEnum):
    SEND = "send"
    MOVE = "move"
    """Bound to another axis from now on, which is recorded before the hand-over."""
    WAIT = "wait"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Choice:
    """Next step for one recipient. `is_removed`: the axis that may have the packet is no longer among the settings."""

    turn: Turn
    axis: str = ""
    is_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """Chooser of axes for recipients. `serves` limits the senders whose mail an axis takes."""

    axes: Collection[str]
    is_away: Callable[[str], bool]
    serves: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)

    def order(self, rule: Rule, sender: str, trail: Trail = FRESH) -> list[str]:
        """Return the axes that may take the mail, the current one first, then as the rule lists them."""
        candidates = [trail.axis, *rule.axes] if trail.axis in self.axes else [*rule.axes]
        return [
            name
            for name in dict.fromkeys(candidates)
            if name not in trail.refused and self._is_served(name, sender)
        ]

    def choose(self, rule: Rule, sender: str, trail: Trail = FRESH) -> Choice:
        """Choose the next step for a recipient: send, move to another axis, wait, or none."""
        order = self.order(rule, sender, trail)
        if trail.unsure and trail.axis and trail.axis not in self.axes and rule.unsure is OnTrouble.WAIT:
            return Choice(Turn.WAIT, trail.axis, is_removed=True)
        if not order:
            return Choice(Turn.NEVER)
        current_axis = order[0]
        if not self.is_away(current_axis):
            return Choice(Turn.SEND, current_axis)
        is_bound = trail.unsure and rule.unsure is OnTrouble.WAIT
        alternatives = [name for name in order[1:] if not self.is_away(name)]
        if is_bound or rule.away is OnTrouble.WAIT or not alternatives:
            return Choice(Turn.WAIT, current_axis)
        return Choice(Turn.MOVE, alternatives[0])

    def after_refusal(self, rule: Rule, sender: str, trail: Trail, by: str) -> Choice:
        """Choose the next axis after one has refused the recipient. It is used even if it does not answer now, unless the
        rule moves on from such an axis and another one answers."""
        candidates = [name for name in self.order(rule, sender, trail) if name != by]
        if not candidates:
            return Choice(Turn.NEVER, by)
        if rule.away is OnTrouble.NEXT:
            candidates = [name for name in candidates if not self.is_away(name)] or candidates
        return Choice(Turn.MOVE, candidates[0])

    def _is_served(self, name: str, sender: str) -> bool:
        patterns = self.serves.get(name, ())
        return not patterns or any(p.fits(sender) for p in patterns)
