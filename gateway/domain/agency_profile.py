"""Profile of an agency: settings that its administrator chooses, each with its versions. In: the table of settings, stored
versions, the time. Out: the version in force, and the stored form of a typed text. Pure. A new setting is one row of the
table, with its words under `profile.{key}`; one that a rule uses is also a field of `policy.profile.Profile`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from gateway.domain import office_profile
from gateway.domain.account import HostedAgency
from gateway.domain.office_calendar import WEEK
from gateway.domain.seals import CAPACITIES
from gateway.domain.timer_table import TIMERS, TimerRow
from gateway.words import labels

UNDO_SECONDS: Final = "undo_seconds"
NUMBERING: Final = "numbering"
UNSIGNED_OUT: Final = "unsigned_out"
UNSIGNED_IN: Final = "unsigned_in"
PAPER_TYPES: Final = "paper_types"
RULEBOOK: Final = "rulebook"
HEADING_PARENT: Final = "heading_parent"
HEADING_PLACE: Final = "heading_place"
WRONG_SEAL: Final = "wrong_seal"
UNKNOWN_SIGNER: Final = "unknown_signer"
OUT_NUMBERING: Final = "out_numbering"
OUT_BOOKS: Final = "out_books"
ABBREVIATION: Final = "abbreviation"
TYPE_MARKS: Final = "type_marks"
UNIT_MARKS: Final = "unit_marks"
SIGNING_ACTS: Final = "signing_acts"
RIGHTS_CONFIRMED: Final = "rights_confirmed"
SUGGESTIONS: Final = "suggestions"
EMBLEM: Final = "emblem"
EMBLEM_BYTES: Final = 200 * 1024
OFF, ON = "off", "on"
MARK: Final = "mark"
HOLD: Final = "hold"
"""What happens to mail whose seal is not its sender's: it is marked, or held for a person."""
HOSTED: Final = "hosted"
"""Default of a value that the agency got when it was hosted, with `gateway host`."""
SHIPPED: Final = "shipped"
"""Default of a value for which the node has no setting: the first choice, or nothing."""
AMOUNT: Final = "amount:"
"""Beginning of a default that is a number which ships with the program."""
OF_RULES: Final = "profile."
"""Beginning of a default that is a field of the node's rules, such as `profile.unsigned_lead`."""
MOST_TABLE_ROWS: Final = 200
_KEYS = ("key", "type")
"""First columns that name each row once."""
FINGERPRINT_DIGITS: Final = 16
READY_BOOKS: Final = "QPPL |  | YYYY | type; BS |  | SY, TrS, SL | one; HC |  | * | type"


class ValueForm(StrEnum):
    """Form of a setting's values."""

    NUMBER = "number"
    CHOICE = "choice"
    SEVERAL = "several"
    """Any number of the choices, with commas between."""
    TEXT = "text"
    TABLE = "table"
    """Rows of cells, as one text: a vertical bar between cells, a semicolon between rows."""
    PICTURE = "picture"
    """Fingerprint of a picture that is kept for the agency."""


@dataclass(frozen=True, slots=True)
class Column:
    """Column of a table: a text, a day, or one of its choices."""

    name: str
    _: KW_ONLY
    is_needed: bool = True
    is_day: bool = False
    choices: tuple[str, ...] = ()
    longest: int = 200
    pattern: str = ""

    def read(self, text: str) -> str | None:
        """Return the stored form of a cell; None for one that the column does not take."""
        word = " ".join(text.split())
        if not word:
            return None if self.is_needed else ""
        if self.choices:
            return word if word in self.choices else None
        if self.is_day:
            return _stored_day(word)
        fits = not self.pattern or re.fullmatch(self.pattern, word) is not None
        return word if len(word) <= self.longest and word.isprintable() and fits else None


UNIT_MARK: Final = Column("mark", longest=20, pattern=r"[^\W_][\w.&-]*")


def _stored_marks(text: str) -> str | None:
    """Return marks of units, with commas between; None where one is no mark, or stands twice."""
    marks = [UNIT_MARK.read(part) for part in text.split(",")]
    typed_text = [mark for mark in marks if mark is not None]
    return ", ".join(typed_text) if len({mark.casefold() for mark in typed_text}) == len(marks) else None


def _stored_day(word: str) -> str | None:
    parts = word.split("/")
    try:
        day = date(*map(int, parts[::-1])) if len(parts) == 3 else date.fromisoformat(word)
    except ValueError:
        return None
    return day.isoformat()


@dataclass(frozen=True, slots=True)
class ProfileSetting:
    """One setting: a whole number within its bounds, one or several of its choices, a line of text, or a table. `default`
    names what holds where the agency chose nothing; `default_table` is a table that holds there. The choices of SEVERAL are
    the tails of the label `words`. `rule` is the rule behind the setting, whose basis is shown with it."""

    key: str
    form: ValueForm
    _: KW_ONLY
    default: str = SHIPPED
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()
    words: str = ""
    rule: str = ""
    columns: tuple[Column, ...] = ()
    default_table: str = ""
    reads: Callable[[str], str | None] | None = None
    """Reads a text that has a form of its own."""

    @property
    def options(self) -> Sequence[str]:
        return self.choices or (labels.tails(self.words) if self.words else ())

    def read(self, text: str) -> str | None:
        """Return the stored form of a typed text; None for one that the setting does not take. An empty text is the default
        again."""
        word = text.strip()
        if not word:
            return ""
        if self.form is ValueForm.TABLE:
            return self._read_table(word)
        if self.reads is not None and len(word) <= self.most and word.isprintable():
            return self.reads(word)
        if self.form is ValueForm.TEXT:
            return word if len(word) <= self.most and word.isprintable() else None
        if self.form is ValueForm.SEVERAL:
            parts = {part.strip() for part in word.split(",") if part.strip()}
            options = self.options
            return ",".join(o for o in options if o in parts) if parts <= {*options} else None
        if self.form is ValueForm.CHOICE:
            return word if word in self.choices else None
        if not (word.isascii() and word.isdigit() and len(word) < 10):
            return None
        number = int(word)
        return str(number) if self.least <= number <= self.most else None

    def _read_table(self, text: str) -> str | None:
        """Return the table as one text. None where a row has other columns, a cell is not taken, or two rows begin alike in
        a table with a key."""
        stored_rows = []
        for cells in split_table(text):
            if len(cells) != len(self.columns):
                return None
            stored = [column.read(cell) for column, cell in zip(self.columns, cells, strict=True)]
            row = [cell for cell in stored if cell is not None]
            if len(row) < len(stored):
                return None
            stored_rows.append(row)
        keys = [row[0].casefold() for row in stored_rows]
        has_key = self.columns[0].name in _KEYS
        if len(stored_rows) > MOST_TABLE_ROWS or (has_key and len({*keys}) < len(keys)):
            return None
        return "; ".join(" | ".join(row) for row in stored_rows)


def split_table(text: str) -> list[list[str]]:
    """Split a table into the cells of its rows; rows may also be lines."""
    rows = text.replace("\n", ";").split(";")
    return [[cell.strip() for cell in row.split("|")] for row in rows if row.strip()]


def fingerprint(picture: bytes) -> str:
    """Return the value that stands for a picture: the first digits of its SHA-256."""
    return hashlib.sha256(picture).hexdigest()[:FINGERPRINT_DIGITS]


def _stored_fingerprint(word: str) -> str | None:
    is_fingerprint = len(word) == FINGERPRINT_DIGITS and {*word} <= {*"0123456789abcdef"}
    return word if is_fingerprint else None


def _timer_setting(row: TimerRow) -> ProfileSetting:
    """Return the setting for the length of a timer."""
    return ProfileSetting(
        row.profile_key,
        ValueForm.NUMBER,
        default=f"{AMOUNT}{row.amount}",
        least=row.least,
        most=row.most,
        rule=row.timer.rule,
    )


_CALENDAR_SETTINGS = (
    ProfileSetting(
        office_profile.HOURS,
        ValueForm.TEXT,
        default="office.hours",
        most=100,
        rule="R113",
        reads=office_profile.stored_hours,
    ),
    ProfileSetting(
        office_profile.WEEKDAYS,
        ValueForm.SEVERAL,
        default="office.weekdays",
        choices=WEEK,
        words="profile.weekday",
        rule="R113",
    ),
    ProfileSetting(
        office_profile.OWN_DAYS, ValueForm.TEXT, most=1200, rule="R113", reads=office_profile.stored_days
    ),
    ProfileSetting(
        office_profile.DIGEST_HOURS,
        ValueForm.TEXT,
        default="mail.digest_at",
        most=60,
        rule="T15",
        reads=office_profile.stored_times,
    ),
    ProfileSetting(
        office_profile.QUIET,
        ValueForm.SEVERAL,
        default=AMOUNT,
        choices=tuple(row.timer.value for row in TIMERS.values() if row.sends_mail),
        words="timer",
        rule="R97",
    ),
)

SETTINGS: Final[Mapping[str, ProfileSetting]] = {
    setting.key: setting
    for setting in (
        ProfileSetting(
            UNDO_SECONDS, ValueForm.NUMBER, default="pages.undo_act_s", least=0, most=60, rule="R139"
        ),
        ProfileSetting(NUMBERING, ValueForm.CHOICE, default=HOSTED, choices=("A", "B", "C"), rule="R36"),
        ProfileSetting(
            UNSIGNED_OUT,
            ValueForm.CHOICE,
            default=f"{OF_RULES}unsigned_lead",
            choices=("refuse", "warn"),
            rule="R22",
        ),
        ProfileSetting(UNSIGNED_IN, ValueForm.CHOICE, choices=("take", "mark", "hold"), rule="R20"),
        ProfileSetting(WRONG_SEAL, ValueForm.CHOICE, choices=(MARK, HOLD), rule="R23"),
        ProfileSetting(UNKNOWN_SIGNER, ValueForm.CHOICE, choices=("ask", "warn"), rule="R19"),
        ProfileSetting(PAPER_TYPES, ValueForm.SEVERAL, words="type", rule="R6"),
        ProfileSetting(OUT_NUMBERING, ValueForm.CHOICE, choices=("A", "B", "C"), rule="R34"),
        ProfileSetting(
            OUT_BOOKS,
            ValueForm.TABLE,
            rule="R33",
            columns=(
                Column("key", longest=20),
                Column("name", is_needed=False),
                Column("marks"),
                Column("series", choices=("type", "one")),
            ),
            default_table=READY_BOOKS,
        ),
        ProfileSetting(ABBREVIATION, ValueForm.TEXT, most=25, rule="R35"),
        ProfileSetting(
            TYPE_MARKS,
            ValueForm.TABLE,
            rule="R35",
            columns=(Column("type", longest=100), Column("mark", longest=10)),
        ),
        ProfileSetting(UNIT_MARKS, ValueForm.TEXT, most=400, rule="R35", reads=_stored_marks),
        ProfileSetting(
            SIGNING_ACTS,
            ValueForm.TABLE,
            rule="R28",
            columns=(
                Column("person", longest=50),
                Column("capacity", choices=CAPACITIES),
                Column("scope", is_needed=False),
                Column("act", longest=100),
                Column("from", is_day=True),
                Column("to", is_day=True, is_needed=False),
            ),
        ),
        ProfileSetting(RIGHTS_CONFIRMED, ValueForm.CHOICE, choices=(OFF, ON), rule="R122"),
        ProfileSetting(SUGGESTIONS, ValueForm.CHOICE, choices=(ON, OFF), rule="R139"),
        *_CALENDAR_SETTINGS,
        *(_timer_setting(row) for row in TIMERS.values() if row.profile_key),
        ProfileSetting(HEADING_PARENT, ValueForm.TEXT, most=200, rule="R17"),
        ProfileSetting(HEADING_PLACE, ValueForm.TEXT, most=100, rule="R17"),
        ProfileSetting(
            EMBLEM, ValueForm.PICTURE, most=FINGERPRINT_DIGITS, rule="R139", reads=_stored_fingerprint
        ),
        ProfileSetting(RULEBOOK, ValueForm.TEXT, most=200, rule="R139"),
    )
}

CALENDAR_KEYS: Final = tuple(
    key for key in SETTINGS if key in office_profile.CALENDAR or key.startswith("timer_")
)
"""Settings that change the agency's calendar or the lengths of its timers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileVersion:
    """Value of one setting, from a time on; the empty value is the default again. `set_by_name` is the name of who set it,
    as it was then."""

    id: str
    key: str
    value: str
    set_by: str
    set_at: datetime
    from_when: datetime
    set_by_name: str = ""


def find_in_force(versions: Iterable[ProfileVersion], key: str, at: datetime) -> ProfileVersion | None:
    """Return the newest version of the setting whose time has come; None where the node's default holds. A later
    version replaces an earlier plan."""
    begun = [version for version in versions if version.key == key and version.from_when <= at]
    return max(begun, key=lambda version: (version.set_at, version.id), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """Head of the papers that an agency prints (R17, parts of a document): its name, that of the agency above it, and the
    place name that stands before the date. `emblem` is the fingerprint of its emblem; `picture` has the bytes, for a
    printer."""

    agency: str
    parent: str = ""
    place: str = ""
    emblem: str = ""
    picture: bytes = b""


def letterhead_of(agency: HostedAgency, chosen: Mapping[str, ProfileVersion]) -> Letterhead:
    """Return the head by what the agency chose, else by what the node knows of it."""
    parent, place, emblem = (chosen.get(key) for key in (HEADING_PARENT, HEADING_PLACE, EMBLEM))
    return Letterhead(
        agency=agency.name,
        parent=parent.value if parent else agency.parent_name or "",
        place=place.value if place else "",
        emblem=emblem.value if emblem else "",
    )


def chosen_in_force(versions: Iterable[ProfileVersion], at: datetime) -> Mapping[str, ProfileVersion]:
    """Return the versions in force by their settings, without those that are the default again."""
    listed = tuple(versions)
    if not listed:
        return {}
    keys = dict.fromkeys([version.key for version in listed])
    settings_in_force = {key: find_in_force(listed, key, at) for key in keys}
    return {
        key: version for key, version in settings_in_force.items() if version is not None and version.value
    }
