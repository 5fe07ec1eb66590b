"""Hands incoming documents over into `in/`: each as a folder with its files, its envelope and `meta.json`, until a user
deletes or moves that folder, which acknowledges it. In: documents that are not handed over yet, leased to the folder.
Out: folders that appear whole; acknowledgements. Where a folder may have vanished for another reason (a missing share,
another `in/`) nothing is acknowledged, and the document is handed over again."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway import log, meters
from gateway.api import inbox_view
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument
from gateway.errors import Clash, GatewayError, NotFound, StoreFailure
from gateway.folder import texts
from gateway.folder.attempts import MOST_TRIES, Attempts
from gateway.folder.layout import DRAFTS, ERROR, HANDED_OVER, IN, OWN
from gateway.folder.places import CODE, Place
from gateway.incoming import document_context, handover, reading
from gateway.incoming.services import IncomingServices
from gateway.policy.admission import stored_names
from gateway.policy.folder_names import META, REASON
from gateway.stored_content import Door, OpenFile, note_reading

_log = logging.getLogger(__name__)
CLIENT = "folder"
# After this time the lease ends, and a document is leased again; one that is already in `in/` is skipped.
LEASE_S = 600
ENVELOPE = "envelope.xml"
# Marks `in/` as the folder that the node made.
_SEAL, _IDENTITY = ".gateway", "in"
# Documents are leased in groups, because many are small.
_AT_ONCE = 20
_MOST_NOTES = 100_000


@dataclass(slots=True, kw_only=True)
class Handover:
    """Hand-over for one agency. `most` limits the unacknowledged documents in `in/`."""

    services: IncomingServices
    scope: AgencyScope
    most: int
    attempts: Attempts
    _owed: list[str] = field(default_factory=list)

    async def acknowledge(self, base: Place) -> int:
        """Acknowledge the documents whose folders were taken away; return how many."""
        removed_ids = await self.services.pool.run(partial(list_removed, base))
        for id in removed_ids:
            try:
                await handover.ack(self.services, self.scope, id, CLIENT)
            except (NotFound, Clash) as error:
                log.action(_log, "folder.not_acked", str(error), document=id, code=error.code)
            await self.services.pool.run(partial(_forget, base, id))
        return len(removed_ids)

    async def hand_over(self, base: Place, batch: int) -> int:
        """Hand over documents as far as there is room in `in/`, at most `batch`; return how many."""
        lying_ids = await self.services.pool.run(partial(_lying_ids, base, self.most + 1))
        room = min(self.most - len(lying_ids), batch)
        begun_ids = await self.services.pool.run(partial(_begun_ids, base))
        owed = [id for id in dict.fromkeys([*self._owed, *begun_ids]) if id not in lying_ids]
        self._owed, count = [], 0
        postponed: list[str] = []
        while room > 0:
            if owed:
                group, owed = owed[:_AT_ONCE], owed[_AT_ONCE:]
                documents = await self._load_documents(base, group)
            else:
                documents = await handover.lease(
                    self.services, self.scope, CLIENT, min(room, _AT_ONCE), LEASE_S
                )
                if not documents:
                    break
            for n, document in enumerate(documents):
                if document.id in lying_ids:
                    continue
                if not await self._is_due(base, document.id):
                    postponed.append(document.id)
                    continue
                try:
                    await self._give(base, document)
                except Exception as error:  # reason: one document that fails holds up no other
                    if isinstance(error, StoreFailure) and error.code == CODE:
                        # The documents are leased to the folder, so no other client is offered them meanwhile.
                        self._owed = [d.id for d in documents[n:]] + owed + postponed
                        raise
                    await self._note_failure(base, document, error)
                    postponed.append(document.id)
                    continue
                await self._clear_failures(base, document.id)
                lying_ids.add(document.id)
                count, room = count + 1, room - 1
        self._owed = owed + postponed
        return count

    async def _is_due(self, base: Place, id: str) -> bool:
        """Tell whether to try the document now. Its reason in `error/` outlives the process; deleting it retries."""
        has_reason = await self.services.pool.run(partial(_has_reason, base, id))
        if has_reason and self.attempts.count(id) < MOST_TRIES:
            self.attempts.give_up(id)
        elif not has_reason and self.attempts.count(id) >= MOST_TRIES:
            self.attempts.clear(id)
        return self.attempts.is_due(id)

    async def _note_failure(self, base: Place, document: IncomingDocument, error: Exception) -> None:
        count = self.attempts.add(document.id)
        if isinstance(error, GatewayError):
            log.action(_log, "folder.not_given", str(error), document=document.id, code=error.code)
        else:
            _log.error(
                "an incoming document broke the hot folder",
                exc_info=error,
                extra={"action": "folder.not_given", "document": document.id},
            )
        await self.services.pool.run(partial(_drop_draft, base, document.id))
        if count >= MOST_TRIES:
            self.attempts.give_up(document.id)
            name = f"{document.number} ({document.id})"
            fault = error if isinstance(error, GatewayError) else texts.report(name, error)
            text = texts.reason(fault, name, {}, self.services.clock.now(), "give")
            await self.services.pool.run(partial(_write_reason, base, document.id, text))

    async def _clear_failures(self, base: Place, id: str) -> None:
        if self.attempts.count(id):
            self.attempts.clear(id)
            await self.services.pool.run(partial(_remove_reason, base, id))

    async def _load_documents(self, base: Place, ids: Sequence[str]) -> Sequence[IncomingDocument]:
        """Load those of the documents that are still leased to the folder; remove the drafts of the others."""
        documents = []
        async with self.services.store.read(self.scope) as work:
            for id in ids:
                try:
                    lease = await work.handovers.get(id)
                    if lease.state == "leased" and lease.leased_by == CLIENT:
                        documents.append(await work.incoming.get(id))
                        continue
                except NotFound:
                    pass
                await self.services.pool.run(partial(_drop_draft, base, id))
        return documents

    async def _give(self, base: Place, document: IncomingDocument) -> None:
        """Write the document's folder as a draft, then rename it into `in/`. A draft that a crash left is made again."""
        id = document.id
        names = stored_names([META, ENVELOPE, *(f.name for f in document.files)])[2:]
        draft = await self.services.pool.run(partial(_new_draft, base, id))
        with draft:
            paths = dict(zip((str(f.n) for f in document.files), names, strict=True))
            readable = await self._write_contents(draft, document, names)
            if readable:
                await note_reading(self.services, self.scope, id, ENVELOPE, Door.FOLDER)
            meta = await self._meta(document, paths if readable else {})
            await self.services.pool.run(partial(draft.write, META, [meta]))
        await self.services.pool.run(partial(_publish_draft, base, id))
        meters.FOLDER_HANDED_OVER.add()
        log.action(_log, "folder.given", document=id)

    async def _write_contents(self, draft: Place, document: IncomingDocument, names: Sequence[str]) -> bool:
        """Write files and envelope. Returns False for a recalled or sealed document, which gets meta alone."""
        try:
            for attached, name in zip(document.files, names, strict=True):
                file = await reading.open_file(self.services, self.scope, document.id, attached.n, Door.NODE)
                await self._write_file(draft, name, file)
            envelope = await reading.open_envelope(self.services, self.scope, document.id, Door.NODE)
            await self._write_file(draft, ENVELOPE, envelope)
        except Clash:
            for name in (*names, ENVELOPE):
                await self.services.pool.run(partial(draft.remove, name))
            return False
        except NotFound as error:
            # A document that a person entered by hand has no envelope.
            log.action(_log, "folder.no_envelope", str(error), document=document.id)
        return True

    async def _write_file(self, draft: Place, name: str, file: OpenFile) -> None:
        """Copy a file piece by piece, so that memory holds only one piece."""
        writing = await self.services.pool.run(partial(draft.begin, name))
        try:
            async for piece in file.pieces:
                await self.services.pool.run(partial(writing.add, piece))
        except BaseException:
            await self.services.pool.run(writing.give_up)
            raise
        await self.services.pool.run(writing.end)

    async def _meta(self, document: IncomingDocument, paths: Mapping[str, str]) -> bytes:
        """Return `meta.json`: the document as the API shows it, and the name of each file in its folder."""
        async with self.services.store.read(self.scope) as work:
            surroundings = await document_context.load_context(
                work, document, await self.services.office(self.scope.agency_id)
            )
        on = self.services.clock.now()
        entry = await self.services.directory.find(document.sender_code, on.date())
        inbox_entry = inbox_view.inbox_item(document, surroundings, entry.name if entry else None, "vi")
        meta = json.loads(inbox_entry.model_dump_json(by_alias=True)) | {"paths": dict(paths)}
        return (json.dumps(meta, ensure_ascii=False, indent=2) + "\n").encode()


def _new_draft(base: Place, id: str) -> Place:
    with base.within(*DRAFTS, make=True) as drafts:
        drafts.remove(id)
        return drafts.within(id, make=True)


def _drop_draft(base: Place, id: str) -> None:
    with base.within(*DRAFTS, make=True) as drafts:
        drafts.remove(id)


def _has_reason(base: Place, id: str) -> bool:
    with base.within(ERROR, make=True) as errors:
        return errors.mark(id + REASON) is not None


def _write_reason(base: Place, id: str, text: str) -> None:
    with base.within(ERROR, make=True) as errors:
        errors.write(id + REASON, [text.encode("utf-8", "replace")])


def _remove_reason(base: Place, id: str) -> None:
    with base.within(ERROR, make=True) as errors:
        errors.remove(id + REASON)


def _begun_ids(base: Place) -> Sequence[str]:
    """List the ids of drafts that a crash interrupted; these documents are still leased to the folder."""
    with base.within(*DRAFTS, make=True) as drafts:
        return [d.name for d in drafts.listing(_AT_ONCE)[0] if d.is_folder and d.name.isascii()]


def _publish_draft(base: Place, id: str) -> None:
    """Rename the draft into `in/`, then write its note. A crash in between repeats the hand-over, but loses nothing."""
    with (
        base.within(*DRAFTS, make=True) as drafts,
        base.within(IN, make=True) as inn,
        base.within(*HANDED_OVER, make=True) as notes,
    ):
        _is_own_folder(base, inn, notes)
        drafts.move(id, inn, id)
        notes.write(id, [b"\n"])


def _is_own_folder(base: Place, inn: Place, notes: Place) -> bool:
    """Tell whether `in/` is still the folder that documents were put into. Another one is marked as the node's, and the
    notes of documents missing from it are removed."""
    if inn.mark(_SEAL) is not None or _noted_identity(base) == inn.identity:
        return True
    for note in notes.listing(_MOST_NOTES)[0]:
        if inn.mark(note.name) is None:
            notes.remove(note.name)
    inn.write(_SEAL, [b"\n"])
    with base.within(OWN, make=True) as own:
        own.write(_IDENTITY, [inn.identity.encode()])
    return False


def _noted_identity(base: Place) -> str:
    with base.within(OWN, make=True) as own:
        try:
            return own.read(_IDENTITY, 200).decode(errors="replace")
        except NotFound:
            return ""


def list_removed(base: Place) -> Sequence[str]:
    """List the ids of noted documents whose folders are gone. Each is looked up by name: a listing may be incomplete."""
    with base.within(IN, make=True) as inn, base.within(*HANDED_OVER, make=True) as notes:
        noted = notes.listing(_MOST_NOTES)[0]
        if not noted or not _is_own_folder(base, inn, notes):
            return []
        names = {folder.name for folder in inn.listing(_MOST_NOTES)[0]}
        return [note.name for note in noted if note.name not in names and inn.mark(note.name) is None]


def _forget(base: Place, id: str) -> None:
    with base.within(*HANDED_OVER) as notes:
        notes.remove(id)


def _lying_ids(base: Place, most: int) -> set[str]:
    """List the ids of documents in `in/`, and of those that were taken away but are not yet acknowledged."""
    with base.within(IN, make=True) as inn, base.within(*HANDED_OVER, make=True) as notes:
        folder_names = {folder.name for folder in inn.listing(most + 1000)[0] if folder.is_folder}
        return folder_names | {note.name for note in notes.listing(_MOST_NOTES)[0]}
