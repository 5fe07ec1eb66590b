"""Incoming documents into `in/`: each in a folder of its own, with its files, its envelope and `meta.json`, until its user
deletes that folder or moves it away, which acknowledges it. In: documents not handed over yet, leased to the folder.
Out: folders that appear whole; acknowledgements. A folder that vanished while nobody can say that it was taken away
(the share is gone, `in/` was exchanged) acknowledges nothing: the document is given again."""

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
from gateway.folder import told
from gateway.folder.attempts import MOST_TRIES, Attempts
from gateway.folder.layout import DRAFTS, ERROR, GIVEN, IN, OWN
from gateway.folder.places import CODE, Place
from gateway.incoming import act, reading
from gateway.incoming.desk import InDesk
from gateway.policy.door import stored_names
from gateway.policy.folder_names import META, REASON
from gateway.stored_content import OpenFile

_log = logging.getLogger(__name__)
CLIENT = "folder"
# For so long a document is the folder's before it is asked for again; then what lies there is only found there.
LEASE_S = 600
ENVELOPE = "envelope.xml"
# Marks `in/` as the one that the node made.
_SEAL, _SEEN = ".gateway", "in"
# Leased together; what is small is not asked for one by one.
_AT_ONCE = 20


@dataclass(slots=True, kw_only=True)
class Giving:
    """Of one agency. `most` is how many may lie there unacknowledged."""

    desk: InDesk
    scope: AgencyScope
    most: int
    attempts: Attempts
    _owed: list[str] = field(default_factory=list)

    async def acknowledge(self, base: Place) -> int:
        """Those that were taken away, how many."""
        gone = await self.desk.pool.run(partial(taken_away, base))
        for id in gone:
            try:
                await act.ack(self.desk, self.scope, id, CLIENT)
            except (NotFound, Clash) as why:
                log.action(_log, "folder.not_acked", str(why), document=id, code=why.code)
            await self.desk.pool.run(partial(_forget, base, id))
        return len(gone)

    async def give(self, base: Place, batch: int) -> int:
        """Those not handed over yet, as far as there is room, and so many at once; how many are there now and were not
        before."""
        lying = await self.desk.pool.run(partial(_lying, base, self.most + 1))
        room = min(self.most - len(lying), batch)
        begun = await self.desk.pool.run(partial(_begun, base))
        owed = [id for id in dict.fromkeys([*self._owed, *begun]) if id not in lying]
        self._owed, given = [], 0
        postponed: list[str] = []
        while room > 0:
            if owed:
                now, owed = owed[:_AT_ONCE], owed[_AT_ONCE:]
                documents = await self._documents(base, now)
            else:
                documents = await act.lease(self.desk, self.scope, CLIENT, min(room, _AT_ONCE), LEASE_S)
                if not documents:
                    break
            for n, document in enumerate(documents):
                if document.id in lying:
                    continue
                if not await self._is_due(base, document.id):
                    postponed.append(document.id)
                    continue
                try:
                    await self._give(base, document)
                except Exception as error:  # reason: one document that cannot be given holds up no other
                    if isinstance(error, StoreFailure) and error.code == CODE:
                        # They are leased to the folder, and nobody else is offered them meanwhile.
                        self._owed = [owed_document.id for owed_document in documents[n:]] + owed + postponed
                        raise
                    await self._failed(base, document, error)
                    postponed.append(document.id)
                    continue
                await self._succeeded(base, document.id)
                lying.add(document.id)
                given, room = given + 1, room - 1
        self._owed = owed + postponed
        return given

    async def _is_due(self, base: Place, id: str) -> bool:
        """Whether to try this document now. Its reason in `error/` outlives the process; who removes it asks for a try."""
        has_reason = await self.desk.pool.run(partial(_has_reason, base, id))
        if has_reason and self.attempts.count(id) < MOST_TRIES:
            self.attempts.give_up(id)
        elif not has_reason and self.attempts.count(id) >= MOST_TRIES:
            self.attempts.clear(id)
        return self.attempts.is_due(id)

    async def _failed(self, base: Place, document: IncomingDocument, error: Exception) -> None:
        count = self.attempts.add(document.id)
        if isinstance(error, GatewayError):
            log.action(_log, "folder.not_given", str(error), document=document.id, code=error.code)
        else:
            _log.error(
                "an incoming document broke the hot folder",
                exc_info=error,
                extra={"action": "folder.not_given", "document": document.id},
            )
        await self.desk.pool.run(partial(_drop, base, document.id))
        if count >= MOST_TRIES:
            self.attempts.give_up(document.id)
            name = f"{document.number} ({document.id})"
            fault = error if isinstance(error, GatewayError) else told.broken(name, error)
            text = told.reason(fault, name, {}, self.desk.clock.now(), "give")
            await self.desk.pool.run(partial(_write_reason, base, document.id, text))

    async def _succeeded(self, base: Place, id: str) -> None:
        if self.attempts.count(id):
            self.attempts.clear(id)
            await self.desk.pool.run(partial(_remove_reason, base, id))

    async def _documents(self, base: Place, ids: Sequence[str]) -> Sequence[IncomingDocument]:
        """Those of them that are the folder's still; drafts of others go."""
        found = []
        async with self.desk.store.read(self.scope) as work:
            for id in ids:
                try:
                    lease = await work.handovers.get(id)
                    if lease.state == "leased" and lease.leased_by == CLIENT:
                        found.append(await work.incoming.get(id))
                        continue
                except NotFound:
                    pass
                await self.desk.pool.run(partial(_drop, base, id))
        return found

    async def _give(self, base: Place, document: IncomingDocument) -> None:
        """A draft apart, then one rename. What a crash left of an earlier draft is made anew."""
        id = document.id
        names = stored_names([META, ENVELOPE, *(each.name for each in document.files)])[2:]
        draft = await self.desk.pool.run(partial(_draft, base, id))
        with draft:
            paths = dict(zip((str(each.n) for each in document.files), names, strict=True))
            readable = await self._contents(draft, document, names)
            meta = await self._meta(document, paths if readable else {})
            await self.desk.pool.run(partial(draft.write, META, [meta]))
        await self.desk.pool.run(partial(_appear, base, id))
        meters.FOLDER_GIVEN.add()
        log.action(_log, "folder.given", document=id)

    async def _contents(self, draft: Place, document: IncomingDocument, names: Sequence[str]) -> bool:
        """False for what is recalled or sealed: of that only the meta is told."""
        try:
            for item, name in zip(document.files, names, strict=True):
                file = await reading.open_file(self.desk, self.scope, document.id, item.n)
                await self._written(draft, name, file)
            await self._written(
                draft, ENVELOPE, await reading.open_envelope(self.desk, self.scope, document.id)
            )
        except Clash:
            for name in (*names, ENVELOPE):
                await self.desk.pool.run(partial(draft.remove, name))
            return False
        except NotFound as why:
            # What a person entered by hand came in no envelope.
            log.action(_log, "folder.no_envelope", str(why), document=document.id)
        return True

    async def _written(self, draft: Place, name: str, file: OpenFile) -> None:
        """Piece by piece: memory holds one of them."""
        writing = await self.desk.pool.run(partial(draft.begin, name))
        try:
            async for piece in file.pieces:
                await self.desk.pool.run(partial(writing.add, piece))
        except BaseException:
            await self.desk.pool.run(writing.give_up)
            raise
        await self.desk.pool.run(writing.end)

    async def _meta(self, document: IncomingDocument, paths: Mapping[str, str]) -> bytes:
        """As the API shows it, and under which name each file lies here."""
        async with self.desk.store.read(self.scope) as work:
            beside = await reading.around_one(work, document, await self.desk.office())
        on = self.desk.clock.now()
        entry = await self.desk.directory.find(document.sender_code, on.date())
        item = inbox_view.inbox_item(document, beside, entry.name if entry else None, "vi")
        meta = json.loads(item.model_dump_json(by_alias=True)) | {"paths": dict(paths)}
        return (json.dumps(meta, ensure_ascii=False, indent=2) + "\n").encode()


def _draft(base: Place, id: str) -> Place:
    with base.within(*DRAFTS, make=True) as drafts:
        drafts.remove(id)
        return drafts.within(id, make=True)


def _drop(base: Place, id: str) -> None:
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


def _begun(base: Place) -> Sequence[str]:
    """What a crash interrupted: it is leased to the folder still."""
    with base.within(*DRAFTS, make=True) as drafts:
        return [each.name for each in drafts.listing(_AT_ONCE)[0] if each.is_folder and each.name.isascii()]


def _appear(base: Place, id: str) -> None:
    """Given first and noted then: a crash between the two gives it once more, and loses nothing."""
    with (
        base.within(*DRAFTS, make=True) as drafts,
        base.within(IN, make=True) as inn,
        base.within(*GIVEN, make=True) as given,
    ):
        _sealed(base, inn, given)
        drafts.move(id, inn, id)
        given.write(id, [b"\n"])


def _sealed(base: Place, inn: Place, given: Place) -> bool:
    """Whether `in/` is the one that these were put into. One that was exchanged is marked anew, and what had been given
    into the old one is given again."""
    if inn.mark(_SEAL) is not None or _seen(base) == inn.identity:
        return True
    for each in given.listing(_MOST_GIVEN)[0]:
        if inn.mark(each.name) is None:
            given.remove(each.name)
    inn.write(_SEAL, [b"\n"])
    with base.within(OWN, make=True) as own:
        own.write(_SEEN, [inn.identity.encode()])
    return False


def _seen(base: Place) -> str:
    with base.within(OWN, make=True) as own:
        try:
            return own.read(_SEEN, 200).decode(errors="replace")
        except NotFound:
            return ""


_MOST_GIVEN = 100_000


def taken_away(base: Place) -> Sequence[str]:
    """Given, noted, and no longer there. Each is asked for by name: a listing of a share may lack one."""
    with base.within(IN, make=True) as inn, base.within(*GIVEN, make=True) as given:
        noted = given.listing(_MOST_GIVEN)[0]
        if not noted or not _sealed(base, inn, given):
            return []
        there = {each.name for each in inn.listing(_MOST_GIVEN)[0]}
        return [each.name for each in noted if each.name not in there and inn.mark(each.name) is None]


def _forget(base: Place, id: str) -> None:
    with base.within(*GIVEN) as given:
        given.remove(id)


def _lying(base: Place, most: int) -> set[str]:
    """Also what was taken away a moment ago, and is acknowledged at the next look."""
    with base.within(IN, make=True) as inn, base.within(*GIVEN, make=True) as given:
        there = {each.name for each in inn.listing(most + 1000)[0] if each.is_folder}
        return there | {each.name for each in given.listing(_MOST_GIVEN)[0]}
