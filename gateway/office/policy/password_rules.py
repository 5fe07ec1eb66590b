"""What a password must be (R87), and when it is too old (T19). In: a password as typed, names that must not stand in it,
times. Out: every rule that it breaks at once, or how many days it has left. Pure: whether it was used before is asked of
the hashes by the flow, with `PAST` as its answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import pairwise

from gateway.domain.text import fold

LONGEST = 1024
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
_KNOWN = frozenset(
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


class Fault(StrEnum):
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


def faults(password: str, rules: PasswordRules, names: Iterable[str] = ()) -> tuple[Fault, ...]:
    """Every rule that it breaks; none for one that is good."""
    if len(password) > LONGEST:
        return (Fault.LONG,)
    found = (
        (Fault.SHORT, len(password) < rules.least),
        (Fault.LOWER, not any(each.islower() for each in password)),
        (Fault.UPPER, not any(each.isupper() for each in password)),
        (Fault.DIGIT, not any(each.isdecimal() for each in password)),
        (Fault.SIGN, all(each.isalnum() for each in password)),
        (Fault.FEW, len(set(password)) < LEAST_DIFFERENT),
        (Fault.RUN, _longest_run(fold(password)) > LONGEST_RUN),
        (Fault.KNOWN, _is_known(password)),
        (Fault.NAME, _is_named(password, names)),
    )
    return tuple(fault for fault, broken in found if broken)


def days_left(password_at: datetime, rules: PasswordRules, now: datetime) -> int | None:
    """Whole days before it must be changed, 0 on the last of them; None where it does not grow old."""
    if rules.age is None:
        return None
    return (password_at + rules.age - now) // timedelta(days=1)


def is_too_old(password_at: datetime, rules: PasswordRules, now: datetime) -> bool:
    return rules.age is not None and now >= password_at + rules.age


def reminder(password_at: datetime, rules: PasswordRules, now: datetime) -> int | None:
    """Which of the reminders is due: 14, 7 or 1 days before; None before the first one and when it is too late."""
    left = days_left(password_at, rules, now)
    if left is None or is_too_old(password_at, rules, now):
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
            text[at:to] in _KNOWN and rest(to) for to in range(at + 2, min(len(text), at + 16) + 1)
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
