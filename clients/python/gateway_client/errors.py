"""What may go wrong, as a tree to catch at the height that you need. In: an answer, or none. Out: an exception that says
what the node said of it.

GatewayClientError
├── NoAnswer              the line broke or the time ran out; whether it was done is not known
├── BadAnswer             something answered that is no node
├── ChangedContent        a file that is not what its digest says; it was not kept
├── ForgedWebhook         not signed by the node under this secret, or too old
└── Problem               the node said no, and why (application/problem+json)
    ├── BadCall           400, 405, 408, 415 …: the program has to be mended
    ├── NotAllowed        401, 403: the key is wrong, has ended, or may not
    ├── NotFound          404
    ├── Conflict          409: the present state forbids it
    ├── CursorGone        410: read the feed again from 0
    ├── StaleVersion      412: it was changed meanwhile
    ├── Refused           413, 422, 423: a rule forbids it; `faults` lists everything
    ├── TooManyCalls      429
    └── NodeTrouble       5xx
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

_JSON_TYPES = ("application/problem+json", "application/json")


class GatewayClientError(Exception):
    """Anything that this package raises, but for a wrong use of it."""


class NoAnswer(GatewayClientError):
    """There was no answer, or not the whole of one."""

    def __init__(self, text: str, *, sent: bool = True) -> None:
        super().__init__(text)
        self.sent = sent
        """False where the node cannot have seen the call."""


class BadAnswer(GatewayClientError):
    """The answer is not a node's: a proxy, a redirect, another program."""


class ChangedContent(GatewayClientError):
    """The received bytes have another SHA-256 than the node says. Nothing of them was kept."""


class ForgedWebhook(GatewayClientError):
    """The webhook is not to be believed. The text says why, for the log; do not send it to the caller."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason. `pointer` says where in the request; act on `code`, show `detail`."""

    pointer: str
    code: str
    detail: str
    suggest: str | None = None
    basis: str | None = None
    """Articles that the rule rests on, as people cite them."""


class Problem(GatewayClientError):
    """The node refused the call. `told` is its whole problem document."""

    def __init__(self, status: int, document: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.told = document
        self.code = str(document.get("code") or f"HTTP-{status}")
        self.title = str(document.get("title") or "")
        self.detail = str(document.get("detail") or "")
        self.request_id = str(document.get("request_id") or "")
        """To be given to the operator when asking about it."""
        self.retryable = bool(document.get("retryable"))
        """Whether the same call may succeed later."""
        self.retry_after_s = retry_after_s
        self.faults = _faults(document.get("errors"))
        self.confirm = _words(document.get("confirm"))
        """Warnings that a person may accept: send again with these in `confirm`."""
        self.existing = str(document["existing"]) if document.get("existing") else None
        """The conflicting document."""
        super().__init__(status, self.code)

    def __str__(self) -> str:
        reasons = "; ".join(f"{f.pointer} {f.code}: {f.detail}".strip() for f in self.faults)
        text = f"{self.status} {self.code}: {reasons or self.detail or self.title}"
        return f"{text} ({self.request_id})" if self.request_id else text


class BadCall(Problem):
    """The call has the wrong shape."""


class NotAllowed(Problem):
    """The key is wrong, has ended, or lacks a scope or the agency."""


class NotFound(Problem):
    """There is none, or it is another agency's."""


class Conflict(Problem):
    """The present state forbids it; read again."""


class CursorGone(Problem):
    """The node never gave this cursor, or gave it before it was restored from an older backup."""


class StaleVersion(Problem):
    """It was changed meanwhile; read again."""


class Refused(Problem):
    """A rule forbids it. A person corrects it, or confirms what `confirm` names."""


class TooManyCalls(Problem):
    """This key or this address calls too often."""


class NodeTrouble(Problem):
    """The node has trouble of its own."""


_BY_STATUS: Mapping[int, type[Problem]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: CursorGone,
    412: StaleVersion,
    413: Refused,
    422: Refused,
    423: Refused,
    429: TooManyCalls,
}
# Statuses of a proxy in front of a node that is away, without a problem of its own.
_AWAY = frozenset({429, 502, 503, 504})


def of_answer(status: int, content_type: str, raw: bytes, retry_after: str | None) -> GatewayClientError:
    """Make the exception for an answer that is not a success."""
    problem = _object(raw) if content_type.partition(";")[0].strip().lower() in _JSON_TYPES else {}
    if not problem and status in _AWAY:
        problem = {"retryable": True}
    if status < 400:
        return BadAnswer(f"expected an answer of a node, got {status}")
    kind = _BY_STATUS.get(status) or (BadCall if status < 500 else NodeTrouble)
    return kind(status, problem, seconds_of(retry_after))


def seconds_of(retry_after: str | None) -> float | None:
    """Read the wait of a Retry-After: seconds, or until a moment (RFC 9110, 10.2.3)."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - datetime.now(moment.tzinfo)).total_seconds())
    except (ValueError, TypeError):
        return None


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(raw)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _words(content: object) -> tuple[str, ...]:
    return tuple(map(str, content)) if isinstance(content, list) else ()


def _faults(content: object) -> tuple[Fault, ...]:
    rows = [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []
    return tuple(
        Fault(
            pointer=str(row.get("pointer") or ""),
            code=str(row.get("code") or ""),
            detail=str(row.get("detail") or ""),
            suggest=row.get("suggest"),
            basis=row.get("basis"),
        )
        for row in rows
    )
