"""Where each recipient of an outgoing document stands. In: its delivery and the facts about it. Out: a `RecipientView`,
with the fact that says the word that is shown, and what lies behind it, oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.document_view.facts import FactView, sent_fact
from gateway.domain.document import Delivery
from gateway.domain.status import Fact
from gateway.words import labels


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """`last` is the newest fact that says the word which is shown, else the newest of all; None where nothing is known."""

    delivery: Delivery
    last: FactView | None
    marks: tuple[str, ...]
    facts: tuple[FactView, ...] = field(default=(), repr=False)

    @property
    def at(self) -> datetime:
        return self.last.at if self.last is not None else self.delivery.updated_at


def recipient_view(delivery: Delivery, facts: Iterable[Fact], lang: str) -> RecipientView:
    views = [sent_fact(each, lang) for each in sorted(facts, key=lambda each: each.at)]
    fitting = [each for each in views if each.key == delivery.state] or views
    return RecipientView(
        delivery=delivery,
        last=fitting[-1] if fitting else None,
        marks=tuple(labels.mark_text(each, lang) for each in delivery.marks),
        facts=tuple(views),
    )
