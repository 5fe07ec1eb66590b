"""Manages the credentials of a node on a foreign axis, one set per system with the agencies that it stands for; on some
axes an application also signs in for all its agencies. In: a TOML file of `[[system]]`, or one set from the settings.
Out: the credentials of each agency. The file is read again when it changes; after a refusal, also when one of its secret
files changes. Refused credentials are not tried again until they change, because repetition may lock the account."""

from __future__ import annotations

import logging
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.domain.registry import fold_code
from gateway.errors import Misconfigured
from gateway.log import action

_log = logging.getLogger(__name__)
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Credentials that an application signs in with."""

    username: str
    password: str = field(repr=False)
    application: str


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One set of credentials. Without agencies it stands for all of this node. `login` is set where an application signs
    in first."""

    id: str
    secret: str = field(repr=False)
    agencies: tuple[str, ...] = ()
    source: str = ""
    login: Login | None = None

    def speaks_for(self, code: str) -> bool:
        return not self.agencies or fold_code(code) in {fold_code(agency) for agency in self.agencies}


class Systems:
    """The credentials in force, and which of them the axis refused."""

    def __init__(self, file: Path | None, configured: System | None, *, with_login: bool = False) -> None:
        """`with_login`: each `[[system]]` is an application, whose agencies have their own credentials."""
        self._file, self._given, self._with_login = file, configured, with_login
        self._stamps: Mapping[Path, _Stamp | None] = {}
        self._beside: tuple[Path, ...] = ()
        self._known: tuple[System, ...] = ()
        self._refused: dict[str, tuple[System, str]] = {}
        self._fault = ""
        if file is None and configured is None:
            raise Misconfigured(
                "the axis needs credentials and none are set",
                hint="name the file that has them (credentials), or set system and the file of its secret",
            )

    def all(self) -> Sequence[System]:
        """Return the systems that may be used now, after reading changed files."""
        if self._file is None:
            self._known = (self._given,) if self._given is not None else ()
        else:
            self._look(self._file)
        self._refused = {
            id: (refused, why) for id, (refused, why) in self._refused.items() if refused in self._known
        }
        return [system for system in self._known if system.id not in self._refused]

    def system_for(self, code: str) -> System | None:
        """Return the usable system that speaks for this agency, preferring one that names it; None where there is none."""
        candidates = [system for system in self.all() if system.speaks_for(code)]
        return next(
            (system for system in candidates if system.agencies), candidates[0] if candidates else None
        )

    def ids_for(self, code: str) -> frozenset[str]:
        """Return the ids of systems that stand for this agency, refused or not."""
        return frozenset(system.id for system in self._known if system.speaks_for(code))

    def may(self, system: System) -> bool:
        """Tell whether the system was not refused since the last call of `all`."""
        return system.id not in self._refused

    def refuse(self, system: System, why: str, *, with_login: bool = False) -> None:
        """Note that the axis refused the system; `with_login`: and with it all systems of the same login."""
        alike = [x for x in self._known if x.login == system.login] if with_login else []
        self._refused |= {x.id: (x, why) for x in (system, *alike)}
        action(_log, "axis.credentials_refused", why, system=system.id, file=system.source)

    def refused(self) -> Mapping[str, tuple[str, str]]:
        """Return the refused systems by id: the reason, and the file to mend."""
        self.all()
        return {id: (why, system.source) for id, (system, why) in self._refused.items()}

    def fault(self) -> str:
        """Return why the credentials cannot be read; empty while they can."""
        self.all()
        return self._fault

    def alarm(self) -> str:
        """Return why some systems make no calls, and the files to mend; empty while all may."""
        alike: dict[tuple[str, str], list[str]] = {}
        for id, cause in self.refused().items():
            alike.setdefault(cause, []).append(id)
        refused = (
            f"the axis refuses the credentials of {_few(ids)} ({why}); no call is made with them until {source} is mended"
            for (why, source), ids in alike.items()
        )
        return "; ".join(filter(None, (self._fault, *refused)))

    def why_not(self, code: str) -> str:
        """Return why no system speaks for this agency now."""
        return self.alarm() or f"no credentials for {code} in {self.source}; add its system there"

    @property
    def source(self) -> str:
        """Place where the credentials are set."""
        return str(self._file or (self._given.source if self._given else "the settings"))

    def _look(self, file: Path) -> None:
        """Read changed files. While the file is unreadable, the last good credentials stay in force, and `fault` has the
        error."""
        watched = (file, *(self._beside if self._refused or self._fault else ()))
        if self._stamps and all(self._stamps.get(path) == _stamp(path) for path in watched):
            return
        stamp, stamps = _stamp(file), _Stamps()
        try:
            self._known = _read(file, stamps, with_login=self._with_login)
            self._fault = ""
            if self._stamps:
                self._refused.clear()  # a changed file means that a person wants another try
        except Misconfigured as why:
            action(_log, "axis.credentials_unread", str(why), file=str(file))
            self._fault = str(why)
        self._beside = tuple(stamps)
        self._stamps = {file: stamp, **stamps}
        for path, seen_stamp in self._stamps.items():
            if seen_stamp is not None and seen_stamp.is_open:
                action(_log, "axis.credentials_open", "other users can read it; chmod 600", file=str(path))


@dataclass(frozen=True, slots=True)
class _Stamp:
    changed_ns: int
    size: int
    is_open: bool = field(compare=False)  # changing permissions does not mend the content


_Stamps = dict[Path, _Stamp | None]


def _stamp(file: Path) -> _Stamp | None:
    """Return size and time of a file's last change; None where there is no file."""
    try:
        info = file.stat()
    except OSError:
        return None
    return _Stamp(info.st_mtime_ns, info.st_size, bool(stat.S_IMODE(info.st_mode) & 0o077))


def _few(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return ", ".join(ids[:_MOST_NAMED]) + more


def _read(file: Path, stamps: _Stamps, *, with_login: bool) -> tuple[System, ...]:
    """Read the credentials. `stamps` gets the stamp of each secret file, taken before it is read."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as why:
        raise Misconfigured(f"the credentials {file} cannot be read: {why}") from why
    rows = tables.get("system")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise Misconfigured(f"{file} has no [[system]]")
    if with_login:
        systems = tuple(system for row in rows for system in _of_application(row, file, stamps))
    else:
        systems = tuple(_system(row, file, stamps) for row in rows)
    ids = [system.id for system in systems]
    if len(set(ids)) != len(ids):
        raise Misconfigured(f"{file} names one system twice")
    return systems


def _system(row: Mapping[str, Any], file: Path, stamps: _Stamps) -> System:
    texts = _texts(row, file, "secret", stamps)
    _needs(texts, ("id", "secret"), f"a [[system]] of {file}")
    codes = row.get("agencies", [])
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise Misconfigured(f"agencies of a [[system]] of {file} are codes in quotes")
    return System(id=texts["id"], secret=texts["secret"], agencies=tuple(codes), source=str(file))


def _of_application(row: Mapping[str, Any], file: Path, stamps: _Stamps) -> Iterator[System]:
    """Yield one system per agency of an application."""
    texts = _texts(row, file, "password", stamps)
    _needs(texts, ("username", "password", "application"), f"a [[system]] of {file}")
    login = Login(username=texts["username"], password=texts["password"], application=texts["application"])
    tables = row.get("agencies")
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise Misconfigured(
            f"agencies of a [[system]] of {file} are tables: {{code = …, system = …, secret_file = …}}"
        )
    for table in tables:
        own = _texts(table, file, "secret", stamps)
        _needs(own, ("code", "secret"), f"an agency of a [[system]] of {file}")
        yield System(
            id=own.get("system") or own["code"],
            secret=own["secret"],
            agencies=(own["code"],),
            source=str(file),
            login=login,
        )


def _texts(row: Mapping[str, Any], file: Path, secret: str, stamps: _Stamps) -> dict[str, str]:
    """Return a table's text values, with the secret read from its own file where one is named."""
    texts = {name: value for name, value in row.items() if isinstance(value, str)}
    if own := texts.pop(f"{secret}_file", ""):
        path = file.parent / own
        stamps[path] = _stamp(path)
        texts[secret] = _first_line(path)
    return texts


def _needs(texts: Mapping[str, str], names: Sequence[str], owner: str) -> None:
    """Raise Misconfigured where a text is missing or not printable."""
    if missing := [name for name in names if not texts.get(name)]:
        raise Misconfigured(f"{owner} lacks {', '.join(missing)}")
    if odd := [name for name, text in texts.items() if not text.isprintable()]:
        raise Misconfigured(f"{owner}: {', '.join(odd)} has signs that cannot be sent")


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as why:
        raise Misconfigured(f"the secret {file} cannot be read: {why}") from why
