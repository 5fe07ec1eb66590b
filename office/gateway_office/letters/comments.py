"""Comments on an incoming document, between the persons of an agency who may read it. They stay in the agency: no event has
their text, and neither envelopes nor evidence contain them. In: a document, a person who may read it, a text. Out: the
comments and who has seen the document; a new comment, which rings for the others who have seen it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.account import AgencyScope
from gateway.domain.comments import Comment, Reader
from gateway.domain.document import UNREADABLE
from gateway.errors import Clash
from gateway.stored_content import refuse_destroyed
from gateway_office.services import OfficeIncomingServices

LONGEST = 1000
MOST = 200
"""Most comments that a page shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discussion:
    """Comments on a document and its readers, as one of them sees it. `has_unread`: others wrote since the last look."""

    comments: Sequence[Comment] = ()
    readers: Sequence[Reader] = ()
    has_unread: bool = False


async def look(services: OfficeIncomingServices, scope: AgencyScope, incoming_id: str) -> Discussion:
    """Return the discussion as it was before this look, and note the look, which writes nothing where nothing is new."""
    me, now = scope.principal_id, services.clock.now()
    async with services.store.read(scope) as work:
        comments = await work.comments.of_document(incoming_id, MOST)
        readers = await work.comments.readers_of(incoming_id)
    own = next((reader for reader in readers if reader.person_id == me), None)
    foreign_comments = [comment for comment in comments if comment.person_id != me]
    has_unread = any(own is None or comment.at > own.read_until for comment in foreign_comments)
    if own is None or has_unread:
        async with services.store.changing(scope) as work:
            await work.comments.mark_read(incoming_id, me, now)
    return Discussion(comments=comments, readers=readers, has_unread=has_unread)


async def add_comment(
    services: OfficeIncomingServices, scope: AgencyScope, incoming_id: str, text: str
) -> Comment:
    """Add a comment. Raise Clash for none or a long one, and where the document cannot be read or was destroyed."""
    words, now = " ".join(text.split()), services.clock.now()
    if not words or len(words) > LONGEST:
        raise Clash(f"a comment has 1 to {LONGEST} letters", code="GW-COMMENT")
    async with services.store.changing(scope) as work:
        document = await work.incoming.get(incoming_id)
        if document.state in UNREADABLE:
            raise Clash(f"the document {incoming_id} cannot be read", code="GW-UNREADABLE")
        refuse_destroyed(document)
        comment = Comment(
            id=services.clock.new_id("cmt_"),
            document_id=document.id,
            person_id=scope.principal_id,
            at=now,
            text=words,
        )
        await work.comments.add(comment)
        await work.comments.mark_read(document.id, scope.principal_id, now)
    services.wake()
    return comment
