"""How a command line fails: the exit code of every error class, the sentence with every reason, never a stack trace."""

from __future__ import annotations

import json

import pytest

from gateway import errors
from gateway.cli import main, output
from gateway.cli.output import OutputManner
from gateway.domain.evidence import SpoiledPack
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.transport.rest import line  # its errors are among those that are told
from tests.unit.cli.conftest import Terminal

VERDICT = Verdict(
    reasons=(
        reason(ReasonCode.MISSING, "/subject", field="subject"),
        reason(ReasonCode.MISSING, "/signer", field="signer"),
    )
)


def classes(kind: type[errors.GatewayError] = errors.GatewayError) -> list[type[errors.GatewayError]]:
    return [kind, *(each for sub in kind.__subclasses__() for each in classes(sub))]


def made(kind: type[errors.GatewayError]) -> errors.GatewayError:
    if issubclass(kind, errors.Refused):
        return kind(VERDICT)
    if issubclass(kind, errors.InvalidEnvelope):
        return kind("GW-X", "what happened")
    return kind("manifest.json", "what happened") if issubclass(kind, SpoiledPack) else kind("what happened")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.GatewayError, 1),
        (errors.Misconfigured, 1),
        (errors.NotFound, 3),
        (errors.Refused, 4),
        (errors.Clash, 4),
        (errors.StaleVersion, 4),
        (errors.NotForUs, 4),
        (errors.Denied, 5),
        (errors.Unreachable, 6),
        (errors.BrokerRefused, 6),
        (line.Odd, 6),
        (line.NoRights, 6),
        (errors.BadSignature, 7),
        (errors.MalformedXml, 7),
        (errors.StoreFailure, 75),
        (errors.CannotTell, 75),
        (errors.Waiting, 75),
    ],
)
def test_each_class_of_error_has_its_exit_code(kind: type[errors.GatewayError], code: int) -> None:
    assert output.exit_code(made(kind)) == code


@pytest.mark.parametrize("kind", classes())
@pytest.mark.parametrize("lang", ["vi", "en"])
def test_every_error_can_be_told_in_both_languages(
    kind: type[errors.GatewayError], lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = output.tell_error(made(kind), OutputManner(lang=lang))

    out, err = capsys.readouterr()
    assert code != 0
    assert err.startswith("✗ ")
    assert out == ""


def test_a_refusal_tells_every_reason_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    output.tell_error(errors.Refused(VERDICT), OutputManner(lang="en"))

    err = capsys.readouterr().err
    assert "[/subject]" in err
    assert "[/signer]" in err


def test_a_refusal_in_json_carries_code_and_reasons_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    output.tell_error(errors.Refused(VERDICT), OutputManner(json=True, lang="en"))

    out, err = capsys.readouterr()
    told = json.loads(out)["error"]
    assert told["code"] == "GW-R-000"
    assert [each["pointer"] for each in told["reasons"]] == ["/subject", "/signer"]
    assert err == ""


def test_the_hint_is_told_with_an_arrow(capsys: pytest.CaptureFixture[str]) -> None:
    output.tell_error(errors.NotFound("no such thing", hint="look elsewhere"), OutputManner())

    assert capsys.readouterr().err.endswith("→ look elsewhere\n")


def test_text_from_outside_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.tell_error(errors.NotFound("no agency \x1b[31mred\x1b[0m"), OutputManner())

    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "json_wanted", "lang"),
    [
        ((), False, "vi"),
        (("outbox", "list", "-o", "json"), True, "vi"),
        (("-ojson", "outbox"), True, "vi"),
        (("--output=ndjson", "--lang", "en"), True, "en"),
        (("--lang=fr",), False, "vi"),
        (("-o",), False, "vi"),
    ],
)
def test_the_manner_is_read_from_the_words(words: tuple[str, ...], json_wanted: bool, lang: str) -> None:
    manner = OutputManner.of(words, {})

    assert (manner.json, manner.lang) == (json_wanted, lang)


def test_something_unforeseen_shows_no_stack_trace(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(main, "build", broken)

    said = terminal.type("version")

    assert said.code == 1
    assert "Traceback" not in said.err
    assert "a secret detail" not in said.err
    assert "RuntimeError" in said.err


def test_with_v_the_trace_of_the_unforeseen_is_a_log_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("detail")

    monkeypatch.setattr(main, "build", broken)

    lines = terminal.type("version", "-v").err.splitlines()

    assert json.loads(lines[0])["error"] == "RuntimeError"
    assert lines[-1].startswith("✗ ")


def test_a_usage_error_in_json_is_json(terminal: Terminal) -> None:
    said = terminal.type("sned", "-o", "json")

    assert said.code == 2
    assert "send" in said.json["error"]["detail"]
