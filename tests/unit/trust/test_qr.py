"""The code that a telephone scans: what is drawn is read back."""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.trust import qr

_MASKS: tuple[Callable[[int, int], bool], ...] = (
    *(lambda y, x: (y + x) % 2 == 0, lambda y, x: y % 2 == 0, lambda y, x: x % 3 == 0),
    *(lambda y, x: (y + x) % 3 == 0, lambda y, x: (y // 2 + x // 3) % 2 == 0),
    *(lambda y, x: y * x % 2 + y * x % 3 == 0, lambda y, x: (y * x % 2 + y * x % 3) % 2 == 0),
    lambda y, x: ((y + x) % 2 + y * x % 3) % 2 == 0,
)


def read(rows: list[list[int]]) -> str:
    """Read a code of 21 modules, whose bytes lie in one block, as a telephone does."""
    side = len(rows)
    mask = _MASKS[(rows[8][2] << 2 | rows[8][3] << 1 | rows[8][4]) ^ 0b101]
    bits, up = [], True
    for right in (*range(side - 1, 6, -2), 5, 3, 1):
        for y in reversed(range(side)) if up else range(side):
            for x in (right, right - 1):
                of_form = y == 6 or (y < 9 and (x < 9 or x >= side - 8)) or (y >= side - 8 and x < 9)
                if not of_form:
                    bits.append(rows[y][x] ^ mask(y, x))
        up = not up
    octets = [int("".join(map(str, bits[n : n + 8])), 2) for n in range(4, len(bits) - 8, 8)]
    assert bits[:4] == [0, 1, 0, 0], "bytes"
    return bytes(octets[1 : 1 + octets[0]]).decode()


def test_a_short_text_is_read_back_and_longer_ones_are_drawn_larger_until_one_is_too_long() -> None:
    for text in ("otpauth://x", "ă", "https://n.vn/a"):
        rows = qr.draw(text)
        assert rows is not None
        assert (len(rows), read(rows)) == (21, text)
    for length, side in ((26, 25), (84, 37), (130, 49), (180, 53), (213, 57)):
        assert len(qr.draw("otpauth://totp/".ljust(length, "a")) or ()) == side
    assert qr.draw("a" * 214) is None
    assert [len(qr.draw(text, on_paper=True) or ()) for text in ("a" * 214, "A" * 3391)] == [61, 177]
    assert qr.draw("A" * 3392, on_paper=True) is None
    assert qr.path("ă" * 107) is None


def test_the_path_keeps_a_quiet_zone_and_a_terminal_shows_the_same_modules_two_rows_to_a_line() -> None:
    qr_path = qr.path("otpauth://x")

    assert qr_path is not None
    side, path = qr_path
    assert side == 21 + 8
    dark = set()
    for y, strokes in re.findall(r"M4,(\d+)\.5([hm,\d]+)", path):
        x = 0
        for act, count in re.findall(r"([hm])(\d+)", strokes):
            dark |= {(x + n, int(y) - qr.QUIET) for n in range(int(count)) if act == "h"}
            x += int(count)
    drawn = qr.draw("otpauth://x") or []
    assert dark == {(x, y) for y, row in enumerate(drawn) for x, bit in enumerate(row) if bit}

    text = "otpauth://totp/Office:An?secret=ABCDEFGHIJKLMNOP&issuer=Office"
    rows = qr.draw(text)
    assert rows is not None

    qr_lines = qr.lines(text)

    halves = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    read = [[halves[sign][half] for sign in line] for line in qr_lines for half in (0, 1)]
    inner = [row[qr.QUIET : -qr.QUIET] for row in read[qr.QUIET : qr.QUIET + len(rows)]]
    assert inner == rows
    assert {module for row in read[: qr.QUIET] for module in row} == {0}, "the quiet zone is light"
    assert qr.lines("x" * 500) == []
