"""The rules of signing in: what a password must be (R87) and when it is too old (T19), names to sign in with (R86), how
long somebody waits who signed in wrongly, when a session is over and what its person must do first. In: what was typed, the
numbers of a profile, times. Out: every rule that a password breaks at once, a name that nobody has, until when nothing is
tried, why a session is over, or duties. Pure: whether a password was used before is asked of the hashes by the flow, with
`PAST` as its answer. A name that nobody has waits like all others, so waiting tells nothing. And what time alone does to an
account: what becomes of one that nobody uses (R89, R90), which limits run on it and when each is reached (T19 to T21),
soonest first; an agency's only clerk and the last administrator are never taken out: of them it is told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import chain, count, pairwise

from gateway.domain.person import AccountStanding, Person
from gateway.domain.text import fold
from gateway.office.domain.roles import Post, PostRole
from gateway.office.domain.session import Ended, Factor, FailedTries, Session, SignInDuty


class LoginStyle(StrEnum):
    """Local rules: what a clash adds, and whether given names are shortened."""

    SECOND = "second"
    """`tranvana`, then `tranvana2`."""
    NEXT = "next"
    """`nguyenvanan`, then `nguyenvanan1`."""
    INITIALS = "initials"
    """Initials of surname and middle name, then the given name and a tail: `pstoan.ldld`."""


# Words of an agency's name that its short form leaves out.
_AGENCY_HEAD = ("uy ban nhan dan", "ubnd")


def login_of_person(full_name: str, style: LoginStyle, taken: Collection[str] = (), tail: str = "") -> str:
    """The first free name of that style."""
    words = _name_words(full_name)
    if style is LoginStyle.INITIALS:
        base = "".join(word[0] for word in words[:-1]) + (words[-1] if words else "")
        base += f".{tail}" if tail else ""
    else:
        base = "".join(words)
    start = 1 if style is LoginStyle.NEXT else 2
    names = chain((base,), (f"{base}{n}" for n in count(start)))
    return next(name for name in names if name not in taken)


def short_name(name: str) -> str:
    """Initials of an agency's name: `snv`, `hhh`."""
    bare = fold(name)
    for head in _AGENCY_HEAD:
        bare = bare.removeprefix(head + " ")
    return "".join(word[0] for word in _name_words(bare))


def _name_words(text: str) -> list[str]:
    """Words of letters and digits alone."""
    bare = "".join(each if each.isascii() and each.isalnum() else " " for each in fold(text))
    return bare.split()


LONGEST_PASSWORD = 1024
LEAST_DIFFERENT = 5
LONGEST_RUN = 4
SHORTEST_NAME = 4
REMINDERS = (14, 7, 1)

# What stands for a letter in passwords that only look odd.
_READS_AS = str.maketrans(
    {"@": "a", "4": "a", "3": "e", "1": "i", "!": "i", "0": "o", "$": "s", "5": "s", "7": "t"}
)
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb", "1234567890")
# Words that passwords of offices are made of, without accents, digits and signs. A password that is nothing but such words,
# with digits and signs around them, is what is tried first.
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


class PasswordFault(StrEnum):
    """Why a password is not taken; words are `password.` and this."""

    SHORT = "short"
    LONG = "long"
    LOWER = "lower"
    UPPER = "upper"
    DIGIT = "digit"
    SIGN = "sign"
    FEW = "few"
    RUN = "run"
    KNOWN = "known"
    NAME = "name"
    PAST = "past"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRules:
    """The numbers. `age` None: a password does not grow old."""

    least: int = 8
    remembered: int = 5
    age: timedelta | None = timedelta(days=90)


def password_faults(
    password: str, rules: PasswordRules, names: Iterable[str] = ()
) -> tuple[PasswordFault, ...]:
    """Every rule that it breaks; none for one that is good."""
    if len(password) > LONGEST_PASSWORD:
        return (PasswordFault.LONG,)
    found = (
        (PasswordFault.SHORT, len(password) < rules.least),
        (PasswordFault.LOWER, not any(each.islower() for each in password)),
        (PasswordFault.UPPER, not any(each.isupper() for each in password)),
        (PasswordFault.DIGIT, not any(each.isdecimal() for each in password)),
        (PasswordFault.SIGN, all(each.isalnum() for each in password)),
        (PasswordFault.FEW, len(set(password)) < LEAST_DIFFERENT),
        (PasswordFault.RUN, _longest_run(fold(password)) > LONGEST_RUN),
        (PasswordFault.KNOWN, _is_known(password)),
        (PasswordFault.NAME, _is_named(password, names)),
    )
    return tuple(fault for fault, broken in found if broken)


def password_days_left(password_at: datetime, rules: PasswordRules, now: datetime) -> int | None:
    """Whole days before it must be changed, 0 on the last of them; None where it does not grow old."""
    if rules.age is None:
        return None
    return (password_at + rules.age - now) // timedelta(days=1)


def is_password_too_old(password_at: datetime, rules: PasswordRules, now: datetime) -> bool:
    return rules.age is not None and now >= password_at + rules.age


def password_reminder(password_at: datetime, rules: PasswordRules, now: datetime) -> int | None:
    """Which of the reminders is due: 14, 7 or 1 days before; None before the first one and when it is too late."""
    left = password_days_left(password_at, rules, now)
    if left is None or is_password_too_old(password_at, rules, now):
        return None
    return min((each for each in REMINDERS if left <= each), default=None)


def _is_known(password: str) -> bool:
    bare = fold(password)
    ends = [n for n, each in enumerate(bare) if each.isalpha()]
    core = bare[ends[0] : ends[-1] + 1] if ends else ""
    read = "".join(each for each in core.translate(_READS_AS) if each.isalpha())
    plain = "".join(each for each in core if each.isalpha())
    return bool(core) and any(_of_known_words(each) for each in {read, plain})


def _of_known_words(text: str) -> bool:
    """Whether the letters are nothing but known words, one behind the other."""

    @cache
    def rest(at: int) -> bool:
        return at == len(text) or any(
            text[at:to] in _KNOWN_WORDS and rest(to) for to in range(at + 2, min(len(text), at + 16) + 1)
        )

    return len(text) <= 64 and rest(0)


def _is_named(password: str, names: Iterable[str]) -> bool:
    """Signs and blanks between the letters hide no name."""
    bare = "".join(each for each in fold(password) if each.isalnum())
    wanted = ("".join(each for each in fold(name) if each.isalnum()) for name in names)
    return any(len(name) >= SHORTEST_NAME and name in bare for name in wanted)


def _longest_run(text: str) -> int:
    """Of signs that follow each other in the alphabet, in numbers or on a keyboard, or are the same."""
    longest = run = 1 if text else 0
    kept = None
    for one, other in pairwise(text):
        ways = _ways(one, other)
        run, kept = (run + 1, kept & ways) if kept and kept & ways else (2, ways) if ways else (1, None)
        longest = max(longest, run)
    return longest


def _ways(one: str, other: str) -> frozenset[str]:
    """How the second follows the first."""
    found = {f"code{ord(other) - ord(one)}"} if abs(ord(other) - ord(one)) <= 1 else set()
    for n, row in enumerate(_KEYBOARD):
        if one + other in row:
            found.add(f"row{n}")
        if other + one in row:
            found.add(f"back{n}")
    return frozenset(found)


FIRST_WAIT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRules:
    """An account locks after `by_name` failures. An address may stand for a whole office behind one line: it fails more
    often, and from then on waits twice as long each time."""

    by_name: int = 5
    lock: timedelta = timedelta(minutes=15)
    by_address: int = 20
    forget: timedelta = timedelta(hours=1)


def one_more_failure(tries: FailedTries, rules: SlowRules, now: datetime) -> FailedTries:
    """One more; those of long ago are forgotten."""
    before = 0 if _is_forgotten(tries, rules, now) else tries.failures
    return FailedTries(failures=before + 1, last_at=now)


def name_waits_until(tries: FailedTries, rules: SlowRules, now: datetime) -> datetime | None:
    """Each `by_name`th failure locks for a while; between them there is no wait."""
    if tries.last_at is None or tries.failures == 0 or tries.failures % rules.by_name:
        return None
    return _later(tries.last_at + rules.lock, now)


def address_waits_until(tries: FailedTries, rules: SlowRules, now: datetime) -> datetime | None:
    over = tries.failures - rules.by_address
    if tries.last_at is None or over < 0 or _is_forgotten(tries, rules, now):
        return None
    return _later(tries.last_at + min(FIRST_WAIT * 2 ** min(over, 20), rules.lock), now)


def _is_forgotten(tries: FailedTries, rules: SlowRules, now: datetime) -> bool:
    return tries.last_at is None or now - tries.last_at >= rules.forget


def _later(until: datetime, now: datetime) -> datetime | None:
    return until if now < until else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """`idle` ends a session that nobody uses, `whole` every one; `touch` is how often its use is written down. Whoever has
    one of the `second_factor` posts must set one up."""

    idle: timedelta = timedelta(minutes=30)
    whole: timedelta = timedelta(hours=12)
    warn: timedelta = timedelta(minutes=2)
    touch: timedelta = timedelta(minutes=1)
    second_factor: frozenset[PostRole] = frozenset()


def session_over(session: Session, rules: SessionRules, now: datetime) -> Ended | None:
    """Why it is over by the clock; a limit that is reached is over."""
    if session.ended_why is not None:
        return session.ended_why
    if now >= session.ends_at:
        return Ended.EXPIRED
    return Ended.IDLE if now >= session.seen_at + rules.idle else None


def session_ends_at(session: Session, rules: SessionRules) -> datetime:
    """When it ends unless it is used; pages warn `warn` before."""
    return min(session.ends_at, session.seen_at + rules.idle)


def duties_of(
    person: Person,
    factor: Factor,
    posts: Iterable[Post],
    passwords: PasswordRules,
    rules: SessionRules,
    now: datetime,
) -> tuple[SignInDuty, ...]:
    """What comes before anything else."""
    found = []
    if person.must_change or (
        person.password_at is not None and is_password_too_old(person.password_at, passwords, now)
    ):
        found.append(SignInDuty.CHANGE_PASSWORD)
    needed = any(each.role in rules.second_factor and each.holds(now) for each in posts)
    if needed and factor is Factor.NONE:
        found.append(SignInDuty.SET_UP_FACTOR)
    return tuple(found)


IDLE = "idle"


class AccountMeasure(StrEnum):
    """What is to be done; nothing for `FINE`."""

    FINE = "fine"
    WARN = "warn"
    """Told to the person, the agency's administrator and the operator."""
    LOCK = "lock"
    """Never used since it was made."""
    SUSPEND = "suspend"
    WITHDRAW = "withdraw"
    KEPT = "kept"
    """It would be taken out, and somebody needs it: told to administrator and operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRules:
    """The numbers of a profile. None: not asked for."""

    warn: timedelta | None = timedelta(days=60)
    suspend: timedelta | None = timedelta(days=183)
    withdraw_after: timedelta | None = timedelta(days=15)
    lock_new: timedelta | None = None
    ahead: timedelta = timedelta(days=7)


def judge_idle(
    person: Person, rules: IdleRules, now: datetime, *, has_post: bool, is_needed: bool
) -> AccountMeasure:
    """The verdict at that moment. The same again changes nothing: a warning is given once for each step. Whoever has no
    post is no account of the pages: those who decide about trust sign in when there is something."""
    if is_idle(person) and person.standing_at is not None:
        after = rules.withdraw_after
        is_over = after is not None and not is_needed and now >= person.standing_at + after
        return AccountMeasure.WITHDRAW if is_over else AccountMeasure.FINE
    if not has_post or person.blocked_at is not None or person.standing is not AccountStanding.ACTIVE:
        return AccountMeasure.FINE
    ends = _ends(person, rules)
    due = next((measure for measure, at in ends if now >= at), None)
    out = min((at for _, at in ends), default=None)
    if due is None:
        return AccountMeasure.WARN if _is_to_warn(person, rules, out, now) else AccountMeasure.FINE
    if not is_needed:
        return due
    # Once for each time that it was idle, and again only after another such time.
    return AccountMeasure.KEPT if _untold(person, out or now) else AccountMeasure.FINE


def is_idle(person: Person) -> bool:
    """Whether idleness, and nobody, took the account out."""
    return person.standing is AccountStanding.SUSPENDED and person.standing_why == IDLE


def _ends(person: Person, rules: IdleRules) -> list[tuple[AccountMeasure, datetime]]:
    """How and when it is taken out, unless it is used before."""
    ends = []
    if person.last_login_at is None and rules.lock_new is not None:
        ends.append((AccountMeasure.LOCK, person.added_at + rules.lock_new))
    if rules.suspend is not None:
        ends.append((AccountMeasure.SUSPEND, person.used_at + rules.suspend))
    return ends


def _is_to_warn(person: Person, rules: IdleRules, out: datetime | None, now: datetime) -> bool:
    """At the step of warning, and once more shortly before it is taken out."""
    steps = [person.used_at + rules.warn] if rules.warn is not None else []
    steps += [out - rules.ahead] if out is not None else []
    return any(now >= step and _untold(person, step) for step in steps)


def _untold(person: Person, step: datetime) -> bool:
    return person.warned_at is None or person.warned_at < step


class Limit(StrEnum):
    """What happens when it is reached; words are `limit.` and this."""

    LINK = "link"
    """The one-time link is good no longer."""
    PASSWORD = "password"  # noqa: S105 - a limit
    UNUSED = "unused"
    WARNED = "warned"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    POST = "post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    limit: Limit
    at: datetime


def limits_of(
    person: Person,
    passwords: PasswordRules,
    idle: IdleRules,
    *,
    link_until: datetime | None = None,
    posts_until: Sequence[datetime] = (),
) -> tuple[Runs, ...]:
    """Nothing runs on an account that somebody locked, suspended or withdrew."""
    if is_idle(person):
        after = idle.withdraw_after
        out = person.standing_at + after if person.standing_at is not None and after is not None else None
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
        (Limit.SUSPENDED, used + idle.suspend if idle.suspend is not None else None),
        *((Limit.POST, each) for each in posts_until),
    )


def _soonest_first(*found: tuple[Limit, datetime | None]) -> tuple[Runs, ...]:
    running = [Runs(limit=limit, at=at) for limit, at in found if at is not None]
    return tuple(sorted(running, key=lambda each: each.at))
