"""One document, from one document system to another, with nothing but the client that openapi-python-client made of the
node's description. In: the node's address, the keys of sender and recipient, a PDF. Out: JSON of what each of them saw."""

from __future__ import annotations

import io
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

CLIENT = "node_client"
WAIT_S = 60


def made(path: str) -> Any:
    """A module of the client, which exists only where it was made."""
    return import_module(f"{CLIENT}.{path}" if path else CLIENT)


def call(path: str, client: Any, *args: Any, **more: Any) -> Any:
    """The checked answer of one operation, with its headers; anything but success ends the run."""
    answer = made(f"api.{path}").sync_detailed(*args, client=client, **more)
    if answer.status_code >= 300:
        raise SystemExit(f"{path}: {answer.status_code} {answer.content.decode(errors='replace')}")
    return answer


def follow(client: Any, kind: str, **data: str) -> Any:
    """The first event of that kind with that data, as the feed brings it."""
    after = "0"
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        feed = call("events.read_events", client, after=after, wait=10).parsed
        for event in feed.data:
            if event.type_ == kind and data.items() <= event.data.to_dict().items():
                return event
        after = feed.next_after
    raise SystemExit(f"no event {kind} came")


def send(client: Any, meta: dict[str, Any], pdf: bytes) -> tuple[Any, bool]:
    """The message, and whether a second call under the same key was answered as a repeat."""
    answers = []
    for _ in range(2):
        body = made("models").CreateMessageBody(
            meta=made("models").MessageIn.from_dict(meta),
            lead=made("types").File(payload=io.BytesIO(pdf), file_name="1523.pdf"),
        )
        answers.append(call("messages.create_message", client, body=body, idempotency_key="one"))
    first, again = answers
    return first.parsed, again.headers.get("Idempotency-Replayed") == "true"


def take(client: Any) -> tuple[Any, bytes, bytes]:
    """The item that waited, with its file and its envelope; stored, so it is not offered again."""
    follow(client, "inbox.received")
    (item,) = call("inbox.list_inbox", client, lease=60).parsed.data
    file = call("inbox.read_inbox_file", client, item.id, str(item.files[0].n)).parsed.payload.read()
    envelope = call("inbox.read_inbox_envelope", client, item.id).parsed.payload.read()
    body = made("models").NothingIn()
    call("inbox.acknowledge_inbox_item", client, item.id, body=body)
    return item, file, envelope


def main(node: str, sender_key: str, recipient_key: str, pdf: Path, out: Path) -> None:
    said = json.loads((out / "description.json").read_text(encoding="utf-8"))
    body = said["paths"]["/api/v1/messages"]["post"]["requestBody"]["content"]["multipart/form-data"]
    meta = body["examples"]["sample"]["value"]["meta"]
    sender, recipient = (
        made("").AuthenticatedClient(base_url=node, token=key, timeout=made("client").httpx.Timeout(WAIT_S))
        for key in (sender_key, recipient_key)
    )
    sent, replayed = send(sender, meta, pdf.read_bytes())
    item, file, envelope = take(recipient)
    status = made("models").StatusIn.from_dict({"code": "03", "register_no": "1245"})
    done = call("inbox.set_status", recipient, item.id, body=status)
    follow(sender, "message.status", code="03")
    seen = call("messages.read_message", sender, sent.id)
    proof = call("messages.read_message_evidence", sender, sent.id).parsed.payload.read()
    (out / "file").write_bytes(file)
    (out / "envelope").write_bytes(envelope)
    (out / "proof").write_bytes(proof)
    told = {
        "replayed": replayed,
        "sent": sent.id,
        "state": str(sent.state.value),
        "taken": item.number,
        "status_version": done.headers["ETag"],
        "seen": sorted(str(each.state.value) for each in seen.parsed.recipients),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
