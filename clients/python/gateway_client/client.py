"""The door of this package: one object for one node, one key and one agency, which many threads may use. In: the address,
and an API key or a client certificate. Out: what the node says, as typed JSON, or a typed exception. Calls hold until
they have an answer."""

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
from gateway_client.shapes import FileMeta, InboxItem, Me, Message, MessageIn, UploadOut, Validated

MIB = 1024 * 1024
# The node looks at signatures before it answers.
_LOOK_S = 60.0


class Client:
    """`agency` names one of several that the key speaks for. `ca` is a file with the authority of the house, where the
    node's certificate is from none that this machine knows. `client_certificate` are the files of a certificate and of its
    key, where the API key is bound to one; where that alone opens it, `key` is None. `context` is a TLS context of your
    own in place of `ca` and `client_certificate`. Files above `large` bytes go in parts of `part_size` before
    their message. `trace` gives the headers of the trace at hand (`traceparent`, `tracestate`), asked for each call."""

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
        shown = client_certificate
        self._line = Line(
            url,
            ca=None if ca is None else Path(ca),
            timeout_s=timeout_s,
            client_certificate=None if shown is None else (Path(shown[0]), Path(shown[1])),
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
        """Lets go of idle connections; the next call makes new ones."""
        self._line.close()

    def me(self) -> Me:
        """What the key is, and whom it speaks for."""
        told: Me = self._caller.tell(Ask(method="GET", path="/me"))
        return told

    # --- sending

    def validate(self, meta: MessageIn, files: Sequence[File] = ()) -> Validated:
        """What sending would say. Nothing is stored; the files travel whole."""
        told: Validated = self._caller.tell(self._filled("/messages:validate", meta, files, once=None))
        return told

    def send(self, meta: MessageIn, files: Sequence[File] = ()) -> Message:
        """The message: it is on the node's disk and will be sent. Tried again under one Idempotency-Key while this call
        lasts. Give `external_id`, your own id of the document: then calling again after a crash finds what was sent
        instead of sending it twice, and large files go on where they stopped."""
        external_id = meta.get("external_id")
        held: list[str] = []
        is_sent = False
        try:
            named: list[FileMeta] = []
            for file in (each for each in files if each.size > self._large):
                held.append(self.upload(file, external_id)["id"])
                named.append({"id": held[-1], "name": file.name, "role": file.role})
            full: MessageIn = {**meta, "files": [*(meta.get("files") or ()), *named]}
            small = [each for each in files if each.size <= self._large]
            ask = self._filled("/messages", full, small, once=f"send-{uuid.uuid4()}")
            told: Message = self._caller.tell(ask)
            is_sent = True
        finally:
            # By its external_id a document that was corrected finds its files again.
            if is_sent or external_id is None:
                for id in held:
                    uploads.let_go(self._caller, id)
        return told

    def upload(self, file: File, name: str | None = None) -> UploadOut:
        """A file, in parts where it is large, for a message to name in `files`: `{"id": …, "role": "lead"}`. With a `name`
        of yours a later call with the same file goes on where this one stopped."""
        return uploads.upload(self._caller, file, self._part_size, name)

    def message(self, id: str) -> Message:
        """A document of ours, with the state at each recipient."""
        told: Message = self._caller.tell(Ask(method="GET", path=path_of("messages", id)))
        return told

    def find(self, external_id: str) -> Message | None:
        """The document that has your own id."""
        told = self._caller.tell(Ask(method="GET", path="/messages", query={"external_id": external_id}))
        found: list[Message] = told["data"]
        return self.message(found[0]["id"]) if found else None

    def evidence(self, id: str, target: str | os.PathLike[str]) -> str:
        """What proves a document (`msg_…` or `inb_…`), into a file; its SHA-256."""
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
        """Hands each incoming document to `handle`, which stores it; then says the status that `handle` returned, and
        acknowledges. An exception of `handle` is logged, and its document is offered again after `lease_s` seconds. Goes
        on until `stop` is set, whatever befalls the node; with `once` until nothing waits."""
        loop = InboxLoop(
            caller=self._caller, handle=handle, lease_s=lease_s, at_once=at_once, once=once, stop=stop
        )
        return loop.run()

    def received(self, id: str) -> Received:
        """One incoming document, to say later what became of it."""
        item: InboxItem = self._caller.tell(Ask(method="GET", path=path_of("inbox", id)))
        return Received(self._caller, item)

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
        """What happens, in order, behind the event `after`; of these `types`, about that `subject` alone. Endless without
        `for_s` and `stop`."""
        return Feed(self._caller, after, types=types, subject=subject, for_s=for_s, stop=stop)

    # --- everything else

    def call(
        self,
        method: str,
        path: str,
        said: object = None,
        *,
        query: Mapping[str, object] | None = None,
        once: str | None = None,
        version: int | None = None,
    ) -> Any:  # Any: JSON; what it is says the API's description
        """Any other call of the API: `call("POST", "/messages/msg_…/recall", {...}, once="recall-518")`. `once` is the
        Idempotency-Key of what creates; without it a POST or PATCH is tried again only where the node cannot have seen
        it. `version` is the one that must still be the present one."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        ask = Ask(method=method, path=path, said=said, query=query or {}, once=once, headers=headers)
        return self._caller.tell(ask)

    def _filled(self, path: str, meta: MessageIn, files: Sequence[File], once: str | None) -> Ask:
        """Plain JSON where no file comes with it."""
        sized = [(each, each.size) for each in files]
        named: list[FileMeta] = [
            {"name": file.name, "role": file.role, "size": size, "sha256": file.sha256()}
            for file, size in sized
        ]
        full: MessageIn = {**meta, "files": [*named, *(meta.get("files") or ())]}
        is_large = any("id" in each for each in full["files"] or ())
        looked_s = uploads.LOOK_S if is_large else _LOOK_S
        if not files:
            return Ask(method="POST", path=path, said=full, once=once, harmless=True, wait_s=looked_s)
        body = Multipart(full, sized)
        headers = {"Content-Type": body.content_type}
        return Ask(
            method="POST", path=path, body=body, headers=headers, once=once, harmless=True, wait_s=looked_s
        )
