"""`gateway verify`: checks an envelope offline against a folder of trust material. In: a file. Out: each numbered step
and the verdict, exactly as `ops.verify_file` gives it; exit 0 when valid, 7 when invalid or not known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import output, verify_pdf_aloud
from gateway.cli.command import Call, Format, verb
from gateway.cli.failures import VERIFICATION
from gateway.words import labels


def register(app: typer.Typer) -> None:
    verb(
        app,
        "verify",
        examples=(
            "gateway verify packet.edxml --trust trust/",
            "gateway verify van-ban.pdf --trust trust/ --at 2026-11-20T08:00:00+07:00 -o json",
        ),
    )(verify)


def verify(
    call: Call,
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
    from gateway.clock import SystemClock
    from gateway.ops import verify_file, verify_pdf

    now = SystemClock().now()
    then = moment(at) if at else now
    alone = verify_pdf.is_pdf(file)
    judge = verify_pdf.verify_pdf if alone else verify_file.verify_file
    found = judge(file, trust, then, now)
    if call.output is Format.TABLE:
        (verify_pdf_aloud.of_pdf if alone else _read_aloud)(call, found)
    else:
        output.data(call, found)
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


def _read_aloud(call: Call, found: dict[str, Any]) -> None:
    marks = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("·", "not_reached")}
    for step in found["steps"]:
        mark, word = marks[step["ok"]]
        detail = f"  ({output.plain(step['detail'])})" if step["detail"] else ""
        name, outcome = call.word(f"step.{step['n']}"), call.word(f"cli.step.{word}")
        output.aloud(call, [f"{mark} {step['n']:>2}  {name}: {outcome}{detail}"])
    output.aloud(call, _facts(call, found))
    output.aloud(call, verify_pdf_aloud.inside(call, found["pdf"]))
    output.aloud(call, [_conclusion(call, found)])
    if found["now"]["at"] != found["at"]:
        output.aloud(call, [_today(call, found["now"])])


def _facts(call: Call, found: dict[str, Any]) -> Iterator[str]:
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


def _commitment(call: Call, told: dict[str, Any]) -> str:
    receipt = told["receipt"]
    if receipt is None:
        return call.word("verify.origin", id=output.plain(told["message"]["id"]))
    of = output.plain(receipt["of_message"] or "–")
    return call.word("verify.receipt", code=receipt["status_code"], of=of, body=receipt["body_sha256"] or "–")


def _today(call: Call, now: dict[str, Any]) -> str:
    code = f"code.{now['code']}"
    reason = f"{call.word(code) if labels.has(code) else ''} [{now['code']}]".strip()
    return call.word(f"verify.now.{now['verdict']}", reason=reason)


def _clock(moment: str | None) -> str:
    return output.clock(datetime.fromisoformat(moment)) if moment else "–"


def _conclusion(call: Call, found: dict[str, Any]) -> str:
    return call.word("verify.then", at=_clock(found["at"]), text=_verdict(call, found))


def _verdict(call: Call, found: dict[str, Any]) -> str:
    if found["verdict"] == "valid":
        noted = "cli.verify.notes" if found["notes"] else "cli.verify.valid"
        return call.word(noted, sender=found["signer"]["code"])
    code = f"code.{found['code']}"
    reason = f"{call.word(code) if labels.has(code) else ''} [{found['code']}]".strip()
    if found["verdict"] == "unknown":
        return call.word("cli.verify.cannot_tell", reason=reason)
    failed = next((step["n"] for step in found["steps"] if step["ok"] is False), "?")
    return call.word("cli.verify.invalid", step=failed, reason=reason)
