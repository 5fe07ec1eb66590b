"""Failures of a command line: the exit code of every error class, the sentence with every reason, never a stack trace."""

from __future__ import annotations

import errno
import json

import pytest

from gateway import errors
from gateway.cli import main, output
from gateway.cli.output import OutputManner
from gateway.domain.evidence import SpoiledPack
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway_foreign.rest import line  # its errors are among those that commands print
from tests.support.cases import Cases
from tests.unit.cli.conftest import Terminal

VERDICT = Verdict(
    reasons=(
        reason(ReasonCode.MISSING, "/subject", field="subject"),
        reason(ReasonCode.MISSING, "/signer", field="signer"),
    )
)


def classes(kind: type[errors.GatewayError] = errors.GatewayError) -> list[type[errors.GatewayError]]:
    return [kind, *(k for sub in kind.__subclasses__() for k in classes(sub))]


def make_error(kind: type[errors.GatewayError]) -> errors.GatewayError:
    if issubclass(kind, errors.Refused):
        return kind(VERDICT)
    if issubclass(kind, errors.InvalidEnvelope):
        return kind("GW-X", "what happened")
    return kind("manifest.json", "what happened") if issubclass(kind, SpoiledPack) else kind("what happened")


def test_each_class_of_error_has_its_exit_code() -> None:
    for code, kinds in {
        1: (errors.GatewayError, errors.Misconfigured),
        3: (errors.NotFound,),
        4: (errors.Refused, errors.Clash, errors.StaleVersion, errors.NotForUs),
        5: (errors.Denied,),
        6: (errors.Unreachable, errors.BrokerRefused, line.OddAnswerError, line.NoRights),
        7: (errors.BadSignature, errors.MalformedXml),
        75: (errors.StoreFailure, errors.CannotTell, errors.Waiting),
    }.items():
        assert {kind: output.exit_code(make_error(kind)) for kind in kinds} == dict.fromkeys(kinds, code)


def test_every_error_can_be_told_in_both_languages(cases: Cases, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in classes():
        for lang in ("vi", "en"):
            with cases.case(f"{kind.__name__} {lang}"):
                code = output.print_error(make_error(kind), OutputManner(lang=lang))
                out, err = capsys.readouterr()
                assert code != 0
                assert err.startswith("✗ ")
                assert out == ""


def test_a_refusal_tells_every_reason_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON on stdout, with its code; a hint with an arrow; nothing from outside steers the terminal."""
    output.print_error(errors.Refused(VERDICT), OutputManner(lang="en"))
    err = capsys.readouterr().err
    assert "[/subject]" in err
    assert "[/signer]" in err

    output.print_error(errors.Refused(VERDICT), OutputManner(json=True, lang="en"))
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert (error["code"], err) == ("GW-R-000", "")
    assert [reason["pointer"] for reason in error["reasons"]] == ["/subject", "/signer"]

    output.print_error(errors.NotFound("no such \x1b[31mred\x1b[0m", hint="look elsewhere"), OutputManner())
    err = capsys.readouterr().err
    assert err.endswith("→ look elsewhere\n")
    assert "\x1b" not in err


def test_the_manner_is_read_from_the_words() -> None:
    for words, is_json, lang in (
        ((), False, "vi"),
        (("outbox", "list", "-o", "json"), True, "vi"),
        (("-ojson", "outbox"), True, "vi"),
        (("--output=ndjson", "--lang", "en"), True, "en"),
        (("--lang=fr",), False, "vi"),
        (("-o",), False, "vi"),
    ):
        manner = OutputManner.from_args(words, {})
        assert (manner.json, manner.lang) == (is_json, lang), words


def test_something_unforeseen_shows_no_stack_trace(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -v it is a log line."""

    def broken() -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(main, "build", broken)

    run = terminal.type("version")
    assert run.code == 1
    assert "Traceback" not in run.err
    assert "a secret detail" not in run.err
    assert "RuntimeError" in run.err
    lines = terminal.type("version", "-v").err.splitlines()
    assert json.loads(lines[0])["error"] == "RuntimeError"
    assert lines[-1].startswith("✗ ")


def test_a_full_disk_is_told_with_the_file(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "keys/Z91.02/1.key.pem")

    monkeypatch.setattr(main, "build", full)

    run = terminal.type("keys", "generate", "-o", "json")
    assert (run.code, run.json["error"]["code"]) == (75, "GW-S-000")
    assert run.json["error"]["detail"] == "No space left on device: keys/Z91.02/1.key.pem"


def test_a_usage_error_in_json_is_json(terminal: Terminal) -> None:
    run = terminal.type("sned", "-o", "json")

    assert run.code == 2
    assert "send" in run.json["error"]["detail"]
