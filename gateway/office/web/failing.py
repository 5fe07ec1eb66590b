"""What a person reads when something did not work. In: an error of the one tree. Out: the status and the words: what
happened, why, what to do. A stack trace is for the log alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway import errors
from gateway.words import labels

# The nearest class up the tree decides.
_STATUS: Mapping[type[errors.GatewayError], int] = {
    errors.GatewayError: 500,
    errors.BadForm: 400,
    errors.NotFound: 404,
    errors.Denied: 403,
    errors.Refused: 422,
    errors.Unactionable: 422,
    errors.BreaksRule: 422,
    errors.DeclaredSecret: 422,
    errors.InvalidEnvelope: 422,
    errors.InvalidProof: 422,
    errors.Clash: 409,
    errors.Duplicate: 409,
    errors.Conflict: 409,
    errors.OtherContent: 409,
    errors.StaleVersion: 409,
    errors.CannotTell: 503,
    errors.Waiting: 503,
    errors.SignerDown: 503,
    errors.ScannerDown: 503,
    errors.TransportFailure: 503,
    errors.StoreFailure: 503,
    errors.AlteredContent: 500,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`reasons` are all broken rules, each with the field it is about; `hint` says what to do, where that is known."""

    status: int
    title: str
    code: str
    detail: str = ""
    reasons: tuple[tuple[str, str], ...] = ()
    hint: str = ""


def of_error(error: errors.GatewayError, lang: str) -> Failure:
    keys = (f"code.{error.code}", f"clash.{error.code}", error.label_key)
    told = error.told if isinstance(error, errors.Clash) else {}
    return Failure(
        status=next(_STATUS[each] for each in type(error).__mro__ if each in _STATUS),
        title=labels.say(next(key for key in keys if labels.has(key)), lang, **told),
        code=error.code,
        # The sentence of an error is English, for engineers; a clerk reads the title and the reasons.
        detail=str(error) if lang == "en" else "",
        reasons=reasons(error, lang),
        hint=_hint(error, lang),
    )


def reasons(error: errors.GatewayError, lang: str) -> tuple[tuple[str, str], ...]:
    """Every broken rule: the field's pointer and the sentence."""
    if not isinstance(error, errors.Refused):
        return ()
    return tuple(
        (each.pointer, labels.reason_text(each.code, each.params, lang, suggest=each.suggest))
        for each in getattr(error.verdict, "reasons", ())
    )


def of_status(status: int, lang: str) -> Failure:
    """What the server says by a number alone."""
    key = f"page.http.{status}"
    return Failure(
        status=status,
        title=labels.say(key if labels.has(key) else "error.internal", lang),
        code=f"HTTP-{status}",
    )


def of_surprise(lang: str) -> Failure:
    return Failure(status=500, title=labels.say("error.internal", lang), code=errors.GatewayError.code)


def _hint(error: errors.GatewayError, lang: str) -> str:
    key = f"page.cure.{error.code}"
    if labels.has(key):
        return labels.say(key, lang)
    return labels.say("page.cure.again", lang) if not error.permanent else ""
