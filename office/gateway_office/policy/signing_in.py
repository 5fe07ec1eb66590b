"""Holds the rules of signing in: the form of a password (R87) and its age (T19), login names (R86), how long a caller waits
after failures, when a session is over and what its person must do first. In: what was typed, the numbers of a profile,
times. Out: every rule that a password breaks at once, a free login name, until when tries are refused, why a session is
over, or duties. Pure: whether a password was used before is compared with hashes by the flow, with `PAST` as its answer. An
unknown name waits like all others, so that waiting reveals nothing. And the effects of time on an account: what becomes of
an unused one (R89, R90), which limits run on it and when each is reached (T19 to T21), soonest first; an agency's only
clerk and the last administrator are never taken out, only reported."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import chain, count, pairwise

from gateway.domain.person import AccountStanding, Person
from gateway.domain.text import fold
from gateway.domain.timer_table import IDLE_WARNED_BEFORE
from gateway_office.domain.roles import Post, PostRole
from gateway_office.domain.session import Factor, FailedTries, Session, SessionEnd, SignInDuty

LONGEST_PASSWORD = 1024
LEAST_DIFFERENT = 5
LONGEST_RUN = 4
SHORTEST_NAME = 4
REMINDERS = (14, 7, 1)
# Signs that replace a letter in passwords.
_READS_AS = str.maketrans(
    {"@": "a", "4": "a", "3": "e", "1": "i", "!": "i", "0": "o", "$": "s", "5": "s", "7": "t"}
)
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb", "1234567890")
# Words common in passwords of offices, without accents, digits and signs. A password of nothing but such words, with digits
# and signs around them, is guessed first.
_KNOWN_WORDS = frozenset(
    (  # noqa: SIM905 - one word a line would be a page
        "aaa abc abcd abcde abcdef asd asdf qwe qwer qwerty qaz wsx edc zxc zxcv password pass passwd "
        "pwd admin administrator root user guest test demo login welcome hello default changeme change "
        "letmein master secret system server office iloveyou love dragon monkey football sunshine "
        "princess superman computer internet matkhau mat khau mk taikhoan dangnhap macdinh quantri "
        "quantrivien nguoidung vanthu vanphong vanban congvan chuyenvien lanhdao giamdoc truongphong "
        "chutich canbo lienthong trucvanban coquan hanhchinh ubnd uyban hdnd sonoivu sotttt phuong xa "
        "huyen tinh quan thanhpho thitran vietnam viet nam vn hanoi noi saigon hcm tphcm danang hue "
        "haiphong cantho quangninh ninhbinh thanhhoa nghean bentre xinchao chao anhyeuem yeuem emyeuanh "
        "yeu em anh hanhphuc giadinh bome tet xuan ha thu dong thang ngay january november december "
        "spring summer"
    ).split()
)
FIRST_WAIT = timedelta(seconds=1)
IDLE = "idle"


class LoginStyle(StrEnum):
    """Local styles of login names: what is added on a clash, and whether given names are shortened."""

    SECOND = "second"
    """`tranvana`, then `tranvana2`."""
    NEXT = "next"
    """`nguyenvanan`, then `nguyenvanan1`."""
    INITIALS = "initials"
    """Initials of surname and middle name, then the given name and a tail: `pstoan.ldld`."""


# Words of an agency's name that its short form omits.
_AGENCY_HEAD = ("uy ban nhan dan", "ubnd")


def login_of_person(full_name: str, style: LoginStyle, used: Collection[str] = (), tail: str = "") -> str:
    """Return the first free name of that style."""
    words = _name_words(full_name)
    if style is LoginStyle.INITIALS:
        base = "".join(word[0] for word in words[:-1]) + (words[-1] if words else "")
        base += f".{tail}" if tail else ""
    else:
        base = "".join(words)
    start = 1 if style is LoginStyle.NEXT else 2
    names = chain((base,), (f"{base}{n}" for n in count(start)))
    return next(name for name in names if name not in used)


def short_name(name: str) -> str:
    """Return the initials of an agency's name: `snv`, `hhh`."""
    bare = fold(name)
    for head in _AGENCY_HEAD:
        bare = bare.removeprefix(head + " ")
    return "".join(word[0] for word in _name_words(bare))


def _name_words(text: str) -> list[str]:
    """Return the words of letters and digits alone."""
    bare = "".join(c if c.isascii() and c.isalnum() else " " for c in fold(text))
    return bare.split()


class PasswordFault(StrEnum):
    """Faults of a password; words are `password.` and this."""

    SHORT = "short"
    LONG = "long"
    LOWER = "lower"
    UPPER = "upper"
    DIGIT = "digit"
    SIGN = "sign"
    FEW = "few"
    RUN = "run"
    COMMON = "known"
    NAME = "name"
    PAST = "past"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRules:
    """Rules for passwords. `age` None: a password does not grow old."""

    least: int = 8
    remembered: int = 5
    age: timedelta | None = timedelta(days=90)


def password_faults(
    password: str, rules: PasswordRules, names: Iterable[str] = ()
) -> tuple[PasswordFault, ...]:
    """Return every rule that a password breaks; none for a good one."""
    if len(password) > LONGEST_PASSWORD:
        return (PasswordFault.LONG,)
    checks = (
        (PasswordFault.SHORT, len(password) < rules.least),
        (PasswordFault.LOWER, not any(c.islower() for c in password)),
        (PasswordFault.UPPER, not any(c.isupper() for c in password)),
        (PasswordFault.DIGIT, not any(c.isdecimal() for c in password)),
        (PasswordFault.SIGN, all(c.isalnum() for c in password)),
        (PasswordFault.FEW, len(set(password)) < LEAST_DIFFERENT),
        (PasswordFault.RUN, _longest_run(fold(password)) > LONGEST_RUN),
        (PasswordFault.COMMON, _is_known(password)),
        (PasswordFault.NAME, _is_named(password, names)),
    )
    return tuple(fault for fault, broken in checks if broken)


def password_days_left(password_at: datetime, rules: PasswordRules, now: datetime) -> int | None:
    """Return the whole days before it must be changed, 0 on the last of them; None where it does not grow old."""
    if rules.age is None:
        return None
    return (password_at + rules.age - now) // timedelta(days=1)


def is_password_too_old(password_at: datetime, rules: PasswordRules, now: datetime) -> bool:
    return rules.age is not None and now >= password_at + rules.age


def password_reminder(password_at: datetime, rules: PasswordRules, now: datetime) -> int | None:
    """Return the reminder that is due: 14, 7 or 1 days before; None before the first one and when it is too late."""
    days_left = password_days_left(password_at, rules, now)
    if days_left is None or is_password_too_old(password_at, rules, now):
        return None
    return min((days for days in REMINDERS if days_left <= days), default=None)


def _is_known(password: str) -> bool:
    bare = fold(password)
    ends = [n for n, c in enumerate(bare) if c.isalpha()]
    core = bare[ends[0] : ends[-1] + 1] if ends else ""
    read = "".join(c for c in core.translate(_READS_AS) if c.isalpha())
    plain = "".join(c for c in core if c.isalpha())
    return bool(core) and any(_is_made_of_words(text) for text in {read, plain})


def _is_made_of_words(text: str) -> bool:
    """Tell whether the letters are nothing but known words in a row."""

    @cache
    def splits(at: int) -> bool:
        return at == len(text) or any(
            text[at:to] in _KNOWN_WORDS and splits(to) for to in range(at + 2, min(len(text), at + 16) + 1)
        )

    return len(text) <= 64 and splits(0)


def _is_named(password: str, names: Iterable[str]) -> bool:
    """Tell whether it contains a name, also with signs and blanks between the letters."""
    bare = "".join(c for c in fold(password) if c.isalnum())
    bare_names = ("".join(c for c in fold(name) if c.isalnum()) for name in names)
    return any(len(name) >= SHORTEST_NAME and name in bare for name in bare_names)


def _longest_run(text: str) -> int:
    """Return the longest run of equal signs, or of signs that follow each other in the alphabet, in numbers or on a
    keyboard."""
    longest = run = 1 if text else 0
    same = None
    for first, second in pairwise(text):
        ways = _directions(first, second)
        run, same = (run + 1, same & ways) if same and same & ways else (2, ways) if ways else (1, None)
        longest = max(longest, run)
    return longest


def _directions(first: str, second: str) -> frozenset[str]:
    """Return the directions in which the second sign follows the first."""
    directions = {f"code{ord(second) - ord(first)}"} if abs(ord(second) - ord(first)) <= 1 else set()
    for n, row in enumerate(_KEYBOARD):
        if first + second in row:
            directions.add(f"row{n}")
        if second + first in row:
            directions.add(f"back{n}")
    return frozenset(directions)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRules:
    """Rules against guessing. An account locks after `by_name` failures. An address may stand for a whole office behind one
    line: it fails more often, and from then on waits twice as long each time."""

    by_name: int = 5
    lock: timedelta = timedelta(minutes=15)
    by_address: int = 20
    forget: timedelta = timedelta(hours=1)


def one_more_failure(tries: FailedTries, rules: SlowRules, now: datetime) -> FailedTries:
    """Count one more failure; old ones are forgotten."""
    earlier = 0 if _is_forgotten(tries, rules, now) else tries.failures
    return FailedTries(failures=earlier + 1, last_at=now)


def name_waits_until(tries: FailedTries, rules: SlowRules, now: datetime) -> datetime | None:
    """Lock for a while at every `by_name`th failure; between them there is no wait."""
    if tries.last_at is None or tries.failures == 0 or tries.failures % rules.by_name:
        return None
    return _if_future(tries.last_at + rules.lock, now)


def address_waits_until(tries: FailedTries, rules: SlowRules, now: datetime) -> datetime | None:
    excess = tries.failures - rules.by_address
    if tries.last_at is None or excess < 0 or _is_forgotten(tries, rules, now):
        return None
    return _if_future(tries.last_at + min(FIRST_WAIT * 2 ** min(excess, 20), rules.lock), now)


def _is_forgotten(tries: FailedTries, rules: SlowRules, now: datetime) -> bool:
    return tries.last_at is None or now - tries.last_at >= rules.forget


def _if_future(moment: datetime, now: datetime) -> datetime | None:
    return moment if now < moment else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """Rules for sessions. `idle` ends an unused session, `total` every one; `touch` is how often its use is written down.
    Persons with one of the `second_factor` posts must set one up."""

    idle: timedelta = timedelta(minutes=30)
    total: timedelta = timedelta(hours=12)
    warn: timedelta = timedelta(minutes=2)
    touch: timedelta = timedelta(minutes=1)
    second_factor: frozenset[PostRole] = frozenset()


def session_over(session: Session, rules: SessionRules, now: datetime) -> SessionEnd | None:
    """Return why a session is over by the clock; a limit that is reached is over."""
    if session.ended_why is not None:
        return session.ended_why
    if now >= session.ends_at:
        return SessionEnd.EXPIRED
    return SessionEnd.IDLE if now >= session.seen_at + rules.idle else None


def session_ends_at(session: Session, rules: SessionRules) -> datetime:
    """Return when a session ends unless it is used; pages warn `warn` before."""
    return min(session.ends_at, session.seen_at + rules.idle)


def duties_of(
    person: Person,
    factor: Factor,
    posts: Iterable[Post],
    passwords: PasswordRules,
    rules: SessionRules,
    now: datetime,
) -> tuple[SignInDuty, ...]:
    """Return the duties that come before anything else."""
    duties = []
    if person.must_change or (
        person.password_at is not None and is_password_too_old(person.password_at, passwords, now)
    ):
        duties.append(SignInDuty.CHANGE_PASSWORD)
    needed = any(post.role in rules.second_factor and post.holds(now) for post in posts)
    if needed and factor is Factor.NONE:
        duties.append(SignInDuty.SET_UP_FACTOR)
    return tuple(duties)


class AccountMeasure(StrEnum):
    """Measures towards an unused account; none for `FINE`."""

    FINE = "fine"
    WARN = "warn"
    """Reported to the person, the agency's administrator and the operator."""
    LOCK = "lock"
    """Never used since it was made."""
    SUSPEND = "suspend"
    WITHDRAW = "withdraw"
    SPARED = "kept"
    """It would be taken out, but is needed: reported to administrator and operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRules:
    """Rules for unused accounts. None: the rule is off."""

    warn: timedelta | None = timedelta(days=60)
    suspend: timedelta | None = timedelta(days=183)
    withdraw_after: timedelta | None = timedelta(days=15)
    lock_new: timedelta | None = None
    ahead: timedelta = timedelta(days=IDLE_WARNED_BEFORE)


def judge_idle(
    person: Person,
    rules: IdleRules,
    now: datetime,
    *,
    has_post: bool,
    is_needed: bool,
    traffic_at: datetime | None = None,
) -> AccountMeasure:
    """Return the measure due at that moment. Repeating a call changes nothing: a warning is given once for each step. A
    person without a post has no account of the pages: those who decide about trust sign in only when needed. Suspension
    counts from the later of the last sign-in and `traffic_at`, when an agency of the person last sent or received: one
    that works by its document system is not idle (T21)."""
    if is_idle(person) and person.standing_at is not None:
        delay = rules.withdraw_after
        is_over = delay is not None and not is_needed and now >= person.standing_at + delay
        return AccountMeasure.WITHDRAW if is_over else AccountMeasure.FINE
    if not has_post or person.blocked_at is not None or person.standing is not AccountStanding.ACTIVE:
        return AccountMeasure.FINE
    ends = _possible_ends(person, rules, traffic_at)
    due = next((measure for measure, at in ends if now >= at), None)
    out = min((at for _, at in ends), default=None)
    if due is None:
        return AccountMeasure.WARN if _is_to_warn(person, rules, out, now) else AccountMeasure.FINE
    if not is_needed:
        return due
    # Reported once for each idle time, and again only after another one.
    return AccountMeasure.SPARED if _is_unwarned(person, out or now) else AccountMeasure.FINE


def is_idle(person: Person) -> bool:
    """Tell whether idleness, and no person, suspended the account."""
    return person.standing is AccountStanding.SUSPENDED and person.standing_why == IDLE


def _active_at(person: Person, traffic_at: datetime | None) -> datetime:
    return max(person.used_at, traffic_at or person.used_at)


def _possible_ends(
    person: Person, rules: IdleRules, traffic_at: datetime | None
) -> list[tuple[AccountMeasure, datetime]]:
    """Return how and when it is taken out, unless it is used before."""
    ends = []
    if person.last_login_at is None and rules.lock_new is not None:
        ends.append((AccountMeasure.LOCK, person.added_at + rules.lock_new))
    if rules.suspend is not None:
        ends.append((AccountMeasure.SUSPEND, _active_at(person, traffic_at) + rules.suspend))
    return ends


def _is_to_warn(person: Person, rules: IdleRules, out: datetime | None, now: datetime) -> bool:
    """Tell whether a warning is due: at the step of warning, and once more shortly before it is taken out."""
    steps = [person.used_at + rules.warn] if rules.warn is not None else []
    steps += [out - rules.ahead] if out is not None else []
    return any(now >= step and _is_unwarned(person, step) for step in steps)


def _is_unwarned(person: Person, step: datetime) -> bool:
    return person.warned_at is None or person.warned_at < step


class Limit(StrEnum):
    """Effects of limits when they are reached; words are `limit.` and this."""

    LINK = "link"
    """The one-time link is good no longer."""
    PASSWORD = "password"  # noqa: S105 - a limit
    UNUSED = "unused"
    WARNED = "warned"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    POST = "post"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningLimit:
    limit: Limit
    at: datetime


def limits_of(
    person: Person,
    passwords: PasswordRules,
    idle: IdleRules,
    *,
    link_until: datetime | None = None,
    posts_until: Sequence[datetime] = (),
    traffic_at: datetime | None = None,
) -> tuple[RunningLimit, ...]:
    """Return the limits that run on an account; none on one that a person locked, suspended or withdrew."""
    if is_idle(person):
        delay = idle.withdraw_after
        out = person.standing_at + delay if person.standing_at is not None and delay is not None else None
        return _soonest_first((Limit.WITHDRAWN, out))
    if person.standing is not AccountStanding.ACTIVE or person.blocked_at is not None:
        return ()
    used = person.used_at
    return _soonest_first(
        (Limit.LINK, link_until if person.enrolled_at is None else None),
        (
            Limit.PASSWORD,
            person.password_at + passwords.age if person.password_at and passwords.age else None,
        ),
        (Limit.UNUSED, used + idle.lock_new if person.last_login_at is None and idle.lock_new else None),
        (Limit.WARNED, used + idle.warn if idle.warn is not None and person.warned_at is None else None),
        (
            Limit.SUSPENDED,
            _active_at(person, traffic_at) + idle.suspend if idle.suspend is not None else None,
        ),
        *((Limit.POST, at) for at in posts_until),
    )


def _soonest_first(*limits: tuple[Limit, datetime | None]) -> tuple[RunningLimit, ...]:
    running = [RunningLimit(limit=limit, at=at) for limit, at in limits if at is not None]
    return tuple(sorted(running, key=lambda r: r.at))
