"""Several axes and the routes between them, as `[[axes]]` and `[[routes]]` of the settings file say them. In: those tables,
and the environment's own words for single values of an axis. Out: frozen entries, or faults in words. Every axis has its
own values of the section `axis` and of its kind's own, all in one table: `[[axes]] name = "province", kind = "amqp",
servers = …`. A value that must not stand in a file comes from `GATEWAY_AXES_PROVINCE_PASSWORD_FILE`, or from the file that
`password_file` names."""

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
"""Takes a setting's key, its name for messages and its raw value; returns the typed value, or None with a fault added."""
_OWN = ("name", "kind", "serves", "away_s")
_OF_ROUTE = ("to", "from", "axes", "away", "unsure", "form")
# Kinds whose session vouches for the sender; elsewhere receivers refuse unsigned packets.
_VOUCHING = ("vxp", "lgsp")


def read_axes(
    tables: object, words: Mapping[str, object], check: Check, data_dir: Path, faults: list[str]
) -> tuple[NamedAxis, ...]:
    """Read the axes. `words` are the environment's, by NAME.SETTING; they win."""
    axis_tables = _tables("axes", tables, faults)
    if len(axis_tables) > MOST_AXES:
        faults.append(f"axes: expected at most {MOST_AXES}, found {len(axis_tables)}")
    axes: dict[str, NamedAxis] = {}
    for n, axis_table in enumerate(axis_tables, 1):
        name = axis_table.get("name")
        if not isinstance(name, str) or not AXIS_NAME.fullmatch(name):
            faults.append(
                f"axes {n}: expected name, small letters and digits such as province; found {name!r}"
            )
        elif name in axes:
            faults.append(f"axes {n}: there is an axis named {name} already")
        else:
            own = {key.partition(".")[2]: word for key, word in words.items() if key.startswith(f"{name}.")}
            axis = _axis(name, {**axis_table, **own}, check, data_dir, faults)
            axes[name] = axis
    strange = sorted({key.partition(".")[0] for key in words} - axes.keys())
    faults += [
        f"axes.{name}: no axis of that name is in [[axes]] (environment GATEWAY_AXES_{name.upper()}_…)"
        for name in strange
    ]
    return tuple(axes.values())


def _axis(
    name: str, axis_table: Mapping[str, object], check: Check, data_dir: Path, faults: list[str]
) -> NamedAxis:
    kind = check("axis.kind", f"axes.{name}.kind", axis_table.get("kind", "embedded"))
    section = AXIS_SECTIONS.get(str(kind))
    keys = {f.name: f"axis.{f.name}" for f in fields(SECTIONS["axis"])}
    if section is not None:
        keys |= {f.name: f"{section}.{f.name}" for f in fields(SECTIONS[section])}
    parts_by_section: dict[str, dict[str, Any]] = {"axis": {}, **({section: {}} if section else {})}
    for key, raw in axis_table.items():
        if key in _OWN:
            continue
        setting = keys.get(key) or keys.get(key.removesuffix(OF_FILE) if _is_secret_file(key, keys) else "")
        if setting is None:
            near = get_close_matches(key, [*keys, *_OWN], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            if kind is not None:
                faults.append(f"axes.{name}.{key}: an axis of kind {kind} has no such setting{hint}")
            continue
        label = f"axes.{name}.{key}"
        if key not in keys:
            raw = _first_line(label, raw, check, faults)
            if raw is None:
                continue
        part, _, field = setting.partition(".")
        if (checked := check(setting, label, raw)) is not None:
            parts_by_section[part][field] = checked
    if kind is not None:
        parts_by_section["axis"]["kind"] = kind
    parts_by_section["axis"].setdefault("folder", data_dir / "axes" / name)
    if section == "amqp" and not parts_by_section[section].get("servers"):
        faults.append(
            f"axes.{name}.servers: expected the broker's address, because its kind is amqp; found none"
        )
    away_s = axis_table.get("away_s", NamedAxis.__dataclass_fields__["away_s"].default)
    if not isinstance(away_s, int) or isinstance(away_s, bool) or not 0 <= away_s <= 3600:
        faults.append(f"axes.{name}.away_s: expected a whole number from 0 to 3600, found {away_s!r}")
        away_s = 0
    return NamedAxis(
        name=name,
        serves=_patterns(f"axes.{name}.serves", axis_table.get("serves", []), faults),
        away_s=away_s,
        parts={part: SECTIONS[part](**chosen) for part, chosen in parts_by_section.items()},
    )


def _is_secret_file(key: str, keys: Mapping[str, str]) -> bool:
    plain = key.removesuffix(OF_FILE)
    return plain != key and plain in keys and option(keys[plain]).is_secret


def _first_line(key: str, path_text: object, check: Check, faults: list[str]) -> str | None:
    """Read the first line of a secret's file."""
    path = check("keys.folder", key, path_text)  # any path: relative to the settings file
    try:
        text = Path(str(path)).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r") if path else ""
    except (OSError, UnicodeDecodeError):
        faults.append(f"{key}: expected a readable secret file, found {path_text}")
        return None
    return text


def read_routes(tables: object, axes: Sequence[NamedAxis], faults: list[str]) -> tuple[RouteSettings, ...]:
    """Read one route for each pattern. Where there is one axis, no route need be written: everything goes there."""
    route_tables = _tables("routes", tables, faults)
    if len(route_tables) > MOST_ROUTES:
        faults.append(f"routes: expected at most {MOST_ROUTES}, found {len(route_tables)}")
        return ()
    if route_tables and not axes:
        faults.append("routes: expected [[axes]] for them to lead to; found none")
        return ()
    if not route_tables and len(axes) == 1:
        return (RouteSettings(to="*", axes=(axes[0].name,)),)
    count = len(faults)
    routes = [r for n, route_table in enumerate(route_tables, 1) for r in _route(n, route_table, faults)]
    if axes and len(faults) == count:
        faults += table.faults(rules(routes), [a.name for a in axes])
        faults += _unsigned_ways(routes, {a.name: a.parts["axis"].kind for a in axes})
    return tuple(routes)


def _unsigned_ways(routes: Sequence[RouteSettings], kinds: Mapping[str, str]) -> list[str]:
    """List faults of routes with unsigned files on axes whose session does not vouch."""
    unsigned: dict[str, None] = {}
    for route in routes:
        for name in route.axes:
            if route.form != Form.STANDARD and kinds.get(name, _VOUCHING[0]) not in _VOUCHING:
                unsigned[
                    f"routes ({route.to}): form = {route.form} leaves the signature out, and the axis {name} is of kind "
                    f"{kinds[name]}: its partners refuse unsigned envelopes. Only an axis whose session vouches may "
                    f"carry it ({', '.join(_VOUCHING)}); name only such axes, or remove the form"
                ] = None
    return list(unsigned)


def rules(routes: Sequence[RouteSettings]) -> tuple[Rule, ...]:
    """Convert the routes to rules of the route table."""
    return tuple(
        Rule(
            to=Pattern.read(route.to),
            sender=Pattern.read(route.sender),
            axes=route.axes,
            away=OnTrouble(route.away),
            unsure=OnTrouble(route.unsure),
            form=Form(route.form),
        )
        for route in routes
    )


def _route(n: int, route_table: Mapping[str, object], faults: list[str]) -> list[RouteSettings]:
    count, place = len(faults), f"routes {n}"
    for strange in sorted(route_table.keys() - set(_OF_ROUTE)):
        near = get_close_matches(strange, _OF_ROUTE, n=1)
        faults.append(f"{place}.{strange}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))
    to = _patterns(f"{place}.to", route_table.get("to"), faults)
    sender = _patterns(f"{place}.from", route_table.get("from", "*"), faults)
    axes = _texts(f"{place}.axes", route_table.get("axes"), faults)
    words = {}
    for key in ("away", "unsure"):
        words[key] = route_table.get(key, "wait")
        if words[key] not in ("wait", "next"):
            faults.append(f"{place}.{key}: expected one of wait, next; found {words[key]!r}")
    words["form"] = route_table.get("form", "standard")
    if words["form"] not in list(Form):
        faults.append(f"{place}.form: expected one of {', '.join(Form)}; found {words['form']!r}")
    if len(faults) > count:
        return []
    chosen = {key: str(word) for key, word in words.items()}
    return [RouteSettings(to=pattern, sender=by, axes=axes, **chosen) for pattern in to for by in sender]


def _patterns(key: str, raw: object, faults: list[str]) -> tuple[str, ...]:
    patterns = _texts(key, raw, faults)
    for pattern in patterns:
        try:
            Pattern.read(pattern)
        except ValueError as why:
            faults.append(f"{key}: {why}")
    return patterns


def _texts(key: str, raw: object, faults: list[str]) -> tuple[str, ...]:
    """Return one text, or a list of them, as a tuple."""
    texts = [raw] if isinstance(raw, str) else raw
    if not isinstance(texts, list) or not all(isinstance(t, str) for t in texts):
        faults.append(f"{key}: expected a text or a list of texts, found {raw!r}")
        return ()
    return tuple(texts)


def _tables(key: str, raw: object, faults: list[str]) -> list[Mapping[str, object]]:
    if raw is None:
        return []
    if isinstance(raw, list) and raw and all(isinstance(t, dict) for t in raw):
        return list(raw)
    faults.append(f"{key}: expected entries that each begin with [[{key}]]")
    return []
