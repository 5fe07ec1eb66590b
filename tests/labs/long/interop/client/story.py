"""The story with the packaged client: node, key, meta, PDF, a signed webhook (id, time, signature, body, secret)."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from gateway_client import Client, File, GatewayClientError, Received, StatusIn, verify_webhook

node_address, key, paper, pdf, id, stamp, signature, body, secret = sys.argv[1:]
answers: list[str] = []
stop = threading.Event()


def take(document: Received) -> None:
    for path in document.save(Path()):
        path.rename(f"python-{path.name[0]}")
    accepted: StatusIn = {"code": "03", "register_no": "1"}
    rejected: StatusIn = {"code": "02", "reason": "WRONG_ADDRESSEE"}
    answers.append(document.set_status(rejected if answers else accepted)["item"]["state"])
    if len(answers) == 2:
        stop.set()


def refused(act: Callable[[], object]) -> str:
    try:
        act()
    except GatewayClientError as why:
        return str(why)
    return ""


with Client(node_address, key) as node:
    sent = node.send(json.loads(Path(paper).read_text(encoding="utf-8")), [File(path=pdf)])
    for event in node.events(types=["message.status"], subject=sent["id"]):
        if event["data"]["code"] == "06":
            break
    state = node.message(sent["id"])["recipients"][0]["state"]
    totals = node.receive(take, stop=stop)
    reason = {"reason": "Sent by mistake", "approved_by": "Nguyen Van Thu", "notice_no": "12/TB"}
    recalled = node.call("POST", f"/messages/{sent['id']}/recall", reason, once="recall")

headers = {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}
old = {**headers, "webhook-timestamp": "1"}
print(
    json.dumps(
        {
            "state": state,
            "answers": answers,
            "done": totals.done,
            "failed": totals.failed,
            "recalled": recalled["parent"] == sent["id"],
            "webhook": verify_webhook(headers, body.encode(), secret)["type"],
            "refused": [
                refused(lambda: verify_webhook(headers, b"{}", secret)),
                refused(lambda: verify_webhook(old, body.encode(), secret)),
            ],
        }
    )
)
