"""Documents as a browser prints them, by `tools/make_samples.py`: what another program than ours writes."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "samples"


def sample(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
