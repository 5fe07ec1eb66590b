"""Replaces the machine's randomness in this process for good, when it is imported: only in a process that runs worlds and
nothing else, before any module of the product. In: nothing. Out: a process that takes randomness from `sources` alone."""

from __future__ import annotations

from tests.simulation import sources

sources.install()
