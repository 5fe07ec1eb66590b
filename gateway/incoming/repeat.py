"""Answers a repeat: the same packet came again, so its sender may have missed our answers. In: the inbox row of the
first. Out: our answers once more, the same bytes, through the outbox. A storm of repeats is answered once a minute,
so that ten thousand copies make one receipt and not ten thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from gateway.domain.event import EventKind
from gateway.incoming.desk import InDesk
from gateway.ports import InboxItem, OutboxItem, Work

# Answers younger than this are still on their way; repeating them would only feed the storm.
PAUSE = timedelta(minutes=1)


async def answer_again(desk: InDesk, work: Work, first: InboxItem) -> None:
    """Puts every answer that the packet was given into the outbox again, in the caller's transaction."""
    now = desk.clock.now()
    rows = await work.outbox.of_subject(first.id)
    if not rows or any(now - row.created_at < PAUSE for row in rows):
        return
    for row in _one_per_packet(rows):
        await work.outbox.put(
            replace(
                row,
                id=desk.clock.new_id("obx_"),
                created_at=now,
                state="waiting",
                attempts=0,
                not_before=None,
                last_error=None,
            )
        )
    await work.events.append(EventKind.INBOX_REPEATED, first.id, now, {"answered_again": len(rows)})


def _one_per_packet(rows: Sequence[OutboxItem]) -> list[OutboxItem]:
    newest: dict[str, OutboxItem] = {}
    for row in rows:
        newest.setdefault(row.packet_id, row)
    return list(newest.values())
