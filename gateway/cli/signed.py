"""Tells a clerk what the signatures inside the PDFs of a document say: one line for what it is worth, one per file, one
per signer. In: legal value and verdicts. Out: lines in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.api.signature_view import value_text
from gateway.api.words import code_text
from gateway.cli.command import Call
from gateway.cli.output import clock, plain
from gateway.domain.signatures import FileVerdict, LegalValue, SignerVerdict, Word

_MARKS = {Word.VALID: "✓", Word.INVALID: "✗", Word.UNKNOWN: "?", Word.UNSIGNED: "·"}


def lines(call: Call, value: LegalValue | None, verdicts: Sequence[FileVerdict]) -> list[str]:
    """Nothing where no file was a PDF."""
    if not verdicts:
        return []
    told = [f"{call.word('cli.signatures.value')}: {value_text(value, call.lang.value)}"]
    for each in verdicts:
        told += _file(call, each)
    return told


def _file(call: Call, verdict: FileVerdict) -> Iterator[str]:
    word = call.word(f"signature.{verdict.verdict}")
    why = f" ({code_text(verdict.why, call.lang.value)})" if verdict.why and not verdict.signers else ""
    yield f"{_MARKS[verdict.verdict]} {call.word('cli.signatures.file', file=plain(verdict.file), word=word)}{why}"
    for each in verdict.signers:
        yield f"  {_MARKS[each.verdict]} {_signer(call, each)}"


def _signer(call: Call, signer: SignerVerdict) -> str:
    who = [signer.name, signer.organisation if signer.organisation != signer.name else ""]
    told = [
        ", ".join(plain(each) for each in who if each) or plain(signer.field),
        call.word(f"signer.{signer.role}") if signer.role else "",
        call.word("cli.signatures.claimed", at=clock(signer.claimed_at)) if signer.claimed_at else "",
        call.word("cli.signatures.trusted", at=clock(signer.trusted_at)) if signer.trusted_at else "",
        call.word(f"signature.{signer.verdict}"),
        code_text(signer.why, call.lang.value) or "",
    ]
    if signer.now is not signer.verdict:
        told.append(call.word("cli.signatures.now", word=call.word(f"signature.{signer.now}")))
    return " · ".join(each for each in told if each)
