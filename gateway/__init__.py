"""A node for exchanging official documents between agencies over the interconnection axis."""

from pathlib import Path

__version__ = "0.3.0"

# A build has its number written above; a checkout has that of its commit.
_ROOT = Path(__file__).parents[1]
if "+" not in __version__ and (_ROOT / ".git").exists():
    from gateway import build_number

    __version__ = build_number.of_checkout(__version__, _ROOT)
