"""Frozen dataclasses behave with shared methods as with their own: told in processes of their own, as the change lasts."""

from __future__ import annotations

import subprocess
import sys

import pytest

STORY = """
import dataclasses
from dataclasses import FrozenInstanceError, dataclass, field

@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    number: str
    secret: str = field(default="x", repr=False)
    answers: list = field(default_factory=list, compare=False)

@dataclass(frozen=True)
class Box:
    size: int

class Labelled(Box):
    pass

@dataclass(frozen=True)
class Crate(Box):
    label: str = "a"

def refused(do):
    try:
        do()
    except (FrozenInstanceError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return "done"

letter = Letter(number="15")
letter.answers.append(letter)
box = Labelled(1)
print(letter, Crate(2), Crate(2) == Crate(2), hash(Box(1)) == hash(Box(1)), dataclasses.replace(Box(1), size=3))
print(refused(lambda: setattr(letter, "number", "16")), refused(lambda: delattr(letter, "number")))
print(refused(lambda: setattr(box, "size", 2)), refused(lambda: setattr(box, "label", 2)), box.label)
print(refused(lambda: delattr(box, "label")), refused(lambda: delattr(box, "size")))
print(refused(lambda: setattr(Crate(2), "size", 2)), refused(lambda: setattr(Crate(2), "other", 2)))
print("methods", Letter.__setattr__ is Box.__setattr__, Letter.__repr__ is Box.__repr__)
"""


def run_story(preamble: str) -> list[str]:
    answer = subprocess.run(
        [sys.executable, "-c", preamble + STORY], capture_output=True, text=True, check=True
    )
    return answer.stdout.splitlines()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="this library shares more by itself")
def test_shared_methods_refuse_and_show_what_own_ones_do() -> None:
    *own, own_methods = run_story("")
    *shared, shared_methods = run_story("import gateway.shared_methods\n")

    assert shared == own
    assert (own_methods, shared_methods) == ("methods False False", "methods True True")
