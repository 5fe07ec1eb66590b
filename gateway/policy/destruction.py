"""Judges whether a document may be destroyed, and whether a rule of a proposal chooses it (R102). In: facts about the
document, a rule, a day. Out: the obstacle, or None. Pure."""

from __future__ import annotations

from datetime import date

from gateway.domain.destruction import DestructionRule, DisposalFacts, Obstacle
from gateway.domain.retention import Expiry
from gateway.domain.text import fold


def find_obstacle(facts: DisposalFacts, today: date) -> Obstacle | None:
    """Return the gravest rule that stands against it; None for a document that may go. What the historical archive has
    stays there, so that no retention stands against its going from here."""
    expiry, is_here_alone = facts.expiry, not facts.is_archived
    is_ended = expiry is not None and expiry.on is not None and expiry.on < today
    obstacles = {
        Obstacle.DESTROYED: facts.is_destroyed,
        Obstacle.PRESERVED: facts.is_preserved,
        Obstacle.SECRET: facts.is_secret,
        Obstacle.NO_TABLE: is_here_alone and expiry is None,
        Obstacle.PERMANENT: is_here_alone and expiry is not None and expiry.is_permanent,
        Obstacle.UNKNOWN: is_here_alone and expiry is not None and expiry.on is None,
        Obstacle.NOT_ENDED: is_here_alone and not is_ended,
        Obstacle.UNFINISHED: not facts.is_finished,
    }
    return next((obstacle for obstacle, stands in obstacles.items() if stands), None)


def is_chosen(
    rule: DestructionRule, document_id: str, expiry: Expiry | None, *, is_archived: bool = False
) -> bool:
    """Tell whether the rule is about the document: it is named, the archive has it, or its retention ended by the day in
    one of the classes."""
    if rule.documents:
        return document_id in rule.documents
    if rule.handed_over:
        return is_archived
    if expiry is None or expiry.on is None or expiry.on > rule.until:
        return False
    classes = {fold(name) for name in rule.classes}
    return not classes or (expiry.row is not None and fold(expiry.row.name) in classes)
