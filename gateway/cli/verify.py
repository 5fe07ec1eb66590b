"""`gateway verify`, `gateway read`, `gateway explain`: what anybody does with a file, offline. In: a file, perhaps a
folder of trust material. Out: lines for a person or JSON; what is told is decided in `ops`, here it becomes lines.

`verify` checks an envelope or a PDF: each numbered step and the verdict, exactly as `ops.verify_file` and `ops.pdf`
give it; exit 0 when valid, 7 when invalid or not known. `read` tells the fields of a signed PDF as a form would be
filled with them, each with how sure it is; exit 0 also where something is doubtful. `explain` reads an envelope aloud
without trusting it, and says of a PDF what is read from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, verb
from gateway.cli.output import VERIFICATION
from gateway.clock import SystemClock
from gateway.document_view.facts import code_text
from gateway.words import labels


@verb("packet.edxml --trust trust/", "van-ban.pdf --trust trust/ --at 2026-11-20T08:00:00+07:00 -o json")
def verify(
    call: Invocation,
    file: Annotated[Path, typer.Argument(help="The envelope, or one PDF; - is standard input.")],
    trust: Annotated[
        Path,
        typer.Option(
            envvar="GATEWAY_TRUST",
            help="Folder with ca.pem, bindings.csv, chain/, crl/ and ocsp/; for PDFs pdf/ in it.",
        ),
    ],
    at: Annotated[str | None, typer.Option(help="As of this time (RFC 3339); default: now.")] = None,
) -> None:
    """Check an envelope offline: who signed it, for whom, and whether that holds. Exit 7 when it does not."""
    from gateway.ops import pdf, verify_file

    now = SystemClock().now()
    then = moment(at) if at else now
    alone = pdf.is_pdf(file)
    judge = pdf.verify_pdf if alone else verify_file.verify_file
    found = judge(file, trust, then, now)
    output.answer(call, found, (_read_pdf_aloud if alone else _read_aloud)(call, found))
    if found["verdict"] != "valid":
        raise typer.Exit(VERIFICATION)


def moment(text: str) -> datetime:
    """An aware time; a usage error that says the form otherwise."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as why:
        raise typer.BadParameter(f"{text!r} is no time; write it as 2026-11-20T08:00:00+07:00") from why
    if at.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no offset; write it as 2026-11-20T08:00:00+07:00")
    return at


def _read_aloud(call: Invocation, found: dict[str, Any]) -> Iterator[str]:
    marks = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("·", "not_reached")}
    for step in found["steps"]:
        mark, word = marks[step["ok"]]
        detail = f"  ({output.plain(step['detail'])})" if step["detail"] else ""
        name, outcome = call.word(f"step.{step['n']}"), call.word(f"cli.step.{word}")
        yield f"{mark} {step['n']:>2}  {name}: {outcome}{detail}"
    yield from _facts(call, found)
    for pdf in found["pdf"]:
        yield _pdf_result(call, pdf)
        yield from _signers(call, pdf, "  ")
    yield call.word("verify.then", at=_clock(found["at"]), text=_verdict(call, found))
    if found["now"]["at"] != found["at"]:
        reason = _reason(call, found["now"])
        yield call.word(f"verify.now.{found['now']['verdict']}", reason=reason)


def _facts(call: Invocation, found: dict[str, Any]) -> Iterator[str]:
    """Who signed, by which chain, what is known of its revocation, and what was committed to."""
    signer = found["signer"]
    if signer is None or signer["subject"] is None:
        return
    told = {key: output.plain(signer[key]) for key in ("subject", "serial")}
    signed = _clock(found["signing_time"])
    yield call.word("verify.signed_by", algorithm=found["algorithm"], signed=signed, **told)
    yield call.word(
        "verify.chain", chain=" < ".join(output.plain(each["subject"]) for each in found["chain"])
    )
    if found["weak"]:
        yield call.word("verify.weak")
    known = found["revocation"]
    state = "revoked" if known["revoked_at"] else known["state"]
    yield call.word(
        f"verify.revocation.{state if known['source'] or state == 'revoked' else 'unknown'}",
        source=str(known["source"]).upper(),
        as_of=_clock(known["as_of"]),
        revoked_at=_clock(known["revoked_at"]),
        reason=known["reason"] or "–",
    )
    if found["commitment"]:
        yield _commitment(call, found["commitment"])


def _commitment(call: Invocation, told: dict[str, Any]) -> str:
    receipt = told["receipt"]
    if receipt is None:
        return call.word("verify.origin", id=output.plain(told["message"]["id"]))
    of = output.plain(receipt["of_message"] or "–")
    return call.word("verify.receipt", code=receipt["status_code"], of=of, body=receipt["body_sha256"] or "–")


def _reason(call: Invocation, found: dict[str, Any]) -> str:
    code = f"code.{found['code']}"
    return f"{call.word(code) if labels.has(code) else ''} [{found['code']}]".strip()


def _clock(moment: str | None) -> str:
    return output.clock(datetime.fromisoformat(moment)) if moment else "–"


def _verdict(call: Invocation, found: dict[str, Any]) -> str:
    if found["verdict"] == "valid":
        noted = "cli.verify.notes" if found["notes"] else "cli.verify.valid"
        return call.word(noted, sender=found["signer"]["code"])
    reason = _reason(call, found)
    if found["verdict"] == "unknown":
        return call.word("cli.verify.cannot_tell", reason=reason)
    failed = next((step["n"] for step in found["steps"] if step["ok"] is False), "?")
    return call.word("cli.verify.invalid", step=failed, reason=reason)


_VERDICT_MARKS = {"valid": "✓", "invalid": "✗", "unknown": "?", "unsigned": "·"}


def _read_pdf_aloud(call: Invocation, found: dict[str, Any]) -> Iterator[str]:
    """One PDF alone."""
    yield from _signers(call, found, "")
    value = call.word(f"legal.{found['legal_value'] or 'unknown'}")
    signed = found["signed_at"]
    at = output.clock(datetime.fromisoformat(signed)) if signed else call.word("signed_at.unknown")
    yield f"{call.word('cli.signatures.value')}: {value}"
    yield call.word("cli.signatures.claimed", at=at)
    yield _pdf_result(call, found)


def _signers(call: Invocation, found: dict[str, Any], indent: str) -> list[str]:
    return [f"{indent}{_VERDICT_MARKS[each['verdict']]} {_signer(call, each)}" for each in found["signers"]]


def _signer(call: Invocation, one: dict[str, Any]) -> str:
    organisation = one["organisation"] if one["organisation"] != one["name"] else ""
    told = [
        ", ".join(output.plain(each) for each in (one["name"], organisation) if each),
        call.word(f"signer.{one['role']}") if one["role"] else "",
        _signing_time(call, "claimed", one["claimed_at"]),
        _signing_time(call, "trusted", one["trusted_at"]),
        _pdf_why(call, one),
        output.plain(one["detail"]),
    ]
    if one["now"]["verdict"] != one["verdict"]:
        told.append(call.word("cli.signatures.now", word=_pdf_why(call, one["now"])))
    return " · ".join(each for each in told if each)


def _signing_time(call: Invocation, name: str, moment: str | None) -> str:
    return (
        call.word(f"cli.signatures.{name}", at=output.clock(datetime.fromisoformat(moment))) if moment else ""
    )


def _pdf_result(call: Invocation, found: dict[str, Any]) -> str:
    word = _pdf_why(call, found)
    line = call.word("cli.signatures.file", file=output.plain(found["file"]), word=word)
    return f"{_VERDICT_MARKS[found['verdict']]} {line}"


def _pdf_why(call: Invocation, found: dict[str, Any]) -> str:
    code = code_text(found["code"], call.lang.value)
    word = call.word(f"signature.{found['verdict']}")
    return f"{word}: {code} [{found['code']}]" if code else word


_FIELD_MARKS = {"sure": "✓", "doubtful": "?", "none": "·"}


@verb("van-ban.pdf", "van-ban.pdf --trust trust/ -o json")
def read(
    call: Invocation,
    file: Annotated[Path, typer.Argument(help="One PDF; - is standard input.")],
    trust: Annotated[
        Path | None,
        typer.Option(
            envvar="GATEWAY_TRUST", help="Folder with ca.pem for signatures on PDFs, or with pdf/ in it."
        ),
    ] = None,
) -> None:
    """Read number, date, type, abstract and signer from a PDF, each marked: sure (✓), doubtful (?), not found (·)."""
    from gateway.ops.pdf import read_pdf

    found = read_pdf(file, trust, SystemClock().now())
    output.answer(call, found, (_field_line(call, name, one) for name, one in found["fields"].items()))


def _field_line(call: Invocation, name: str, one: dict[str, Any]) -> str:
    value = "" if one["value"] is None else str(one["value"])
    if name == "type" and value:
        value = call.word(f"type.{value}")
    why = f"  ({call.word('doubt.' + one['why'])})" if one["why"] else ""
    return f"{_FIELD_MARKS[one['sure']]} {call.word('read.' + name)}: {output.plain(value)}{why}".rstrip()


@verb("packet.edxml", "- -o json < packet.edxml")
def explain(
    call: Invocation,
    file: Annotated[Path, typer.Argument(help="The envelope, or a PDF; - is standard input.")],
) -> None:
    """Say what an envelope says: who, to whom, what, which files. Nothing is checked; see: gateway verify."""
    from gateway.ops import explain as reading
    from gateway.ops import pdf

    if pdf.is_pdf(file):
        call.say("explain.pdf")
        read(call, file, None)
        return
    found = reading.explain(file)
    texts = reading.to_text(found, call.lang.value).splitlines()
    output.answer(call, found, map(output.plain, texts))
