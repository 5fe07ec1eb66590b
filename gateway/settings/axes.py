"""Several axes and the routes between them, as `[[axes]]` and `[[routes]]` of the settings file say them. In: those tables,
and the environment's own words for single values of an axis. Out: frozen entries, or faults in words.

Every axis has its own values of the section `axis` and of its kind's own, all in one table: `[[axes]] name =
"province", kind = "amqp", servers = …`. What must not stand in a file comes from
`GATEWAY_AXES_PROVINCE_PASSWORD_FILE`, or from the file that `password_file` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from gateway.domain import routes as table
from gateway.domain.forms import Form
from gateway.domain.routes import AXIS_NAME, OnTrouble, Pattern, Rule
from gateway.settings.options import (
    AXIS_SECTIONS,
    SECTIONS,
    NamedAxis,
    RouteSettings,
    option,
)

MOST_AXES, MOST_ROUTES = 16, 1000
OF_FILE = "_file"
Check = Callable[[str, str, object], object]
"""A setting's name, what to call it and its value as it was given: the value in its type, or None with the fault told."""
_OWN = ("name", "kind", "serves", "away_s")
_OF_ROUTE = ("to", "from", "axes", "away", "unsure", "form")
# The kinds whose session vouches for the sender: elsewhere what nobody signed is refused by whoever receives it.
_VOUCHING = ("vxp", "lgsp")


def read_axes(
    given: object, words: Mapping[str, object], check: Check, data_dir: Path, faults: list[str]
) -> tuple[NamedAxis, ...]:
    """`words` are the environment's, by NAME.SETTING; they win."""
    entries = _tables("axes", given, faults)
    if len(entries) > MOST_AXES:
        faults.append(f"axes: expected at most {MOST_AXES}, found {len(entries)}")
    found: dict[str, NamedAxis] = {}
    for n, entry in enumerate(entries, 1):
        name = entry.get("name")
        if not isinstance(name, str) or not AXIS_NAME.fullmatch(name):
            faults.append(
                f"axes {n}: expected name, small letters and digits such as province; found {name!r}"
            )
        elif name in found:
            faults.append(f"axes {n}: there is an axis named {name} already")
        else:
            own = {key.partition(".")[2]: word for key, word in words.items() if key.startswith(f"{name}.")}
            axis = _axis(name, {**entry, **own}, check, data_dir, faults)
            found[name] = axis
    strange = sorted({key.partition(".")[0] for key in words} - found.keys())
    faults += [
        f"axes.{name}: no axis of that name is in [[axes]] (environment GATEWAY_AXES_{name.upper()}_…)"
        for name in strange
    ]
    return tuple(found.values())


def _axis(
    name: str, entry: Mapping[str, object], check: Check, data_dir: Path, faults: list[str]
) -> NamedAxis:
    kind = check("axis.kind", f"axes.{name}.kind", entry.get("kind", "embedded"))
    section = AXIS_SECTIONS.get(str(kind))
    keys = {each.name: f"axis.{each.name}" for each in fields(SECTIONS["axis"])}
    if section is not None:
        keys |= {each.name: f"{section}.{each.name}" for each in fields(SECTIONS[section])}
    values: dict[str, dict[str, Any]] = {"axis": {}, **({section: {}} if section else {})}
    for key, value in entry.items():
        if key in _OWN:
            continue
        known = keys.get(key) or keys.get(key.removesuffix(OF_FILE) if _is_secret_file(key, keys) else "")
        if known is None:
            near = get_close_matches(key, [*keys, *_OWN], n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            if kind is not None:
                faults.append(f"axes.{name}.{key}: an axis of kind {kind} has no such setting{meant}")
            continue
        what = f"axes.{name}.{key}"
        if key not in keys:
            value = _first_line(what, value, check, faults)
            if value is None:
                continue
        part, _, field = known.partition(".")
        if (taken := check(known, what, value)) is not None:
            values[part][field] = taken
    if kind is not None:
        values["axis"]["kind"] = kind
    values["axis"].setdefault("folder", data_dir / "axes" / name)
    if section == "amqp" and not values[section].get("servers"):
        faults.append(
            f"axes.{name}.servers: expected the broker's address, because its kind is amqp; found none"
        )
    away_s = entry.get("away_s", NamedAxis.__dataclass_fields__["away_s"].default)
    if not isinstance(away_s, int) or isinstance(away_s, bool) or not 0 <= away_s <= 3600:
        faults.append(f"axes.{name}.away_s: expected a whole number from 0 to 3600, found {away_s!r}")
        away_s = 0
    return NamedAxis(
        name=name,
        serves=_patterns(f"axes.{name}.serves", entry.get("serves", []), faults),
        away_s=away_s,
        parts={part: SECTIONS[part](**chosen) for part, chosen in values.items()},
    )


def _is_secret_file(key: str, keys: Mapping[str, str]) -> bool:
    plain = key.removesuffix(OF_FILE)
    return plain != key and plain in keys and option(keys[plain]).is_secret


def _first_line(what: str, given: object, check: Check, faults: list[str]) -> str | None:
    """Of a secret's file."""
    path = check("keys.folder", what, given)  # any path: relative to the settings file
    try:
        text = Path(str(path)).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r") if path else ""
    except (OSError, UnicodeDecodeError):
        faults.append(f"{what}: expected a readable secret file, found {given}")
        return None
    return text


def read_routes(given: object, axes: Sequence[NamedAxis], faults: list[str]) -> tuple[RouteSettings, ...]:
    """One for each pattern. Where there is one axis, no route need be written: everything goes there."""
    entries = _tables("routes", given, faults)
    if len(entries) > MOST_ROUTES:
        faults.append(f"routes: expected at most {MOST_ROUTES}, found {len(entries)}")
        return ()
    if entries and not axes:
        faults.append("routes: expected [[axes]] for them to lead to; found none")
        return ()
    if not entries and len(axes) == 1:
        return (RouteSettings(to="*", axes=(axes[0].name,)),)
    before = len(faults)
    found = [one for n, entry in enumerate(entries, 1) for one in _route(n, entry, faults)]
    if axes and len(faults) == before:
        faults += table.faults(rules(found), [each.name for each in axes])
        faults += _unsigned_ways(found, {each.name: each.parts["axis"].kind for each in axes})
    return tuple(found)


def _unsigned_ways(routes: Sequence[RouteSettings], kinds: Mapping[str, str]) -> list[str]:
    """Faults of routes whose files nobody signs, on axes that vouch for nobody."""
    found: dict[str, None] = {}
    for each in routes:
        for name in each.axes:
            if each.form != Form.STANDARD and kinds.get(name, _VOUCHING[0]) not in _VOUCHING:
                found[
                    f"routes ({each.to}): form = {each.form} leaves the signature out, and the axis {name} is of kind "
                    f"{kinds[name]}: its partners refuse what nobody signed. Only an axis whose session vouches may "
                    f"carry it ({', '.join(_VOUCHING)}); name such axes alone, or take the form away"
                ] = None
    return list(found)


def rules(given: Sequence[RouteSettings]) -> tuple[Rule, ...]:
    """What was read, as the table has it."""
    return tuple(
        Rule(
            to=Pattern.read(one.to),
            sender=Pattern.read(one.sender),
            axes=one.axes,
            away=OnTrouble(one.away),
            unsure=OnTrouble(one.unsure),
            form=Form(one.form),
        )
        for one in given
    )


def _route(n: int, entry: Mapping[str, object], faults: list[str]) -> list[RouteSettings]:
    before, what = len(faults), f"routes {n}"
    for strange in sorted(entry.keys() - set(_OF_ROUTE)):
        near = get_close_matches(strange, _OF_ROUTE, n=1)
        faults.append(f"{what}.{strange}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    to = _patterns(f"{what}.to", entry.get("to"), faults)
    sender = _patterns(f"{what}.from", entry.get("from", "*"), faults)
    axes = _texts(f"{what}.axes", entry.get("axes"), faults)
    words = {}
    for key in ("away", "unsure"):
        words[key] = entry.get(key, "wait")
        if words[key] not in ("wait", "next"):
            faults.append(f"{what}.{key}: expected one of wait, next; found {words[key]!r}")
    words["form"] = entry.get("form", "standard")
    if words["form"] not in list(Form):
        faults.append(f"{what}.form: expected one of {', '.join(Form)}; found {words['form']!r}")
    if len(faults) > before:
        return []
    chosen = {key: str(word) for key, word in words.items()}
    return [RouteSettings(to=one, sender=by, axes=axes, **chosen) for one in to for by in sender]


def _patterns(what: str, given: object, faults: list[str]) -> tuple[str, ...]:
    found = _texts(what, given, faults)
    for each in found:
        try:
            Pattern.read(each)
        except ValueError as why:
            faults.append(f"{what}: {why}")
    return found


def _texts(what: str, given: object, faults: list[str]) -> tuple[str, ...]:
    """One text, or a list of them."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        faults.append(f"{what}: expected a text or a list of texts, found {given!r}")
        return ()
    return tuple(texts)


def _tables(what: str, given: object, faults: list[str]) -> list[Mapping[str, object]]:
    if given is None:
        return []
    if isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
        return list(given)
    faults.append(f"{what}: expected entries that each begin with [[{what}]]")
    return []
