"""Turns what went wrong into an exit code and a few lines that help. In: an error of the one tree, or a wrong use of
the command line. Out: the sentence, every broken rule, the hint, and the code. Nobody sees a stack trace."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import errors
from gateway.cli.output import document, plain, stream
from gateway.words import labels

FINE, FAILED, USAGE, NOT_FOUND, REFUSED, AUTHENTICATION, NETWORK, VERIFICATION, LATER = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    75,
)

# The nearest class up the tree decides; a new class without its own row has its parent's code.
EXIT_CODES: Mapping[type[errors.GatewayError], int] = {
    errors.GatewayError: FAILED,
    errors.Misconfigured: FAILED,
    errors.NotFound: NOT_FOUND,
    errors.Refused: REFUSED,
    errors.Clash: REFUSED,
    errors.BadForm: REFUSED,
    errors.Unactionable: REFUSED,
    errors.BreaksRule: REFUSED,
    errors.DeclaredSecret: REFUSED,
    errors.Duplicate: REFUSED,
    errors.Conflict: REFUSED,
    errors.OtherContent: REFUSED,
    errors.Denied: AUTHENTICATION,
    errors.TransportFailure: NETWORK,
    errors.InvalidEnvelope: VERIFICATION,
    errors.InvalidProof: VERIFICATION,
    errors.CannotTell: LATER,
    errors.Waiting: LATER,
    errors.SignerDown: LATER,
    errors.StoreFailure: LATER,
    errors.ScannerDown: LATER,
    errors.StaleVersion: REFUSED,
    errors.AlteredContent: FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How to tell: read from the words themselves, because a wrong use is told before they are understood."""

    json: bool = False
    one_line: bool = False
    lang: str = "vi"

    @classmethod
    def of(cls, args: Sequence[str], environ: Mapping[str, str]) -> Manner:
        lang = _option(args, "--lang") or environ.get("GATEWAY_LANG", "vi")
        output = _option(args, "--output", "-o")
        return cls(
            json=output in ("json", "ndjson"),
            one_line=output == "ndjson",
            lang=lang if lang in labels.LANGUAGES else "vi",
        )


def exit_code(error: errors.GatewayError) -> int:
    """The code of an error's class, or of the nearest class above it."""
    return next(EXIT_CODES[each] for each in type(error).__mro__ if each in EXIT_CODES)


def tell(error: errors.GatewayError, manner: Manner) -> int:
    """Says it and gives the exit code."""
    reasons = _reasons(error, manner.lang)
    title = _title(error, manner.lang)
    if manner.json:
        hint, where = error.hint or None, getattr(error, "where", None) or None
        _as_data(manner, error.code, title, str(error), hint=hint, where=where, reasons=reasons)
        return exit_code(error)
    _line(f"✗ {title}")
    # Of a refusal the reasons are the detail; its own text is for logs.
    for line in [] if reasons else str(error).splitlines():
        _line(f"  {line.strip()}")
    for reason in reasons:
        _line(f"  · {reason['detail']}" + (f"  [{reason['pointer']}]" if reason["pointer"] else ""))
    if error.hint:
        _line(f"→ {error.hint}")
    return exit_code(error)


def tell_usage(message: str, help_hint: str, manner: Manner, code: int = USAGE) -> int:
    """A word of the command line that cannot be understood."""
    if manner.json:
        title = labels.say("cli.usage", manner.lang)
        _as_data(manner, "GW-USAGE", title, message, hint=help_hint or None)
    else:
        _line(f"✗ {message}")
        if help_hint:
            _line(f"→ {help_hint}")
    return code


def tell_internal(error: BaseException, manner: Manner) -> int:
    """Something nobody thought of: its name only; the trace is in the log, with -v."""
    text = labels.say("cli.internal", manner.lang, name=type(error).__name__)
    if manner.json:
        _as_data(manner, "GW-000", labels.say("error.internal", manner.lang), text)
    else:
        _line(f"✗ {text}")
    return FAILED


def _title(error: errors.GatewayError, lang: str) -> str:
    """What the error's code means, of verification or of a clash, where it has such a one; else what its class means."""
    keys = (f"code.{error.code}", f"clash.{error.code}", error.label_key)
    told = error.told if isinstance(error, errors.Clash) else {}
    return labels.say(next(key for key in keys if labels.has(key)), lang, **told)


def _as_data(
    manner: Manner,
    code: str,
    title: str,
    detail: str,
    *,
    hint: str | None = None,
    where: str | None = None,
    reasons: Sequence[Mapping[str, Any]] = (),
) -> None:
    """The one shape of every error for programs; each key is always there."""
    told = {
        "code": code,
        "title": title,
        "detail": detail,
        "hint": hint,
        "where": where,
        "reasons": list(reasons),
    }
    (stream if manner.one_line else document)({"error": told})


def _reasons(error: errors.GatewayError, lang: str) -> list[dict[str, Any]]:
    """Every broken rule of a refusal, each with its sentence."""
    if not isinstance(error, errors.Refused):
        return []
    return [
        {
            "code": str(each.code),
            "pointer": each.pointer,
            "detail": labels.reason_text(each.code, each.params, lang, suggest=each.suggest),
            "suggest": each.suggest,
        }
        for each in getattr(error.verdict, "reasons", ())
    ]


def _option(args: Sequence[str], *names: str) -> str | None:
    """The value of an option by plain reading: `--lang en`, `--lang=en`, `-o json`, `-ojson`."""
    for place, word in enumerate(args):
        for name in names:
            if word == name:
                return args[place + 1] if place + 1 < len(args) else None
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
            if not name.startswith("--") and word.startswith(name) and not word.startswith("--"):
                return word[len(name) :]
    return None


def _line(text: str) -> None:
    for each in text.splitlines():
        print(plain(each), file=sys.stderr)
