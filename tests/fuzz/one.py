"""Fuzzes one target in this process. In: its name, a folder of inputs to begin with, a folder for findings, and options of
the fuzzer. Out: the fuzzer's own words on stderr; exit 77 or 70 with the input in the folder when something was found.

Only Python is instrumented: expat, libxml2, zlib and OpenSSL are run, and what crashes them is seen, but what new they
reach is not, so the fuzzer is not led into them."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it ships no types

from tests.fuzz import target

_LIBRARIES = {"pdf": ["pypdf"], "amqp": ["pamqp"]}
"""Libraries in Python that are led into as well, where what they do with bad input is our own risk."""

_PROOFS = ["gateway.trust.revocation", "gateway.trust.revocation", "gateway.trust.seals"]
_PACKS = ["gateway.ops.evidence.pack_file", "gateway.ops.evidence.verify", *_PROOFS]
_READERS = {"evidence": _PACKS, "member": _PACKS, "revocation": _PROOFS, "timestamp": _PROOFS}
"""What reads the input, for targets whose seeds are made by a whole node: to instrument all of that takes longer than the
run, and none of it is led into."""


def main() -> None:
    name, begin, *options = sys.argv[1:]
    # A coverage that grew by imports or by making seeds would be no growth.
    with atheris.instrument_imports(include=["gateway", *_LIBRARIES.get(name, [])]):
        for reader in _READERS.get(name, ()):
            import_module(reader)
        chosen = target.load(name) if name not in _READERS else None
    chosen = chosen or target.load(name)
    _lay_out(chosen, Path(begin))
    limits = [f"-max_len={chosen.longest}", f"-timeout={chosen.seconds}"]
    atheris.Setup([sys.argv[0], *limits, *options, begin], chosen.run)
    atheris.Fuzz()


def _lay_out(chosen: target.Target, folder: Path) -> None:
    for n, seed in enumerate(chosen.seeds()):
        (folder / f"made-{n:03}").write_bytes(seed)
    for path in target.kept_inputs(chosen.name):
        (folder / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
