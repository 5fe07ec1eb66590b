"""The node's own rules for telling an agency's certificate from a person's: `roles.toml` beside the anchors, a list of
`[[rule]]` with `role`, `part` and `is` or `begins`. In: the folder. Out: rules in the order of the file, or Misconfigured
that names what to mend."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.domain.signatures import Role, RoleRule
from gateway.errors import Misconfigured

FILE = "roles.toml"
_MOST_BYTES = 256 * 1024


def read(folder: Path) -> tuple[RoleRule, ...]:
    """The rules; none where the file is not there."""
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        with path.open("rb") as file:
            told = tomllib.loads(file.read(_MOST_BYTES).decode())
    except OSError as why:
        raise Misconfigured(f"{path} cannot be read: {why.strerror}") from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise Misconfigured(f"{path} is no TOML file: {why}") from why
    found = told.get("rule")
    if set(told) - {"rule"} or not isinstance(found, list):
        raise Misconfigured(f"{path} must hold [[rule]] entries and nothing else")
    return tuple(_rule(each, n, path) for n, each in enumerate(found, start=1))


def _rule(told: object, n: int, path: Path) -> RoleRule:
    hint = 'write role = "agency" or "person", part = "user_id" or another part, and is = "…" or begins = "…"'
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise Misconfigured(f"{path}: rule {n} holds something else than text", hint=hint)
    given = set(told)
    if given not in ({"role", "part", "is"}, {"role", "part", "begins"}) or told["role"] not in [*Role]:
        raise Misconfigured(f"{path}: rule {n} cannot be understood", hint=hint)
    return RoleRule(
        role=Role(told["role"]),
        part=told["part"],
        value=told["begins"] if "begins" in told else told["is"],
        begins="begins" in told,
    )
