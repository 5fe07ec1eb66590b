"""Tells two stories with nothing but the client that openapi-python-client made of the node's description: a document
goes from one document system to another, and an integrator spends a first afternoon with a robot of the sandbox. In:
which story, the node's address, keys, papers, a folder. Out: JSON of what was seen, and the files that came."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

CLIENT = "node_client"
WAIT_S = 60


def client_module(path: str) -> Any:
    """Import a module of the client, which exists only where the client was made."""
    return import_module(f"{CLIENT}.{path}" if path else CLIENT)


def call(path: str, client: Any, *args: Any, **more: Any) -> Any:
    """Call one operation; return its checked answer with its headers. Anything but success ends the run."""
    answer = client_module(f"api.{path}").sync_detailed(*args, client=client, **more)
    if answer.status_code >= 300:
        raise SystemExit(f"{path}: {answer.status_code} {answer.content.decode(errors='replace')}")
    return answer


def follow(client: Any, kind: str, **data: str) -> Any:
    """Follow the feed to the first event of that kind with that data; return it."""
    cursor = "0"
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        feed = call("events.read_events", client, after=cursor, wait=10).parsed
        for event in feed.data:
            if event.type_ == kind and data.items() <= event.data.to_dict().items():
                return event
        cursor = feed.next_after
    raise SystemExit(f"no event {kind} came")


def send(client: Any, meta: dict[str, Any], pdf: bytes) -> tuple[Any, bool]:
    """Send the message twice under one key; return it, and whether the second call was answered as a repeat."""
    answers = []
    for _ in range(2):
        body = client_module("models").CreateMessageFilesBody(
            meta=client_module("models").MessageIn.from_dict(meta),
            lead=client_module("types").File(payload=io.BytesIO(pdf), file_name="1523.pdf"),
        )
        answers.append(call("messages.create_message", client, body=body, idempotency_key="one"))
    first, repeat = answers
    return first.parsed, repeat.headers.get("Idempotency-Replayed") == "true"


def take(client: Any) -> tuple[Any, bytes, bytes]:
    """Take the waiting item with its file and its envelope, and acknowledge it, so that it is not offered again."""
    follow(client, "inbox.received")
    (item,) = call("inbox.list_inbox", client, lease=60).parsed.data
    file = call("inbox.read_inbox_file", client, item.id, str(item.files[0].n)).parsed.payload.read()
    envelope = call("inbox.read_inbox_envelope", client, item.id).parsed.payload.read()
    body = client_module("models").NothingIn()
    call("inbox.acknowledge_inbox_item", client, item.id, body=body)
    return item, file, envelope


def reached(node: str, key: str) -> Any:
    return client_module("").AuthenticatedClient(
        base_url=node, token=key, timeout=client_module("client").httpx.Timeout(WAIT_S)
    )


def exchange(node: str, sender_key: str, recipient_key: str, pdf: Path, out: Path) -> dict[str, Any]:
    description = json.loads((out / "description.json").read_text(encoding="utf-8"))
    body = description["paths"]["/api/v1/messages"]["post"]["requestBody"]["content"]["multipart/form-data"]
    meta = body["examples"]["sample"]["value"]["meta"]
    sender, recipient = reached(node, sender_key), reached(node, recipient_key)
    sent, replayed = send(sender, meta, pdf.read_bytes())
    item, file, envelope = take(recipient)
    status = client_module("models").StatusIn.from_dict({"code": "03", "register_no": "1245"})
    status_answer = call("inbox.set_status", recipient, item.id, body=status)
    follow(sender, "message.status", code="03")
    message = call("messages.read_message", sender, sent.id)
    proof = call("messages.read_message_evidence", sender, sent.id).parsed.payload.read()
    (out / "file").write_bytes(file)
    (out / "envelope").write_bytes(envelope)
    (out / "proof").write_bytes(proof)
    return {
        "replayed": replayed,
        "sent": sent.id,
        "state": str(sent.state.value),
        "taken": item.number,
        "status_version": status_answer.headers["ETag"],
        "seen": sorted(str(r.state.value) for r in message.parsed.recipients),
    }


answered_codes: Queue[str | None] = Queue()
secrets: list[str] = []


class Hook(BaseHTTPRequestHandler):
    """Hears what is signed as Standard Webhooks says; anything else is None and refused."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        genuine = self._signature(body) in self.headers["webhook-signature"].split()
        answered_codes.put(json.loads(body)["data"]["code"] if genuine else None)
        self.send_response(204 if genuine else 401)
        self.end_headers()

    def _signature(self, body: bytes) -> str:
        signed_text = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(secrets[0].removeprefix("whsec_"))
        return "v1," + base64.b64encode(hmac.new(key, signed_text, "sha256").digest()).decode()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: only the answer goes to stdout."""


def afternoon(node: str, key: str, paper: Path, pdf: Path, out: Path) -> dict[str, Any]:
    """Work with a robot: send, hear 01 and 03 by a webhook whose signature is checked, fetch the answer with its files."""
    models = client_module("models")
    client = reached(node, key)
    hook = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=hook.serve_forever, daemon=True).start()
    mine = {"url": f"http://127.0.0.1:{hook.server_port}/", "types": ["message.status"]}
    webhook = call(
        "webhooks.make_webhook", client, body=models.WebhookIn.from_dict(mine), idempotency_key="hook"
    )
    secrets.append(webhook.parsed.secret)

    meta = json.loads(paper.read_text(encoding="utf-8"))
    meta["recipients"] = [{"code": "TEST.REPLY", "role": "to_act"}]
    file = client_module("types").File(payload=pdf.open("rb"), file_name=pdf.name)
    body = models.CreateMessageFilesBody(meta=models.MessageIn.from_dict(meta), lead=file)
    sent = call("messages.create_message", client, body=body, idempotency_key="first").parsed
    codes = [answered_codes.get(timeout=WAIT_S) for _ in range(2)]

    follow(client, "inbox.received")
    (item,) = call("inbox.list_inbox", client, lease=60).parsed.data
    for attachment in item.files:
        content = call("inbox.read_inbox_file", client, item.id, str(attachment.n)).parsed.payload.read()
        if hashlib.sha256(content).hexdigest() != attachment.sha256:
            raise SystemExit(f"file {attachment.n} is not what the item says")
        (out / f"answer-{attachment.n}").write_bytes(content)
    call("inbox.acknowledge_inbox_item", client, item.id, body=models.NothingIn())
    return {
        "sent": sent.id,
        "heard": codes,
        "forged": codes.count(None),
        "answered": item.subject,
        "files": len(item.files),
    }


def main(story: str, node: str, *arguments: str) -> None:
    if story == "exchange":
        sender, recipient, pdf, out = arguments
        print(json.dumps(exchange(node, sender, recipient, Path(pdf), Path(out))))
    else:
        key, paper, pdf, out = arguments
        print(json.dumps(afternoon(node, key, Path(paper), Path(pdf), Path(out))))


if __name__ == "__main__":
    main(*sys.argv[1:])
