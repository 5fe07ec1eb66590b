"""The entry of this package: one object for one node, one key and one agency, which many threads may use. In: the address,
and an API key or a client certificate. Out: the node's answers, as typed JSON, or a typed exception. Calls block."""

from __future__ import annotations

import os
import ssl
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway_client import uploads
from gateway_client.caller import Ask, Caller, path_of
from gateway_client.downloads import download
from gateway_client.feed import Feed
from gateway_client.files import File, Multipart
from gateway_client.inbox import Handle, InboxLoop, Received, Taken
from gateway_client.line import Line
from gateway_client.patience import Patience
from gateway_client.shapes import (
    AckOutcome,
    FileMeta,
    InboxItem,
    Me,
    Message,
    MessageIn,
    StatusOfIn,
    StatusOutcome,
    UploadOut,
    Validated,
)

MIB = 1024 * 1024
# The node checks signatures before it answers.
_LOOK_S = 60.0


class Client:
    """A client of one node. `agency` names one of several that the key speaks for. `ca` is a file with your own authority,
    where the node's certificate is from none that this machine knows. `client_certificate` are the files of a certificate
    and of its key, where the API key is bound to one; where that alone opens it, `key` is None. `context` is a TLS context
    of your own in place of `ca` and `client_certificate`. Files above `large` bytes go in parts of `part_size` before their
    message. `trace` gives the headers of the current trace (`traceparent`, `tracestate`), called for each call."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        agency: str | None = None,
        language: str = "vi",
        ca: str | os.PathLike[str] | None = None,
        client_certificate: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
        context: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
        patience: Patience | None = None,
        large: int = 8 * MIB,
        part_size: int = 4 * MIB,
        trace: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        if key is None and client_certificate is None and context is None:
            raise ValueError("expected an API key (gwk_…), or a client certificate that opens one")
        certificate = client_certificate
        self._line = Line(
            url,
            ca=None if ca is None else Path(ca),
            timeout_s=timeout_s,
            client_certificate=None if certificate is None else (Path(certificate[0]), Path(certificate[1])),
            context=context,
        )
        self._caller = Caller(self._line, key, agency, language, patience or Patience(), trace)
        self._large = large
        self._part_size = part_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections; the next call makes new ones."""
        self._line.close()

    def me(self) -> Me:
        """Return what the key is, and the agencies that it speaks for."""
        me: Me = self._caller.tell(Ask(method="GET", path="/me"))
        return me

    # --- sending

    def validate(self, meta: MessageIn, files: Sequence[File] = ()) -> Validated:
        """Check a message as sending would. Nothing is stored; the files travel whole."""
        validated: Validated = self._caller.tell(self._filled("/messages:validate", meta, files, once=None))
        return validated

    def send(self, meta: MessageIn, files: Sequence[File] = ()) -> Message:
        """Send the message and return it: it is on the node's disk and will be sent. Tried again under one Idempotency-Key
        while this call lasts. Give `external_id`, your own id of the document: then calling again after a crash finds the
        message instead of sending it twice, and large files go on where they stopped."""
        external_id = meta.get("external_id")
        upload_ids: list[str] = []
        is_sent = False
        try:
            large_files: list[FileMeta] = []
            for file in (f for f in files if f.size > self._large):
                upload_ids.append(self.upload(file, external_id)["id"])
                large_files.append({"id": upload_ids[-1], "name": file.name, "role": file.role})
            full: MessageIn = {**meta, "files": [*(meta.get("files") or ()), *large_files]}
            small = [f for f in files if f.size <= self._large]
            ask = self._filled("/messages", full, small, once=f"send-{uuid.uuid4()}")
            message: Message = self._caller.tell(ask)
            is_sent = True
        finally:
            # With an external_id, a corrected document finds its files again.
            if is_sent or external_id is None:
                for id in upload_ids:
                    uploads.let_go(self._caller, id)
        return message

    def upload(self, file: File, name: str | None = None) -> UploadOut:
        """Upload a file, in parts where it is large, for a message to name in `files`: `{"id": …, "role": "lead"}`. With a
        `name` of yours a later call with the same file goes on where this one stopped."""
        return uploads.upload(self._caller, file, self._part_size, name)

    def message(self, id: str) -> Message:
        """Return a document of ours, with the state at each recipient."""
        message: Message = self._caller.tell(Ask(method="GET", path=path_of("messages", id)))
        return message

    def find(self, external_id: str) -> Message | None:
        """Return the document that has your own id."""
        page = self._caller.tell(Ask(method="GET", path="/messages", query={"external_id": external_id}))
        messages: list[Message] = page["data"]
        return self.message(messages[0]["id"]) if messages else None

    def evidence(self, id: str, target: str | os.PathLike[str]) -> str:
        """Download the evidence of a document (`msg_…` or `inb_…`) into a file; return its SHA-256."""
        shelf = "inbox" if id.startswith("inb_") else "messages"
        return download(self._caller, path_of(shelf, id, "evidence"), Path(target))

    # --- receiving

    def receive(
        self,
        handle: Handle,
        *,
        lease_s: int = 120,
        at_once: int = 10,
        once: bool = False,
        stop: threading.Event | None = None,
    ) -> Taken:
        """Hand each incoming document to `handle`, which stores it; then send the status that `handle` returned, and
        acknowledge. An exception of `handle` is logged, and its document is offered again after `lease_s` seconds. Goes on
        until `stop` is set, through every trouble of the node; with `once` until nothing waits."""
        loop = InboxLoop(
            caller=self._caller, handle=handle, lease_s=lease_s, at_once=at_once, once=once, stop=stop
        )
        return loop.run()

    def received(self, id: str) -> Received:
        """Return one incoming document, to set a later status of it."""
        item: InboxItem = self._caller.tell(Ask(method="GET", path=path_of("inbox", id)))
        return Received(self._caller, item)

    def acknowledge(self, ids: Sequence[str]) -> list[AckOutcome]:
        """Acknowledge up to 100 documents that your system has stored; each has its outcome. Twice is harmless."""
        ask = Ask(method="POST", path="/inbox:ack", json={"ids": [*ids]}, harmless=True)
        outcomes: list[AckOutcome] = self._caller.tell(ask)["data"]
        return outcomes

    def set_statuses(self, statuses: Sequence[StatusOfIn]) -> list[StatusOutcome]:
        """Set up to 100 statuses; each has its outcome. Twice is harmless."""
        ask = Ask(method="POST", path="/inbox:status", json={"statuses": [*statuses]}, harmless=True)
        outcomes: list[StatusOutcome] = self._caller.tell(ask)["data"]
        return outcomes

    # --- following

    def events(
        self,
        after: str = "0",
        *,
        types: Sequence[str] = (),
        subject: str | None = None,
        for_s: float | None = None,
        stop: threading.Event | None = None,
    ) -> Feed:
        """Return the events, in order, behind the event `after`; of these `types`, about that `subject` alone. Endless
        without `for_s` and `stop`."""
        return Feed(self._caller, after, types=types, subject=subject, for_s=for_s, stop=stop)

    # --- everything else

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
        once: str | None = None,
        version: int | None = None,
    ) -> Any:  # Any: JSON, of the shape in the API's description
        """Make any other call of the API: `call("POST", "/messages/msg_…/recall", {...}, once="recall-518")`. `once` is the
        Idempotency-Key of a call that creates; without it a POST or PATCH is tried again only where the node cannot have
        seen it. `version` is the one that must still be the present one."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        ask = Ask(method=method, path=path, json=body, query=query or {}, once=once, headers=headers)
        return self._caller.tell(ask)

    def _filled(self, path: str, meta: MessageIn, files: Sequence[File], once: str | None) -> Ask:
        """Make the request; plain JSON where no file comes with it."""
        files_and_sizes = [(f, f.size) for f in files]
        sent_files: list[FileMeta] = [
            {"name": file.name, "role": file.role, "size": size, "sha256": file.sha256()}
            for file, size in files_and_sizes
        ]
        full: MessageIn = {**meta, "files": [*sent_files, *(meta.get("files") or ())]}
        is_large = any("id" in f for f in full["files"] or ())
        looked_s = uploads.LOOK_S if is_large else _LOOK_S
        if not files:
            return Ask(method="POST", path=path, json=full, once=once, harmless=True, wait_s=looked_s)
        body = Multipart(full, files_and_sizes)
        headers = {"Content-Type": body.content_type}
        return Ask(
            method="POST", path=path, body=body, headers=headers, once=once, harmless=True, wait_s=looked_s
        )
