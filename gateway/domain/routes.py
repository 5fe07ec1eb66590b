"""Choice of the axis for a packet, where there are several: the table of routes, and the choice for one recipient. In:
rules of the operator; sender, recipient and its node; the trail of earlier tries; the axes that are away. Out: the one rule
that holds, and the axis to hand it to, to move to, or to wait for. Pure: the same question has one answer, in whatever
order the rules were written."""

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
    """Breadth of a pattern; of those that fit, the narrowest one holds."""

    EVERYTHING = 0
    SUBTREE = 1
    ANY_NODE = 2
    NODE = 3
    CODE = 4


@dataclass(frozen=True, slots=True)
class Pattern:
    """Pattern of recipients: `*`; `H41.*`, which is H41 and everything below; `@*`, any code that another node hosts by the
    registry; `@name`, any code of that node; `H41.07`. Letter case is ignored."""

    breadth: Breadth
    key: str

    @classmethod
    def read(cls, text: str) -> Pattern:
        """Parse a pattern. ValueError with the mistake and the correct forms."""
        given = fold_code(text)
        if given == ALL:
            return cls(Breadth.EVERYTHING, "")
        if given == f"{NODE}{ALL}":
            return cls(Breadth.ANY_NODE, "")
        if given.startswith(NODE) and _NODE.fullmatch(given[1:]):
            return cls(Breadth.NODE, given[1:])
        if given.endswith(BELOW) and _CODE.fullmatch(given.removesuffix(BELOW)):
            return cls(Breadth.SUBTREE, given.removesuffix(BELOW))
        if _CODE.fullmatch(given):
            return cls(Breadth.CODE, given)
        raise ValueError(
            f"{text!r} is no pattern: write a code (H41.07), a code and all below it (H41.*), a node (@name), "
            "any node (@*), or everything (*)"
        )

    @property
    def rank(self) -> tuple[int, int]:
        """Sort key: the higher, the narrower; of two subtrees the deeper one."""
        return self.breadth, self.key.count(".") if self.breadth is Breadth.SUBTREE else 0

    def fits(self, code: str, node: str | None = None) -> bool:
        """Tell whether the pattern takes in the code, hosted by `node`. A code that begins with @ names the node itself."""
        given = fold_code(code)
        host = given[1:] if given.startswith(NODE) else fold_code(node or "")
        match self.breadth:
            case Breadth.EVERYTHING:
                return True
            case Breadth.ANY_NODE:
                return bool(host)
            case Breadth.NODE:
                return host == self.key
            case Breadth.SUBTREE:
                return given == self.key or given.startswith(f"{self.key}.")
        return given == self.key

    def __str__(self) -> str:
        heads = {Breadth.EVERYTHING: ALL, Breadth.ANY_NODE: f"{NODE}{ALL}", Breadth.NODE: f"{NODE}{self.key}"}
        shown = self.key.upper()
        return heads.get(self.breadth) or (f"{shown}{BELOW}" if self.breadth is Breadth.SUBTREE else shown)


EVERYTHING = Pattern(Breadth.EVERYTHING, "")


class OnTrouble(StrEnum):
    WAIT = "wait"
    NEXT = "next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One route. `away`: the action while the current axis does not answer; `unsure`: the action where that axis may have
    the packet without saying so; `form`: the form of the files for an axis whose session vouches."""

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
    """Table of rules. `faults` must be empty: then every recipient has exactly one rule."""

    rules: tuple[Rule, ...]

    def rule(self, sender: str, code: str, node: str | None = None) -> Rule:
        """Return the narrowest rule that fits, first by recipient, then by sender."""
        fitting = [one for one in self.rules if one.to.fits(code, node) and one.sender.fits(sender)]
        return max(fitting, key=lambda one: one.rank)

    @property
    def asks_for_nodes(self) -> bool:
        """True if a rule needs the registry's answer on the node of a code."""
        return any(one.to.breadth in (Breadth.ANY_NODE, Breadth.NODE) for one in self.rules)


def faults(rules: Sequence[Rule], axes: Collection[str]) -> list[str]:
    """Describe why these rules are no table; empty when they are one."""
    found = []
    for n, one in enumerate(rules, 1):
        if strange := [name for name in one.axes if name not in axes]:
            found.append(
                f"routes {n} ({one}): no axis is named {', '.join(strange)}; there are {_list(axes)}"
            )
        if not one.axes or len(set(one.axes)) < len(one.axes):
            found.append(f"routes {n} ({one}): expected the names of axes, each once, in their order")
        if one.sender.breadth in (Breadth.ANY_NODE, Breadth.NODE):
            found.append(f"routes {n} ({one}): from is one of your agencies' codes, not a node")
        if any((one.to, one.sender) == (other.to, other.sender) for other in rules[: n - 1]):
            found.append(f"routes {n} ({one}): there is a route for just this already; keep one of them")
    if not any(one.to == EVERYTHING and one.sender == EVERYTHING for one in rules):
        found.append(
            'routes: no route says where everything else goes; add one with to = "*", which every recipient '
            "has that no other route names"
        )
    return found


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """Results of earlier tries for one recipient. `axis`: the current one; `unsure`: that one may have the packet;
    `refused`: those that do not reach the recipient at all."""

    axis: str = ""
    unsure: bool = False
    refused: tuple[str, ...] = ()


FRESH = Trail()


class Turn(StrEnum):
    SEND = "send"
    MOVE = "move"
    """Bound to another axis from now on, which is written down before the hand-over."""
    WAIT = "wait"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Choice:
    """The next step for one recipient. `gone`: the axis that may have it is not among the settings any more."""

    turn: Turn
    axis: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """Chooser of the axis for each recipient. `serves` limits the senders whose mail an axis takes."""

    axes: Collection[str]
    is_away: Callable[[str], bool]
    serves: Mapping[str, tuple[Pattern, ...]] = field(default_factory=dict)

    def order(self, rule: Rule, sender: str, trail: Trail = FRESH) -> list[str]:
        """List the axes that it may take, as the rule names them; the current one goes before all."""
        named = [trail.axis, *rule.axes] if trail.axis in self.axes else [*rule.axes]
        return [
            name
            for name in dict.fromkeys(named)
            if name not in trail.refused and self._is_served(name, sender)
        ]

    def choose(self, rule: Rule, sender: str, trail: Trail = FRESH) -> Choice:
        order = self.order(rule, sender, trail)
        if trail.unsure and trail.axis and trail.axis not in self.axes and rule.unsure is OnTrouble.WAIT:
            return Choice(Turn.WAIT, trail.axis, gone=True)
        if not order:
            return Choice(Turn.NEVER)
        stands = order[0]
        if not self.is_away(stands):
            return Choice(Turn.SEND, stands)
        is_bound = trail.unsure and rule.unsure is OnTrouble.WAIT
        others = [name for name in order[1:] if not self.is_away(name)]
        if is_bound or rule.away is OnTrouble.WAIT or not others:
            return Choice(Turn.WAIT, stands)
        return Choice(Turn.MOVE, others[0])

    def after_refusal(self, rule: Rule, sender: str, trail: Trail, by: str) -> Choice:
        """Choose after that axis refused the recipient: the next one, whether or not it is away now."""
        left = [name for name in self.order(rule, sender, trail) if name != by]
        if not left:
            return Choice(Turn.NEVER, by)
        if rule.away is OnTrouble.NEXT:
            left = [name for name in left if not self.is_away(name)] or left
        return Choice(Turn.MOVE, left[0])

    def _is_served(self, name: str, sender: str) -> bool:
        patterns = self.serves.get(name, ())
        return not patterns or any(each.fits(sender) for each in patterns)
