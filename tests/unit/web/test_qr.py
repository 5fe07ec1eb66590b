"""The code that a telephone scans: drawn as other programs draw it."""

from __future__ import annotations

import hashlib

import pytest

from gateway.web import qr

SMALL = """
#######.#.###.#######
#.....#...#...#.....#
#.###.#..#..#.#.###.#
#.###.#.#...#.#.###.#
#.###.#.###.#.#.###.#
#.....#.####..#.....#
#######.#.#.#.#######
........#..##........
#...#.###.##.#####..#
#...#...##.###.####..
####.###.#.#..####.#.
#.#.##.#.......##..##
##.#.##..##.##..##...
........#...#...#.##.
#######.#.#.###.##.#.
#.....#...###..##..##
#.###.#.####.#.#...#.
#.###.#..##.#..##.###
#.###.#..#.#.##.#....
#.....#..###.#..#....
#######.##.....#.#..#
""".strip()


def test_a_short_text_is_drawn() -> None:
    rows = qr.drawn("otpauth://x")

    assert rows is not None
    assert "\n".join("".join(".#"[one] for one in row) for row in rows) == SMALL


@pytest.mark.parametrize(
    ("length", "side", "digest"),
    [
        (26, 25, "75f7e3b7e4c96ef825c658dc8f26048654715a5777ca2e6003af28e4e0faa957"),
        (84, 37, "d5f50382eece555c70bcb41ed9b7ccb293333f33d3803cd5706e8519967c421b"),
        (130, 49, "213619b9f1874f90008538cdaa042a3911a0688e915f03a7cf379a5da09bd793"),
        (180, 53, "02a0fb926a066dbabccbd6ebed16dff039bc0d33d3e8ad994123c7c3dd1db5e8"),
        (213, 57, "e1bd878b784f5f1df7df76b2b41b6212724de8589b2d9ae150cba14c4a91d256"),
    ],
)
def test_longer_texts_are_drawn_as_another_program_draws_them(length: int, side: int, digest: str) -> None:
    rows = qr.drawn("otpauth://totp/".ljust(length, "a"))

    assert rows is not None
    assert len(rows) == side
    told = "\n".join("".join(map(str, row)) for row in rows)
    assert hashlib.sha256(told.encode()).hexdigest() == digest


def test_a_text_that_is_too_long_is_not_drawn() -> None:
    assert qr.drawn("a" * 214) is None
    assert qr.path("ă" * 107) is None


def test_the_path_keeps_a_quiet_zone() -> None:
    found = qr.path("otpauth://x")

    assert found is not None
    side, path = found
    assert side == 21 + 8
    assert path.startswith("M4,4h1v1h-1z")


def test_a_terminal_shows_the_same_modules_two_rows_to_a_line() -> None:
    text = "otpauth://totp/Office:An?secret=ABCDEFGHIJKLMNOP&issuer=Office"
    rows = qr.drawn(text)
    assert rows is not None

    shown = qr.lines(text)

    halves = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    read = [[halves[sign][half] for sign in line] for line in shown for half in (0, 1)]
    inner = [row[qr.QUIET : -qr.QUIET] for row in read[qr.QUIET : qr.QUIET + len(rows)]]
    assert inner == rows
    assert {module for row in read[: qr.QUIET] for module in row} == {0}, "the quiet zone is light"
    assert qr.lines("x" * 500) == []
