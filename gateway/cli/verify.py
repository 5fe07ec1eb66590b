"""`gateway verify`, `gateway read`, `gateway explain`: offline checks of a file that anyone can make. In: a file, perhaps a
folder of trust material. Out: lines for a person or JSON; `ops` decides, here it becomes lines. `verify` checks an envelope
or a PDF: each numbered step and the verdict, exactly as `ops.verify_file` and `ops.pdf` give it; exit 0 when valid, 7 when
invalid or unknown. `read` prints the fields of a signed PDF as a form would be filled with them, each with how sure it is;
exit 0 also where one is doubtful. `explain` describes an envelope without trusting it, or the fields of a PDF."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, argument, existing, option, verb
from gateway.cli.output import VERIFICATION
from gateway.clock import SystemClock
from gateway.document_view.facts import code_text
from gateway.domain.wall_clock import is_in_span
from gateway.words import labels

_VERDICT_MARKS = {"valid": "✓", "invalid": "✗", "unknown": "?", "unsigned": "·"}
_FIELD_MARKS = {"sure": "✓", "doubtful": "?", "none": "·"}


@verb(
    "packet.edxml --trust trust/",
    "van-ban.pdf --trust trust/ --at 2026-11-20T08:00:00+07:00 -o json",
    "van-ban.tlog-proof --of van-ban.pdf --trust trust/",
)
def verify(
    call: Invocation,
    file: Annotated[Path, argument("The envelope, one PDF, or a proof; - is standard input.")],
    trust: Annotated[
        Path,
        option(
            "Folder with ca.pem, bindings.csv, chain/, crl/ and ocsp/; for PDFs pdf/ in it, for proofs logs.policy.",
            envvar="GATEWAY_TRUST",
        ),
    ],
    at: Annotated[str | None, option("As of this time (RFC 3339); default: now.")] = None,
    from_: Annotated[
        str, option("For one PDF: code of its agency, to compare its seal with pdf/seals.json.", "--from")
    ] = "",
    document: Annotated[Path | None, existing("For a proof: the file that it should be of.", "--of")] = None,
) -> None:
    """Check an envelope offline: signer, recipients, and whether the signature is valid. Exit 7 if it is not."""
    from gateway.ops import pdf, verify_file
    from gateway.ops.evidence import proof_text

    now = SystemClock().now()
    judged_at = moment(at) if at else now
    if proof_text.is_proof(file):
        report, lines = proof_text.verify(file, trust, document), _proof_lines
    elif pdf.is_pdf(file):
        report, lines = pdf.verify_pdf(file, trust, judged_at, now, from_), _pdf_lines
    else:
        report, lines = verify_file.verify_file(file, trust, judged_at, now), _envelope_lines
    output.answer(call, report, lines(call, report))
    if report["verdict"] != "valid":
        raise typer.Exit(VERIFICATION)


def moment(text: str) -> datetime:
    """Parse an aware time; a usage error says the form."""
    try:
        at = datetime.fromisoformat(text)
        if not is_in_span(at.date()):
            raise ValueError("no such day")
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time; write it as 2026-11-20T08:00:00+07:00") from error
    if at.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no offset; write it as 2026-11-20T08:00:00+07:00")
    return at


def _envelope_lines(call: Invocation, report: dict[str, Any]) -> Iterator[str]:
    marks = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("·", "not_reached")}
    for step in report["steps"]:
        mark, word = marks[step["ok"]]
        detail = f"  ({output.plain(output.local_times(step['detail']))})" if step["detail"] else ""
        name, outcome = call.word(f"step.{step['n']}"), call.word(f"cli.step.{word}")
        yield f"{mark} {step['n']:>2}  {name}: {outcome}{detail}"
    yield from _signer_lines(call, report)
    for pdf in report["pdf"]:
        yield _pdf_result(call, pdf)
        yield from _signers(call, pdf, "  ")
    yield call.word("verify.then", at=_clock(report["at"]), text=_verdict(call, report))
    if report["now"]["at"] != report["at"]:
        reason = _reason(call, report["now"])
        yield call.word(f"verify.now.{report['now']['verdict']}", reason=reason)


def _signer_lines(call: Invocation, report: dict[str, Any]) -> Iterator[str]:
    """Yield signer, chain, revocation and commitment."""
    signer = report["signer"]
    if signer is None or signer["subject"] is None:
        return
    params = {key: output.plain(signer[key]) for key in ("subject", "serial")}
    signed = _clock(report["signing_time"])
    yield call.word("verify.signed_by", algorithm=report["algorithm"], signed=signed, **params)
    yield call.word("verify.chain", chain=" < ".join(output.plain(c["subject"]) for c in report["chain"]))
    if report["weak"]:
        yield call.word("verify.weak")
    revocation = report["revocation"]
    state = "revoked" if revocation["revoked_at"] else revocation["state"]
    yield call.word(
        f"verify.revocation.{state if revocation['source'] or state == 'revoked' else 'unknown'}",
        source=str(revocation["source"]).upper(),
        as_of=_clock(revocation["as_of"]),
        revoked_at=_clock(revocation["revoked_at"]),
        reason=revocation["reason"] or "–",
    )
    if report["commitment"]:
        yield _commitment(call, report["commitment"])


def _commitment(call: Invocation, commitment: dict[str, Any]) -> str:
    receipt = commitment["receipt"]
    if receipt is None:
        return call.word("verify.origin", id=output.plain(commitment["message"]["id"]))
    message_id = output.plain(receipt["of_message"] or "–")
    return call.word(
        "verify.receipt", code=receipt["status_code"], of=message_id, body=receipt["body_sha256"] or "–"
    )


def _reason(call: Invocation, verdict: dict[str, Any]) -> str:
    code = f"code.{verdict['code']}"
    return f"{call.word(code) if labels.has(code) else ''} [{verdict['code']}]".strip()


def _clock(moment: str | None) -> str:
    return output.clock(datetime.fromisoformat(moment)) if moment else "–"


def _verdict(call: Invocation, report: dict[str, Any]) -> str:
    if report["verdict"] == "valid":
        label = "cli.verify.notes" if report["notes"] else "cli.verify.valid"
        return call.word(label, sender=report["signer"]["code"])
    reason = _reason(call, report)
    if report["verdict"] == "unknown":
        return call.word("cli.verify.cannot_tell", reason=reason)
    failed = next((step["n"] for step in report["steps"] if step["ok"] is False), "?")
    return call.word("cli.verify.invalid", step=failed, reason=reason)


def _proof_lines(call: Invocation, report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a proof of the log."""
    words = {True: ("✓", "ok"), False: ("✗", "failed"), None: ("?", "unknown")}
    for step in report["steps"]:
        mark, word = words[step["ok"]]
        text = call.word(f"proof.{step['step']}.{word}", **step["params"])
        yield output.plain(f"{mark} {text}".rstrip())
    if line := report.get("line"):
        document = line["document_id"] or line["subject"]
        at = output.local_times(line["at"])
        yield output.plain(call.word("proof.line", kind=line["kind"], at=at, document=document))
        if report["existed_before"]:
            yield call.word("proof.existed", at=_clock(report["existed_before"]))
    yield call.word(f"proof.verdict.{report['verdict']}")


def _pdf_lines(call: Invocation, report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one PDF alone."""
    yield from _signers(call, report, "")
    unknown = "unregistered" if report["seal"] == "unregistered" else "unknown"
    legal_value = call.word(f"legal.{report['legal_value'] or unknown}")
    signed = report["signed_at"]
    at = output.clock(datetime.fromisoformat(signed)) if signed else call.word("signed_at.unknown")
    yield f"{call.word('cli.signatures.value')}: {legal_value}"
    yield call.word("cli.signatures.claimed", at=at)
    yield _pdf_result(call, report)


def _signers(call: Invocation, report: dict[str, Any], indent: str) -> list[str]:
    return [f"{indent}{_VERDICT_MARKS[s['verdict']]} {_signer(call, s)}" for s in report["signers"]]


def _signer(call: Invocation, signer: dict[str, Any]) -> str:
    organisation = signer["organisation"] if signer["organisation"] != signer["name"] else ""
    parts = [
        ", ".join(output.plain(n) for n in (signer["name"], organisation) if n),
        call.word(f"signer.{signer['role']}") if signer["role"] else "",
        _signing_time(call, "claimed", signer["claimed_at"]),
        _signing_time(call, "trusted", signer["trusted_at"]),
        _pdf_reason(call, signer),
        output.plain(signer["detail"]),
        "/".join(filter(None, (signer["indication"], signer["sub_indication"]))),
        _seal_owner(call, signer),
    ]
    if signer["now"]["verdict"] != signer["verdict"]:
        parts.append(call.word("cli.signatures.now", word=_pdf_reason(call, signer["now"])))
    return " · ".join(p for p in parts if p)


def _seal_owner(call: Invocation, signer: dict[str, Any]) -> str:
    """Say whose seal it is, or who the person is; empty where nothing was compared."""
    if signer["seal_over"]:
        return call.word("seal.over", period=signer["seal_over"])
    if signer["seal"]:
        holder = signer["organisation"] or signer["name"]
        agency, act = f"{holder} ({signer['seal_code']})", signer["seal_act"]
        return output.plain(call.word(f"seal.{signer['seal']}", agency=agency, act=act))
    if signer["person"] != "known":
        return call.word(f"signatory.{signer['person']}") if signer["person"] else ""
    key = "signatory.known.capacity" if signer["capacity"] else "signatory.known"
    return output.plain(call.word(key, position=signer["position"], capacity=signer["capacity"]))


def _signing_time(call: Invocation, name: str, moment: str | None) -> str:
    return (
        call.word(f"cli.signatures.{name}", at=output.clock(datetime.fromisoformat(moment))) if moment else ""
    )


def _pdf_result(call: Invocation, verdict: dict[str, Any]) -> str:
    word = _pdf_reason(call, verdict)
    line = call.word("cli.signatures.file", file=output.plain(verdict["file"]), word=word)
    return f"{_VERDICT_MARKS[verdict['verdict']]} {line}"


def _pdf_reason(call: Invocation, verdict: dict[str, Any]) -> str:
    code = code_text(verdict["code"], call.lang.value)
    word = call.word(f"signature.{verdict['verdict']}")
    return f"{word}: {code} [{verdict['code']}]" if code else word


@verb("van-ban.pdf", "van-ban.pdf --trust trust/ -o json")
def read(
    call: Invocation,
    file: Annotated[Path, argument("One PDF; - is standard input.")],
    trust: Annotated[
        Path | None,
        option("Folder with ca.pem for signatures on PDFs, or with pdf/ in it.", envvar="GATEWAY_TRUST"),
    ] = None,
) -> None:
    """Read number, date, type, abstract and signer from a PDF, each marked: sure (✓), doubtful (?), not found (·)."""
    from gateway.ops.pdf import read_pdf

    form = read_pdf(file, trust, SystemClock().now())
    output.answer(call, form, (_field_line(call, name, field) for name, field in form["fields"].items()))


def _field_line(call: Invocation, name: str, field: dict[str, Any]) -> str:
    text = "" if field["value"] is None else str(field["value"])
    if name == "type" and text:
        text = call.word(f"type.{text}")
    doubt = f"  ({call.word('doubt.' + field['why'])})" if field["why"] else ""
    return f"{_FIELD_MARKS[field['sure']]} {call.word('read.' + name)}: {output.plain(text)}{doubt}".rstrip()


@verb("packet.edxml", "- -o json < packet.edxml")
def explain(
    call: Invocation,
    file: Annotated[Path, argument("The envelope, or a PDF; - is standard input.")],
) -> None:
    """Print what an envelope says: sender, recipients, document and files. Nothing is checked; see: gateway verify."""
    from gateway.ops import explain as reading
    from gateway.ops import pdf

    if pdf.is_pdf(file):
        call.say("explain.pdf")
        read(call, file, None)
        return
    facts = reading.explain(file)
    texts = reading.to_text(facts, call.lang.value).splitlines()
    output.answer(call, facts, map(output.plain, texts))
