"""Rights at the command line: the whole table of commands, by principal."""

from __future__ import annotations

import inspect

from gateway.api.resources import ROUTES
from gateway.cli import main, operations
from gateway.cli.command import TABLE, CommandRow, known_words

# Always with the passphrase and second factor of a person.
BY_A_PERSON = {
    *("hold lift", "hold purge", "people end-set-up"),
    *("keys propose", "keys propose-all", "keys approve"),
    *("proposals approve", "proposals reject", "proposals anchor"),
    *("registry undo", "registry change approve", "registry change undo", "registry feed propose"),
    *(f"registry trust {name}" for name in ("propose", "propose-list", "recall", "strike", "end")),
    *("registry seals propose", "registry seals entitle"),
}
# A person too, where what is typed asks for one, or where persons administer by now.
BY_A_PERSON_PERHAPS = {
    *("people add", "people roles", "people reset", "people account", "people post", "people link"),
    *("people stand", "people review", "people changes", "people confirm", "people refuse"),
    *("people requests", "people request", "people answer"),
    *("registry import", "registry change plan"),
}
# Commands of the operator and of persons alone: no key of a program opens any of them.
NEVER_BY_A_KEY = {
    "people",
    "tokens",
    "compat",
    "hold",
    "keys",
    "trust",
    "proposals",
    "queue",
    "host",
    "audit",
}
SEALS = {"inbox seal", "outbox seal"}


def _table() -> dict[str, CommandRow]:
    for word in known_words():
        main.build().commands[word]
    return {row.words.removeprefix("gateway "): row for row in TABLE.values()}


def test_the_whole_table_by_principal() -> None:
    table = _table()
    signs_in = {
        words: parameters["as_"].default
        for words, row in table.items()
        if "as_" in (parameters := inspect.signature(row.function).parameters)
    }

    assert {words for words, default in signs_in.items() if default is inspect.Parameter.empty} == BY_A_PERSON
    assert {words for words, default in signs_in.items() if default is None} == BY_A_PERSON_PERHAPS
    reads = {"people review", "people changes", "people requests"}
    assert all(table[words].writes for words in signs_in if words not in reads)


def test_a_command_that_a_key_may_do_too_is_a_call_with_a_scope_and_no_other_is_one() -> None:
    calls = {
        words: operations.COMMANDS[row.function]
        for words, row in _table().items()
        if row.function in operations.COMMANDS
    }
    scopes = {route.name: route.scopes for route in ROUTES}

    assert len(calls) >= 16
    assert all(scopes[name] for name in calls.values())
    assert not [words for words in calls if words.split()[0] in NEVER_BY_A_KEY or words in SEALS]
