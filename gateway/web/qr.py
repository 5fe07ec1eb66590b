"""Draws a QR code (ISO/IEC 18004) for what an authenticator reads. In: a short text. Out: rows of dark and light, and the
path of an SVG. Byte mode, correction level M, versions 1 to 10: 213 bytes at most. Pure; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby

QUIET = 4
# For each version: correction bytes of a block, and how many blocks carry how many bytes.
_BLOCKS: Sequence[tuple[int, tuple[tuple[int, int], ...]]] = (
    (10, ((1, 16),)),
    (16, ((1, 28),)),
    (26, ((1, 44),)),
    (18, ((2, 32),)),
    (24, ((2, 43),)),
    (16, ((4, 27),)),
    (18, ((4, 31),)),
    (22, ((2, 38), (2, 39))),
    (22, ((3, 36), (2, 37))),
    (26, ((4, 43), (1, 44))),
)
_CENTRES: Sequence[tuple[int, ...]] = (
    *((), (6, 18), (6, 22), (6, 26), (6, 30)),
    *((6, 34), (6, 22, 38), (6, 24, 42), (6, 26, 46), (6, 28, 50)),
)
_FIELD = 0x11D
_FORMAT, _FORMAT_MASK, _VERSION = 0x537, 0x5412, 0x1F25
_FINDER_LIKE = ((1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0), (0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1))

Grid = list[list[int]]


def path(text: str) -> tuple[int, str] | None:
    """The width in modules, quiet zone and all, and the dark ones as one path; None for a text that is too long."""
    rows = drawn(text)
    if rows is None:
        return None
    dark = (
        f"M{x + QUIET},{y + QUIET}h1v1h-1z" for y, row in enumerate(rows) for x, one in enumerate(row) if one
    )
    return len(rows) + 2 * QUIET, "".join(dark)


def lines(text: str) -> list[str]:
    """For a terminal: two rows of modules to a line, light ones drawn, so that it reads on a dark ground; nothing of a text
    that is too long."""
    rows = drawn(text)
    if rows is None:
        return []
    width = len(rows) + 2 * QUIET
    blank = [[0] * width for _ in range(QUIET)]
    whole = [*blank, *([0] * QUIET + row + [0] * QUIET for row in rows), *blank]
    whole += [[1] * width] if len(whole) % 2 else []
    shown = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return [
        "".join(shown[upper, lower] for upper, lower in zip(whole[n], whole[n + 1], strict=True))
        for n in range(0, len(whole), 2)
    ]


def drawn(text: str) -> Grid | None:
    """Rows of 1 for dark and 0 for light, without the quiet zone."""
    data = text.encode()
    version = next((n for n in range(1, 11) if len(data) <= _room(n)), None)
    if version is None:
        return None
    bits = _interleaved(version, _codewords(version, data))
    plain, free = _fixed(version)
    _lay(plain, free, bits)
    return min((_masked(version, plain, free, mask) for mask in range(8)), key=_penalty)


def _capacity(version: int) -> int:
    return sum(count * size for count, size in _BLOCKS[version - 1][1])


def _room(version: int) -> int:
    return _capacity(version) - (3 if version > 9 else 2)


def _codewords(version: int, data: bytes) -> list[int]:
    count = 16 if version > 9 else 8
    bits = f"0100{len(data):0{count}b}" + "".join(f"{each:08b}" for each in data) + "0000"
    bits = bits[: _capacity(version) * 8]
    bits += "0" * (-len(bits) % 8)
    found = [int(bits[n : n + 8], 2) for n in range(0, len(bits), 8)]
    filler = (0xEC, 0x11)
    return found + [filler[n % 2] for n in range(_capacity(version) - len(found))]


def _interleaved(version: int, words: list[int]) -> str:
    size, groups = _BLOCKS[version - 1]
    blocks, at = [], 0
    for count, length in groups:
        for _ in range(count):
            blocks.append(words[at : at + length])
            at += length
    checks = [_correction(each, size) for each in blocks]
    longest = max(len(each) for each in blocks)
    mixed = [each[n] for n in range(longest) for each in blocks if n < len(each)]
    mixed += [each[n] for n in range(size) for each in checks]
    return "".join(f"{each:08b}" for each in mixed)


@cache
def _tables() -> tuple[list[int], list[int]]:
    powers, logs, value = [0] * 512, [0] * 256, 1
    for n in range(255):
        powers[n], logs[value] = value, n
        value = value << 1 ^ (_FIELD if value & 0x80 else 0)
    powers[255:] = [powers[n % 255] for n in range(255, 512)]
    return powers, logs


def _times(one: int, other: int) -> int:
    powers, logs = _tables()
    return powers[logs[one] + logs[other]] if one and other else 0


@cache
def _generator(size: int) -> tuple[int, ...]:
    found = [1]
    for n in range(size):
        root = _tables()[0][n]
        longer = [*found, 0]
        for at, each in enumerate(found):
            longer[at + 1] ^= _times(each, root)
        found = longer
    return tuple(found)


def _correction(block: list[int], size: int) -> list[int]:
    rest = [*block, *[0] * size]
    for n in range(len(block)):
        for at, each in enumerate(_generator(size)):
            rest[n + at] ^= _times(each, rest[n]) if at else 0
    return rest[len(block) :]


def _fixed(version: int) -> tuple[Grid, Grid]:
    """What is the same for every text; and 1 where bits of the text go."""
    side = 17 + 4 * version
    plain, free = [[0] * side for _ in range(side)], [[1] * side for _ in range(side)]

    def put(y: int, x: int, dark: int) -> None:
        if 0 <= y < side and 0 <= x < side:
            plain[y][x], free[y][x] = dark, 0

    for n in range(side):
        put(6, n, 1 - n % 2)
        put(n, 6, 1 - n % 2)
    for top, left in ((3, 3), (3, side - 4), (side - 4, 3)):
        for y in range(-4, 5):
            for x in range(-4, 5):
                put(top + y, left + x, int(max(abs(y), abs(x)) not in (2, 4)))
    centres = _CENTRES[version - 1]
    for cy in centres:
        for cx in centres:
            if (cy, cx) not in ((6, 6), (6, side - 7), (side - 7, 6)):
                for y in range(-2, 3):
                    for x in range(-2, 3):
                        put(cy + y, cx + x, int(max(abs(y), abs(x)) != 1))
    for y, x in (*_format_places(side)[0], *_format_places(side)[1], (side - 8, 8)):
        put(y, x, int((y, x) == (side - 8, 8)))
    if version > 6:
        told = version << 12 | _rest(version << 12, _VERSION)
        for n in range(18):
            put(n // 3, side - 11 + n % 3, told >> n & 1)
            put(side - 11 + n % 3, n // 3, told >> n & 1)
    return plain, free


def _format_places(side: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where the fifteen bits stand, twice, the lowest first."""
    first = [(n, 8) for n in (0, 1, 2, 3, 4, 5, 7, 8)] + [(8, n) for n in (7, 5, 4, 3, 2, 1, 0)]
    second = [(8, side - 1 - n) for n in range(8)] + [(side - 7 + n, 8) for n in range(7)]
    return first, second


def _rest(value: int, divisor: int) -> int:
    while value.bit_length() >= divisor.bit_length():
        value ^= divisor << (value.bit_length() - divisor.bit_length())
    return value


def _lay(plain: Grid, free: Grid, bits: str) -> None:
    given = iter(bits)
    for y, x in _way(len(plain)):
        if free[y][x]:
            plain[y][x] = int(next(given, "0"))


def _way(side: int) -> Iterator[tuple[int, int]]:
    """From the right, two columns at a time, up and down by turns; the timing column is left out."""
    up = True
    for right in (*range(side - 1, 6, -2), 5, 3, 1):
        for y in reversed(range(side)) if up else range(side):
            yield y, right
            yield y, right - 1
        up = not up


def _masked(version: int, plain: Grid, free: Grid, mask: int) -> Grid:
    side = len(plain)
    made = [
        [one ^ (free[y][x] and int(_flips(mask, y, x))) for x, one in enumerate(row)]
        for y, row in enumerate(plain)
    ]
    told = (mask << 10 | _rest(mask << 10, _FORMAT)) ^ _FORMAT_MASK
    for places in _format_places(side):
        for n, (y, x) in enumerate(places):
            made[y][x] = told >> n & 1
    return made


def _flips(mask: int, y: int, x: int) -> bool:
    both, three = y * x, (y * x) % 3
    rules = (
        *((y + x) % 2, y % 2, x % 3, (y + x) % 3, (y // 2 + x // 3) % 2),
        *(both % 2 + three, (both % 2 + three) % 2, ((y + x) % 2 + three) % 2),
    )
    return rules[mask] == 0


def _penalty(rows: Grid) -> int:
    columns = [list(each) for each in zip(*rows, strict=True)]
    side, dark = len(rows), sum(map(sum, rows))
    lines = sum(_line(each) for each in (*rows, *columns))
    squares = sum(
        rows[y][x] == rows[y][x + 1] == rows[y + 1][x] == rows[y + 1][x + 1]
        for y in range(side - 1)
        for x in range(side - 1)
    )
    return lines + 3 * squares + 10 * (abs(dark * 20 - side * side * 10) // (side * side))


def _line(row: list[int]) -> int:
    runs = [len(list(alike)) for _, alike in groupby(row)]
    finders = sum(tuple(row[n : n + 11]) in _FINDER_LIKE for n in range(len(row) - 10))
    return sum(each - 2 for each in runs if each >= 5) + 40 * finders
