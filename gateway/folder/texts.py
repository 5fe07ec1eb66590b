"""Texts that lie beside entries of a hot folder that were put away: the receipt of an accepted entry, and the reason of a
refusal with advice, in Vietnamese and English. In: the API's answer or problem. Out: text, from the catalogues."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.api import problems
from gateway.api.words import Lang
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.domain.wall_clock import local
from gateway.errors import GatewayError
from gateway.folder.places import NotAFile, printable
from gateway.words import labels

_LANGUAGES: Sequence[Lang] = ("vi", "en")
_RULE = "-" * 72


def receipt(answer: Mapping[str, Any], names: Mapping[str, str], at: datetime, *, repeated: bool) -> str:
    """Return the receipt as JSON: the API's answer, and the new name of each file beside it."""
    body = {"result": "accepted", "at": _moment(at), "repeated": repeated, "kept": dict(names), **answer}
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def report(name: str, error: Exception) -> BadCall:
    """Return an unforeseen error as a fault of the entry that met it."""
    params = {"name": printable(name, 100), "error": type(error).__name__}
    return BadCall("bad-folder", RequestFault(code="folder-broke", params=params))


def no_file(name: str, error: NotAFile) -> BadCall:
    """Return the fault of a name that is no file: a folder, a link or a device."""
    code = "folder-for-file" if error.is_folder else "folder-no-file"
    return BadCall("bad-folder", RequestFault(code=code, params={"name": printable(name, 100)}))


def problem_of(error: GatewayError | BadCall, lang: Lang) -> problems.Problem:
    if isinstance(error, BadCall):
        return problems.of_bad_call(error, lang)
    return problems.of_error(error, lang)


def reason(error: GatewayError | BadCall, name: str, names: Mapping[str, str], at: datetime, act: str) -> str:
    """Return the text of a refusal in both languages. `act` chooses the advice: `send`, `status`, `give` or `tell`."""
    return f"\n{_RULE}\n\n".join(_in_words(error, name, names, at, act, lang) for lang in _LANGUAGES)


def _in_words(
    error: GatewayError | BadCall,
    name: str,
    names: Mapping[str, str],
    at: datetime,
    act: str,
    lang: Lang,
) -> str:
    problem = problem_of(error, lang)
    lines = [
        labels.say(f"folder.{act}.refused", lang, name=name),
        labels.say("folder.at", lang, at=f"{local(at):%H:%M:%S %d/%m/%Y}"),
        labels.say("folder.code", lang, code=problem.code),
        "",
        labels.say("folder.why", lang),
    ]
    listed = problem.errors or [{"detail": problem.detail}]
    for n, problem_error in enumerate(listed, 1):
        lines.append(f"  {n}. {problem_error['detail']}")
        if problem_error.get("pointer"):
            lines.append("     " + labels.say("folder.where", lang, pointer=str(problem_error["pointer"])))
        if problem_error.get("suggest"):
            lines.append("     " + labels.say("folder.suggest", lang, suggest=str(problem_error["suggest"])))
    lines += ["", labels.say("folder.todo", lang)]
    if codes := problem.more.get("confirm"):
        lines.append("  - " + labels.say("folder.confirm", lang, codes=json.dumps(codes)))
    lines += [f"  - {text}" for text in labels.say(f"folder.{act}.todo", lang).split("|")]
    if names:
        lines += ["", labels.say("folder.kept", lang)]
    lines += [f"  {new}" if old == new else f"  {new}  ({old})" for old, new in names.items()]
    return "\n".join(lines) + "\n"


def _moment(at: datetime) -> str:
    return local(at).isoformat(timespec="seconds")
