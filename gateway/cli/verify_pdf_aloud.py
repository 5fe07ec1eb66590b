"""Tells a person what `ops.verify_pdf` found: one line per signature, then the result in one sentence. In: the data. Out:
lines in the reader's language, printed. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from gateway.api.words import code_text
from gateway.cli import output
from gateway.cli.command import Call

_MARKS = {"valid": "✓", "invalid": "✗", "unknown": "?", "unsigned": "·"}


def of_pdf(call: Call, found: dict[str, Any]) -> None:
    """One PDF alone."""
    output.aloud(call, _signers(call, found, ""))
    value = call.word(f"legal.{found['legal_value'] or 'unknown'}")
    signed = found["signed_at"]
    at = output.clock(datetime.fromisoformat(signed)) if signed else call.word("signed_at.unknown")
    output.aloud(
        call, [f"{call.word('cli.signatures.value')}: {value}", call.word("cli.signatures.claimed", at=at)]
    )
    output.aloud(call, [_result(call, found)])


def inside(call: Call, found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The PDFs of an envelope."""
    for each in found:
        yield _result(call, each)
        yield from _signers(call, each, "  ")


def _signers(call: Call, found: dict[str, Any], indent: str) -> list[str]:
    return [f"{indent}{_MARKS[each['verdict']]} {_signer(call, each)}" for each in found["signers"]]


def _signer(call: Call, one: dict[str, Any]) -> str:
    organisation = one["organisation"] if one["organisation"] != one["name"] else ""
    told = [
        ", ".join(output.plain(each) for each in (one["name"], organisation) if each),
        call.word(f"signer.{one['role']}") if one["role"] else "",
        _time(call, "claimed", one["claimed_at"]),
        _time(call, "trusted", one["trusted_at"]),
        _why(call, one),
        output.plain(one["detail"]),
    ]
    if one["now"]["verdict"] != one["verdict"]:
        told.append(call.word("cli.signatures.now", word=_why(call, one["now"])))
    return " · ".join(each for each in told if each)


def _time(call: Call, name: str, moment: str | None) -> str:
    return (
        call.word(f"cli.signatures.{name}", at=output.clock(datetime.fromisoformat(moment))) if moment else ""
    )


def _result(call: Call, found: dict[str, Any]) -> str:
    word = _why(call, found)
    line = call.word("cli.signatures.file", file=output.plain(found["file"]), word=word)
    return f"{_MARKS[found['verdict']]} {line}"


def _why(call: Call, found: dict[str, Any]) -> str:
    code = code_text(found["code"], call.lang.value)
    word = call.word(f"signature.{found['verdict']}")
    return f"{word}: {code} [{found['code']}]" if code else word
