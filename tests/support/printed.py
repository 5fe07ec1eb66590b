"""A browser printed these documents, by `tools/make_samples.py`: they show what another program than ours writes."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "samples"


def sample(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
