"""A program of a document system, made with the Python client: it takes documents in, follows the feed, hears webhooks and
sends. With the name of a fault it is the same program with exactly that fault."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from queue import Queue
from typing import Any

from gateway_client import (
    Client,
    CursorGone,
    File,
    ForgedWebhook,
    GatewayClientError,
    MessageIn,
    NoAnswer,
    Patience,
    Problem,
    Received,
    StatusIn,
    verify_webhook,
)
from gateway_labs.sandbox.cast import cast
from gateway_labs.sandbox.opened import Running
from tests.support.waiting import block_until

# Each is the key of the point that it loses.
FAULTS = (
    *("lease", "store", "digest", "cut", "others", "endless", "field", "recall", "update", "reason"),
    *("retry_after", "event_type", "cursor", "cursor_410", "lost_answer", "own_key"),
    *("forged", "stale", "hook_type", "repeat"),
)
_KNOWN_TYPES = (
    "message.",
    "inbox.",
    "webhook.",
    "register.",
    "recall.",
    "reform.",
    "codes.",
    "evidence.",
    "number.",
)
_PAUSE_S = 0.05
_IMPATIENT = Patience(tries=1)
# The story waits so long for the next step; no program takes that long.
PATIENCE_S = 600
_numbers = count(1)


class TriedProgram:
    """The program. It works in threads of its own until `close`."""

    def __init__(self, running: Running, folder: Path, fault: str = "") -> None:
        self.url, self.key, self.folder, self.fault = running.url, running.key, folder, fault
        self.stop, self.is_sent = threading.Event(), threading.Event()
        self.loop_stop = threading.Event()
        self._keys_of_item: set[str] = set()
        self._hooks: Queue[dict[str, Any] | None] = Queue()  # Any: an event
        self._hook_ids: set[str] = set()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let the program work while the body runs."""
        with self._listening():
            works = (self._take_in, self._follow, self._handle_hooks, self._send)
            threads = [threading.Thread(target=work, name=work.__name__) for work in works]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self.stop.set()
                self.loop_stop.set()
                self._hooks.put(None)
                for thread in threads:
                    thread.join()

    def client(self, patience: Patience | None = None) -> Client:
        return Client(self.url, self.key, language="en", patience=patience)

    def try_it(self, patience_s: int = PATIENCE_S) -> dict[str, Any]:  # Any: JSON
        """Let the sandbox try the program, and return its verdict."""
        with self.client() as node:
            node.call("POST", "/sandbox/verdict", {"patience_s": patience_s})
            with self.at_work():
                block_until(self.is_sent.is_set, "both documents are sent")
                return block_until(lambda: _ended(node), "the trial has ended")

    # --- documents ------------------------------------------------------------------------------------------------

    def _take_in(self) -> None:
        if self.fault == "lease":
            self._take_in_without_lease()
        elif self.fault == "retry_after":
            with self.client(Patience(sleep=lambda _: self.stop.wait(_PAUSE_S / 50) or None)) as node:
                while not self.stop.wait(_PAUSE_S):
                    node.receive(self._take, once=True)
        else:
            with self.client() as node:
                node.receive(self._take, stop=self.loop_stop)

    def _take_in_without_lease(self) -> None:
        with self.client() as node:
            while not self.stop.wait(_PAUSE_S):
                for item in node.call("GET", "/inbox", query={"handover": "available"})["data"]:
                    with suppress(GatewayClientError):
                        received = node.received(item["id"])
                        received.save(self.folder / item["id"])
                        received.ack()

    def _take(self, received: Received) -> StatusIn | None:
        try:
            return self._stored(received)
        except Exception:
            if self.fault == "others":
                self.loop_stop.set()
            raise

    def _stored(self, received: Received) -> StatusIn | None:
        item, business = received.item, received.item["business"]
        self._keys_of_item = self._keys_of_item or set(item)
        if self.fault == "field" and set(item) - self._keys_of_item:
            raise ValueError("a field that this program does not know")
        if business == "update" and self.fault == "update":
            raise ValueError("a kind that this program does not know")
        if business in ("recall", "update") and self.fault != business:
            return {"code": "15"}
        self._save(received)
        if "(02)" in item["subject"]:
            return (
                {"code": "02"} if self.fault == "reason" else {"code": "02", "reason": "OTHER", "note": "no"}
            )
        if business in ("new", "replace") and item["request"]:
            return None  # the recall itself is answered
        return {"code": "03", "register_no": received.id[-6:]}

    def _save(self, received: Received) -> None:
        folder = self.folder / received.id
        if self.fault in ("digest", "cut"):
            folder.mkdir(exist_ok=True)
            for file in received.item["files"] if received.item["files_readable"] else ():
                (folder / str(file["n"])).write_bytes(self._fetch(received, file["n"]))
        elif self.fault == "endless":
            self._save_at_any_price(received, folder)
        elif self.fault != "store":
            received.save(folder)

    def _save_at_any_price(self, received: Received, folder: Path) -> None:
        for _ in range(10):
            with suppress(Problem):
                received.save(folder)
                return
        raise ValueError("never came")

    def _fetch(self, received: Received, n: int) -> bytes:
        """Fetch a file by the standard library; compare the digest, or notice a file that broke off, but not both."""
        try:
            raw = self._get(f"/inbox/{received.id}/files/{n}")
        except http.client.IncompleteRead as part:
            if self.fault != "cut":
                raise
            return part.partial
        if self.fault == "cut" and hashlib.sha256(raw).hexdigest() != received.item["files"][n - 1]["sha256"]:
            raise ValueError("damaged")
        return raw

    def _get(self, path: str) -> bytes:
        line = http.client.HTTPConnection(self.url.removeprefix("http://"))
        try:
            line.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {self.key}"})
            answer = line.getresponse()
            if answer.status != 200:
                raise ValueError(answer.status)
            return answer.read()
        finally:
            line.close()

    # --- events ---------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        cursor = "0"
        with self.client(_IMPATIENT if self.fault == "cursor" else None) as node:
            while not self.stop.wait(_PAUSE_S):
                feed = node.events(cursor, for_s=60.0 if self.fault == "cursor" else None, stop=self.stop)
                try:
                    for event in feed:
                        if self.fault == "event_type" and not event["type"].startswith(_KNOWN_TYPES):
                            raise ValueError(event["type"])
                        cursor = event["id"]
                except CursorGone:
                    cursor = cursor if self.fault == "cursor_410" else "0"
                except NoAnswer:
                    cursor = "0"
                except ValueError:
                    logging.getLogger(__name__).info("the feed is read again")

    # --- sending --------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        self.pdf = self.folder / "van-ban.pdf"
        try:
            self.pdf.write_bytes(self._get("/sandbox/paper"))
            for _ in range(2):
                self._send_document()
        finally:
            self.is_sent.set()

    def _send_document(self) -> None:
        number = f"{next(_numbers)}"
        with self.client() as node:
            day = node.call("GET", "/sandbox")["clock"]["now"][:10]
        meta: MessageIn = {
            "number": number,
            "symbol": "KT-VP",
            "date": day,
            "type": "cong_van",
            "subject": "A document of the program",
            "signer": {"name": cast().says("signer"), "title": cast().says("title")},
            "reply_required": False,
            "recipients": [{"code": "TEST.SILENT", "role": "to_act"}],
            "confirm": ["signed-again"],
        }
        pdf = File(path=self.pdf, role="lead")
        if self.fault == "own_key":
            with self.client() as node, suppress(Problem):
                files = [{"id": node.upload(pdf)["id"], "role": "lead"}]
                node.call("POST", "/messages", {**meta, "files": files}, once=f"today {self.folder}")
        elif self.fault == "lost_answer":
            with self.client(_IMPATIENT) as node, suppress(Problem):
                try:
                    node.send(meta, [pdf])
                except NoAnswer:
                    node.send(meta, [pdf])
        else:
            with self.client() as node:
                node.send({**meta, "external_id": f"qlvb-{number}"}, [pdf])

    # --- webhooks -------------------------------------------------------------------------------------------------

    @contextmanager
    def _listening(self) -> Iterator[None]:
        program = self

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(program.hear(dict(self.headers), body))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        thread = threading.Thread(target=server.serve_forever, name="hook")
        thread.start()
        try:
            with self.client() as node:
                url = f"http://127.0.0.1:{server.server_port}/"
                hook = node.call(
                    "POST", "/webhooks", {"url": url, "types": ["inbox.*"]}, once=url + self.fault
                )
                self.secret = hook["secret"]
                yield
                node.call("DELETE", f"/webhooks/{hook['id']}")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def hear(self, headers: dict[str, str], body: bytes) -> int:
        """Return the status for a webhook, once the event is stored."""
        try:
            event = self._verify(headers, body)
        except ForgedWebhook:
            return 401
        if self.fault == "hook_type" and not event["type"].startswith(_KNOWN_TYPES):
            return 400
        if event["id"] not in self._hook_ids or self.fault == "repeat":
            self._hook_ids.add(event["id"])
            self._hooks.put(event)
        return 204

    def _verify(self, headers: dict[str, str], body: bytes) -> Any:
        if self.fault == "forged":
            stamp = next(text for name, text in headers.items() if name.lower() == "webhook-timestamp")
            if abs(time.time() - int(stamp)) > 300:
                raise ForgedWebhook("too old")
            return json.loads(body)
        if self.fault == "stale":
            return verify_webhook(headers, body, self.secret, tolerance_s=1e9)
        return verify_webhook(headers, body, self.secret)

    def _handle_hooks(self) -> None:
        with self.client() as node:
            while (event := self._hooks.get()) is not None:
                if event["type"] == "inbox.received":
                    with suppress(GatewayClientError):
                        node.received(event["subject"])


def _ended(node: Client) -> dict[str, Any]:
    verdict: dict[str, Any] = node.call("GET", "/sandbox/verdict")
    return verdict if verdict["state"] == "ended" else {}


def keys_of(verdict: dict[str, Any], word: str) -> list[str]:
    """Return the points with that verdict."""
    return [point["key"] for point in verdict["points"] if point["verdict"] == word]
