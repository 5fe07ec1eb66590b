"""Comments of persons on documents, for tests of what becomes of them, as rows of the exchange's own store."""

from __future__ import annotations

from gateway.domain.account import AgencyScope
from gateway.domain.comments import Comment
from tests.support.town.acts import Town


async def add_comment(town: Town, scope: AgencyScope, document_id: str, text: str) -> None:
    """Add a comment of the scope's principal, who has read the document."""
    now = town.clock.now()
    comment = Comment(
        id=town.clock.new_id("cmt_"), document_id=document_id, person_id=scope.principal_id, at=now, text=text
    )
    async with town.node.store.changing(scope) as work:
        await work.comments.add(comment)
        await work.comments.mark_read(document_id, scope.principal_id, now)
