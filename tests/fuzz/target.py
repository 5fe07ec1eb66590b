"""What is fuzzed: a name, good inputs to begin with, and a function that takes any bytes and asserts what must be true of
them. A function that returns has found nothing; an error of ours that is expected is caught inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parent / "corpus"
"""A folder for each target: inputs that were findings once, and seeds that cannot be made."""

MODULES: Final = {
    "envelope": "envelopes",
    "owner": "envelopes",
    "explain": "reading",
    "json": "reading",
    "attachment": "reading",
    "archive": "files",
    "pdf": "files",
    "names": "names",
    "amqp": "wire",
    "revocation": "proofs",
    "timestamp": "proofs",
    "evidence": "packs",
    "member": "packs",
    "signature": "pdfs",
}
"""Every target, and the module beside this one that makes it: only that one is loaded to run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`longest` bounds one input, `seconds` the time that one may take on a busy machine."""

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    longest: int = 65_536
    seconds: int = 30


def load(name: str) -> Target:
    """The target of that name."""
    module = import_module(f"tests.fuzz.{MODULES.get(name, name)}")
    chosen: Target = next(t for t in module.TARGETS if t.name == name)
    return chosen


def kept_inputs(name: str) -> list[Path]:
    """The inputs of this target that lie in the tree."""
    return sorted(path for path in (CORPUS / name).glob("*") if path.is_file())
