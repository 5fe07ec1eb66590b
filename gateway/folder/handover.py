"""Hand incoming documents over into `in/`: each in a folder of its own, with its files, its envelope and `meta.json`, until
its user deletes or moves that folder, which acknowledges it. In: documents not handed over yet, leased to the folder. Out:
folders that appear whole; acknowledgements. Where a folder may have vanished by other causes (the share is gone, `in/` was
exchanged) nothing is acknowledged: the document is given again."""

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
from gateway.incoming import act, reading
from gateway.incoming.services import IncomingServices
from gateway.policy.admission import stored_names
from gateway.policy.folder_names import META, REASON
from gateway.stored_content import OpenFile

_log = logging.getLogger(__name__)
CLIENT = "folder"
# After this time a document is asked for again; one that lies there is then only noticed.
LEASE_S = 600
ENVELOPE = "envelope.xml"
# Marks `in/` as the folder that the node made.
_SEAL, _IDENTITY = ".gateway", "in"
# Documents are leased in groups, because many are small.
_AT_ONCE = 20


@dataclass(slots=True, kw_only=True)
class Handover:
    """Handing over for one agency. `most` bounds the documents that lie there unacknowledged."""

    services: IncomingServices
    scope: AgencyScope
    most: int
    attempts: Attempts
    _owed: list[str] = field(default_factory=list)

    async def acknowledge(self, base: Place) -> int:
        """Acknowledge the documents that were taken away; return how many."""
        removed_ids = await self.services.pool.run(partial(list_removed, base))
        for id in removed_ids:
            try:
                await act.ack(self.services, self.scope, id, CLIENT)
            except (NotFound, Clash) as error:
                log.action(_log, "folder.not_acked", str(error), document=id, code=error.code)
            await self.services.pool.run(partial(_forget, base, id))
        return len(removed_ids)

    async def hand_over(self, base: Place, batch: int) -> int:
        """Hand over documents as far as there is room, at most `batch`; return how many."""
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
                documents = await act.lease(self.services, self.scope, CLIENT, min(room, _AT_ONCE), LEASE_S)
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
                except Exception as error:  # reason: one document that cannot be given holds up no other
                    if isinstance(error, StoreFailure) and error.code == CODE:
                        # Its documents are leased to the folder, and no other client is offered them meanwhile.
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
        """Tell whether to try now. A reason in `error/` outlives the process; deleting it asks for a new try."""
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
        """Load those documents that are still leased to the folder; remove drafts of others."""
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
        """Write a draft apart, then rename it once. A draft that a crash left is made anew."""
        id = document.id
        names = stored_names([META, ENVELOPE, *(f.name for f in document.files)])[2:]
        draft = await self.services.pool.run(partial(_new_draft, base, id))
        with draft:
            paths = dict(zip((str(f.n) for f in document.files), names, strict=True))
            readable = await self._write_contents(draft, document, names)
            meta = await self._meta(document, paths if readable else {})
            await self.services.pool.run(partial(draft.write, META, [meta]))
        await self.services.pool.run(partial(_publish_draft, base, id))
        meters.FOLDER_HANDED_OVER.add()
        log.action(_log, "folder.given", document=id)

    async def _write_contents(self, draft: Place, document: IncomingDocument, names: Sequence[str]) -> bool:
        """Write files and envelope; return False for a recalled or sealed document: only its meta is given."""
        try:
            for attached, name in zip(document.files, names, strict=True):
                file = await reading.open_file(self.services, self.scope, document.id, attached.n)
                await self._write_file(draft, name, file)
            await self._write_file(
                draft, ENVELOPE, await reading.open_envelope(self.services, self.scope, document.id)
            )
        except Clash:
            for name in (*names, ENVELOPE):
                await self.services.pool.run(partial(draft.remove, name))
            return False
        except NotFound as error:
            # A document that a person entered by hand has no envelope.
            log.action(_log, "folder.no_envelope", str(error), document=document.id)
        return True

    async def _write_file(self, draft: Place, name: str, file: OpenFile) -> None:
        """Copy in pieces: memory holds one of them."""
        writing = await self.services.pool.run(partial(draft.begin, name))
        try:
            async for piece in file.pieces:
                await self.services.pool.run(partial(writing.add, piece))
        except BaseException:
            await self.services.pool.run(writing.give_up)
            raise
        await self.services.pool.run(writing.end)

    async def _meta(self, document: IncomingDocument, paths: Mapping[str, str]) -> bytes:
        """Write the document as the API shows it, with the name of each file here."""
        async with self.services.store.read(self.scope) as work:
            surroundings = await reading.load_context(work, document, await self.services.office())
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
    """List drafts that a crash interrupted: these documents are still leased to the folder."""
    with base.within(*DRAFTS, make=True) as drafts:
        return [d.name for d in drafts.listing(_AT_ONCE)[0] if d.is_folder and d.name.isascii()]


def _publish_draft(base: Place, id: str) -> None:
    """Publish first and note then: after a crash between the two a document is given twice, and none is lost."""
    with (
        base.within(*DRAFTS, make=True) as drafts,
        base.within(IN, make=True) as inn,
        base.within(*HANDED_OVER, make=True) as notes,
    ):
        _is_own_folder(base, inn, notes)
        drafts.move(id, inn, id)
        notes.write(id, [b"\n"])


def _is_own_folder(base: Place, inn: Place, notes: Place) -> bool:
    """Tell whether `in/` is still the folder that the documents were put into. An exchanged one is marked anew, and
    documents given into the old one are given again."""
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


_MOST_NOTES = 100_000


def list_removed(base: Place) -> Sequence[str]:
    """List noted documents that are gone. Each is looked up by name: a listing of a share may lack one."""
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
    """List documents that lie there, with those taken away a moment ago, which are acknowledged at the next look."""
    with base.within(IN, make=True) as inn, base.within(*HANDED_OVER, make=True) as notes:
        folder_names = {folder.name for folder in inn.listing(most + 1000)[0] if folder.is_folder}
        return folder_names | {note.name for note in notes.listing(_MOST_NOTES)[0]}
