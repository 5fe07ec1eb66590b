"""Holds each leaf of the log against its own hash, its place and its event's row. In: leaves in order, in batches. Out: the
tree that they make, and findings that name what was removed, changed, moved or added."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from gateway.domain import leaf, merkle
from gateway.domain.event import EventKind
from gateway.domain.merkle import Growing, Node
from gateway.ops.audit.found import Findings
from gateway.store.log import EVERY_LEVEL
from gateway.store.log_pages import LeafBeside

_MOST_RESTORES = 20
# Below every number that a row can have.
NO_SEQ = -(2**63)


@dataclass(slots=True, kw_only=True)
class LeafCheck:
    """One pass over the leaves. `tree` is None from the first gap on: no root can be made any more. `last_seq` is the
    greatest number that a leaf gives its event. `kept` are the nodes that the store must hold for proofs, since they were
    last taken."""

    findings: Findings
    tree: Growing | None
    next_index: int
    last_seq: int
    erased: int = 0
    restores: list[tuple[int, str]] = field(default_factory=list)
    kept: dict[Node, bytes] = field(default_factory=dict)

    def take(self, each: LeafBeside, recorded: Collection[tuple[str, str]]) -> None:
        """One leaf; `recorded` are the deletions of texts that events tell of."""
        if each.index != self.next_index:
            self.findings.add("leaf_missing", f"leaf {self.next_index}", upto=each.index - 1)
            self.tree = None
        self.next_index = each.index + 1
        if merkle.leaf_hash(each.body) != each.hash:
            self.findings.add("leaf_changed", f"leaf {each.index}", event=_event_id(each))
        self._grow(each.hash)
        self.last_seq = max(self.last_seq, _seq(each))
        self._beside(each, recorded)

    def _grow(self, hashed: bytes) -> None:
        if self.tree is not None:
            for node, made in self.tree.add(hashed):
                if node.level and node.level % EVERY_LEVEL == 0:
                    self.kept[node] = made

    def _beside(self, each: LeafBeside, recorded: Collection[tuple[str, str]]) -> None:
        """The row that people see is the one that was sealed."""
        event = each.event
        if event is None:
            self.findings.add("event_removed", _event_id(each), leaf=each.index)
            return
        try:
            found = leaf.compare(each.body, event, each.salts)
        except (ValueError, TypeError, RecursionError):
            self.findings.add("leaf_unreadable", f"leaf {each.index}", event=event.id)
            return
        if "seq" in found.changed:
            self.findings.add("event_moved", event.id, leaf=each.index)
        elif found.changed:
            self.findings.add("event_changed", event.id, leaf=each.index, fields=", ".join(found.changed))
        if found.texts:
            self.findings.add("text_changed", event.id, leaf=each.index, fields=", ".join(found.texts))
        silent = [name for name in found.erased if (event.id, name) not in recorded]
        if silent:
            self.findings.add("text_erased", event.id, leaf=each.index, fields=", ".join(silent))
        self.erased += len(found.erased) - len(silent)
        if event.kind == EventKind.NODE_RESTORED and len(self.restores) < _MOST_RESTORES:
            self.restores.append((each.index, str(event.data.get("copied_at"))))


def may_be_erased(batch: Sequence[LeafBeside]) -> list[leaf.Logged]:
    """The events of which the record of a deletion must be looked for."""
    return [
        each.event
        for each in batch
        if each.event is not None and b'"personal":{}' not in each.body and _lacks_text(each)
    ]


def _lacks_text(each: LeafBeside) -> bool:
    try:
        names = leaf.read(each.body)["personal"]
    except (ValueError, RecursionError):
        return False
    return any(name not in each.salts for name in names)


def _seq(each: LeafBeside) -> int:
    """As the leaf tells it: the row's may have been changed."""
    try:
        return int(leaf.read(each.body)["seq"])
    except (ValueError, RecursionError):
        return NO_SEQ


def _event_id(each: LeafBeside) -> str:
    """Of the row, or as the leaf tells it."""
    if each.event is not None:
        return each.event.id
    try:
        return str(json.loads(each.body)["id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"leaf {each.index}"
