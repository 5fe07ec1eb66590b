"""Reads the first page of a document's lead file when somebody opens the document, never while it is taken in. In: an
admitted document. Out: what its first page surely says; None where there is nothing to read. Remembered in this process by
the digest of the file; parsed in the process that is there for hostile PDFs."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import FileRole, IncomingDocument, IncomingFile
from gateway.domain.identity import Digest
from gateway.domain.page_text import PdfText
from gateway.errors import GatewayError
from gateway.incoming.desk import InDesk
from gateway.incoming.files import open_file
from gateway.office.policy.first_page import FirstPage, surely
from gateway.policy.pdf_fields import read_fields

_log = logging.getLogger(__name__)
_KEPT = 1000
_LARGEST = 30 * 1024 * 1024  # whoever opens a page waits for it
_BUSY = "PDF-READER"  # a fault of this node, not of the file


@dataclass(slots=True)
class FirstPages:
    """What was read lately; the oldest goes first."""

    _known: OrderedDict[Digest, FirstPage] = field(default_factory=OrderedDict)

    async def of(self, desk: InDesk, scope: AgencyScope, document: IncomingDocument) -> FirstPage | None:
        lead = _lead(document)
        if lead is None or lead.found_type != "pdf" or lead.size > _LARGEST:
            return None
        if lead.sha256 in self._known:
            self._known.move_to_end(lead.sha256)
            return self._known[lead.sha256]
        try:
            text = await _text(desk, scope, document.id, lead.n)
        except GatewayError as error:  # the page tells what is known without it
            log.action(_log, "first_page.unread", str(error), document=document.id, code=error.code)
            return None
        if text.fault == _BUSY:
            return None
        self._known[lead.sha256] = found = surely(read_fields(text))
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found


async def _text(desk: InDesk, scope: AgencyScope, id: str, n: int) -> PdfText:
    file = await open_file(desk, scope, id, n)
    with desk.blobs.scratch() as scratch:
        async for piece in file.pieces:
            await desk.pool.run(partial(scratch.file.write, piece))
        await desk.pool.run(scratch.file.flush)
        return await desk.signatures.text(scratch.path)


def _lead(document: IncomingDocument) -> IncomingFile | None:
    """The file that its sender calls the lead, else the first."""
    named = [each for each in document.files if each.role is FileRole.LEAD]
    return next(iter(named or document.files), None)
