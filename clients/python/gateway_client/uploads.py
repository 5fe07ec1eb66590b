"""Files, sent before the message that carries them: whole in one call, or a large one in parts. In: a file. Out: the id for
the message. A part that broke off is sent again, and no other; a restarted program goes on with the parts that the node
already has, as long as it names the upload in the same way."""

from __future__ import annotations

import base64
import hashlib
import uuid
from contextlib import suppress

from gateway_client.caller import Ask, Caller, path_of
from gateway_client.errors import ChangedContent, Conflict, GatewayClientError, NotFound
from gateway_client.files import File
from gateway_client.line import InMemory
from gateway_client.patience import Patience
from gateway_client.shapes import UploadOut

MIB = 1024 * 1024
OCTETS = "application/octet-stream"
# The node takes at most so many parts.
_MOST_PARTS = 1000
LOOK_S = 300.0
"""The node reads and scans the whole of a large file before it answers."""


def upload(caller: Caller, file: File, part_size: int, name: str | None = None) -> UploadOut:
    """Upload a file and return the complete upload. `name` is the caller's own, for a later try to find it again."""
    size, sha256 = file.size, file.sha256()
    if size <= part_size:
        return _upload_at_once(caller, file, sha256)
    part_size = max(part_size, -(-size // _MOST_PARTS))
    announced = {"name": file.name, "size": size, "sha256": sha256, "part_size": part_size}
    begun = _begun(caller, announced, name)
    if begun["complete"]:
        return begun
    with file.opened() as source:
        for n in begun["missing"]:
            at = (n - 1) * part_size
            source.seek(at)
            _send_part(caller, begun["id"], n, source.read(min(part_size, size - at)))
    path = path_of("uploads", begun["id"], "complete")
    completed: UploadOut = caller.tell(Ask(method="POST", path=path, harmless=True, wait_s=LOOK_S))
    if completed["file"] is not None and completed["file"]["sha256"] != sha256:
        raise ChangedContent(f"{file.name} changed while it was sent")
    return completed


def _upload_at_once(caller: Caller, file: File, sha256: str) -> UploadOut:
    """Upload a file in one call; the node recognises a repeated file."""
    with file.opened() as source:
        content = source.read()
    headers = {"Content-Type": OCTETS, "Content-Digest": _digest_of(bytes.fromhex(sha256))}
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ChangedContent(f"{file.name} changed while it was sent")
    ask = Ask(
        method="PUT",
        path="/uploads/file",
        query={"name": file.name},
        body=InMemory(content),
        headers=headers,
        wait_s=LOOK_S,
    )
    completed: UploadOut = caller.tell(ask)
    return completed


def _digest_of(sha256: bytes) -> str:
    """Format a digest as the header has it (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def _begun(caller: Caller, announced: dict[str, object], name: str | None) -> UploadOut:
    """Begin an upload and return its present state: a repeat under the same name gets the state of its beginning."""
    identity = "|".join(map(str, (name, *announced.values())))
    once = f"upload-{hashlib.sha256(identity.encode()).hexdigest()}" if name else f"upload-{uuid.uuid4()}"
    begun: UploadOut = caller.tell(Ask(method="POST", path="/uploads", json=announced, once=once))
    if name is None:
        return begun
    try:
        present: UploadOut = caller.tell(Ask(method="GET", path=path_of("uploads", begun["id"])))
    except NotFound:  # a message took it, or its day is over
        return _begun(caller, announced, None)
    return present


def _send_part(caller: Caller, id: str, n: int, part: bytes) -> None:
    headers = {"Content-Type": OCTETS, "Content-Digest": _digest_of(hashlib.sha256(part).digest())}
    path = path_of("uploads", id, "parts", n)
    try:
        caller.tell(Ask(method="PUT", path=path, body=InMemory(part), headers=headers))
    except Conflict as why:
        if why.code == "GW-UPLOAD-TWICE":
            raise ChangedContent("the file changed while it was sent: the node has another part") from why
        raise


def let_go(caller: Caller, id: str) -> None:
    """Delete an upload that no message needs any more. It would expire by itself; a failure must not delay the caller."""
    with suppress(GatewayClientError):
        caller.tell(Ask(method="DELETE", path=path_of("uploads", id)), Patience(tries=1))
