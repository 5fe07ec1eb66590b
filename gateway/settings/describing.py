"""Says what settings are in force, for people. In: Settings. Out: values with their source, secrets masked; and what
each setting takes, in words. Nothing here can show a secret."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from gateway.settings.options import Address, Between, OneOf, Pairs, Secret, Settings, names, option


def sources(settings: Settings) -> dict[str, str]:
    """Where each value came from: `default`, `file …`, `environment …` or `secret file …`."""
    return {key: settings.origin.get(key, "default") for key in names()}


def shown(settings: Settings) -> dict[str, object]:
    """Every value as it may be printed: secrets masked, also the password inside a database address."""
    values: dict[str, object] = {}
    for key in names():
        section, name = key.split(".")
        value: object = getattr(getattr(settings, section), name)
        if isinstance(value, str) and isinstance(option(key).rule, Address):
            value = re.sub(r"(?<=://)([^/@:]*):[^@]*@", r"\1:********@", value)
        values[key] = str(value) if isinstance(value, Path | Secret) else value
    return values


def expected(key: str) -> str:
    """What a setting takes, in words."""
    known = option(key)
    if isinstance(known.rule, OneOf):
        return "one of " + ", ".join(known.rule.words)
    if isinstance(known.rule, Pairs):
        return f"name=word with commas between, each word one of {', '.join(known.rule.words)}"
    if isinstance(known.rule, Address):
        return "an address such as sqlite:///gateway.db or postgresql://user@host/name"
    if isinstance(known.rule, Between):
        return f"a {'whole ' if known.kind is int else ''}number from {known.rule.least} to {known.rule.most}"
    if known.kind is Secret:
        return "a secret"
    return "a path" if known.kind is Path else "a text"


def sqlite_file(settings: Settings) -> Path | None:
    """The file of a SQLite database; None for another engine."""
    head, _, rest = settings.database.url.partition(":///")
    return Path(unquote(rest)) if head.startswith("sqlite") else None
