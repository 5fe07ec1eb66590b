"""The numbered steps of verifying an envelope and the codes of `docs/verification.md`, as tables. Whoever reports a
verdict lists all twelve steps: done, failed at one, the rest not reached. A test keeps the page equal to these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.proof import Step

STEPS: Final[Mapping[int, str]] = {
    1: "size",
    2: "bytes and encoding",
    3: "parser and forbidden constructs",
    4: "dialect and place of parts",
    5: "signature present, its place and structure",
    6: "sender code known, certificate bound to it",
    7: "digests",
    8: "signature value",
    9: "chain and time",
    10: "revocation",
    11: "qualifier, recipient, agreement with the transport",
    12: "repeat or conflict",
}


@dataclass(frozen=True, slots=True)
class Code:
    """Where a code is decided, and what becomes of the packet: REJ-FMT, REJ-SEC, HOLD, DEDUP or SHOWN."""

    step: int
    outcome: str


CODES: Final[Mapping[str, Code]] = {
    "ENV-TOO-LARGE": Code(1, "REJ-FMT"),
    "ENV-ENCODING": Code(2, "REJ-FMT"),
    "ENV-NOT-XML": Code(3, "REJ-FMT"),
    "ENV-LIMIT": Code(3, "REJ-FMT"),
    "ENV-FORBIDDEN": Code(3, "REJ-SEC"),
    "ENV-DIALECT": Code(4, "REJ-FMT"),
    "SIG-ABSENT": Code(5, "REJ-SEC"),
    "SIG-PLACEHOLDER": Code(5, "REJ-SEC"),
    "SIG-MANY": Code(5, "REJ-SEC"),
    "SIG-PLACE": Code(5, "REJ-SEC"),
    "SIG-ID": Code(5, "REJ-SEC"),
    "SIG-STRUCTURE": Code(5, "REJ-SEC"),
    "SIG-ALGORITHM": Code(5, "REJ-SEC"),
    "SIG-SENDER": Code(6, "REJ-SEC"),
    "SIG-NO-BINDING": Code(6, "REJ-SEC"),
    "SIG-PIN": Code(6, "REJ-SEC"),
    "SIG-WEAK": Code(6, "REJ-SEC"),
    "SIG-DIGEST": Code(7, "REJ-SEC"),
    "SIG-PROPERTIES": Code(7, "REJ-SEC"),
    "SIG-VALUE": Code(8, "REJ-SEC"),
    "CERT-TIME": Code(9, "REJ-SEC"),
    "CERT-CHAIN": Code(9, "REJ-SEC"),
    "CERT-USAGE": Code(9, "REJ-SEC"),
    "SIG-TIME": Code(9, "HOLD"),
    "CERT-REVOKED": Code(10, "REJ-SEC"),
    "CERT-REVOCATION-UNKNOWN": Code(10, "HOLD"),
    "AXIS-NODE": Code(11, "REJ-SEC"),
    "MSG-ID": Code(11, "REJ-SEC"),
    "MSG-NOT-OURS": Code(11, "REJ-SEC"),
    "MSG-NOT-PARTY": Code(11, "REJ-SEC"),
    "RCPT-DIGEST": Code(11, "REJ-SEC"),
    "MSG-REPEAT": Code(12, "DEDUP"),
    "MSG-CONFLICT": Code(12, "REJ-SEC"),
    "MSG-STALE": Code(12, "SHOWN"),
}


def passed(details: Mapping[int, str]) -> tuple[Step, ...]:
    """What the bytes alone could show: steps 1 to 8 and the file's part of 11 done, the others not reached."""
    return tuple(
        Step(n=n, name=name, ok=True if n <= 8 or n == 11 else None, detail=details.get(n, ""))
        for n, name in STEPS.items()
    )


def failed(n: int, detail: str) -> tuple[Step, ...]:
    """Every step before `n` done, `n` failed, later ones not reached."""
    return tuple(
        Step(n=m, name=name, ok=None if m > n else m < n, detail=detail if m == n else "")
        for m, name in STEPS.items()
    )
