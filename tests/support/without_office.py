"""This plugin runs the tests of the exchange as where the office is not installed: `pytest --without-office`. Importing it
fails, its entry point is not there, and folders of tests that need it are left out (`NEEDS_OFFICE`)."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PACKAGE = "gateway_office"
TESTS = Path(__file__).parents[1]
# The office's own, the laboratory's, whose demonstration has one, and those that measure the installed product.
NEEDS_OFFICE = ("office", "labs", "bench")
_entry_points = importlib.metadata.entry_points


class Refusal(MetaPathFinder):
    """Finder that says of the office that it is not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] == PACKAGE:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def _other_entry_points(**params: Any) -> importlib.metadata.EntryPoints:
    points: list[importlib.metadata.EntryPoint] = [*_entry_points(**params)]
    return importlib.metadata.EntryPoints(p for p in points if p.module.partition(".")[0] != PACKAGE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-office", action="store_true", help="as where the office is not installed")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if early_config.known_args_namespace.without_office:
        assert PACKAGE not in sys.modules
        sys.meta_path.insert(0, Refusal())
        importlib.metadata.entry_points = _other_entry_points  # type: ignore[assignment]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the folders that need the office."""
    is_left_out = config.option.without_office and any(
        collection_path.is_relative_to(TESTS / folder) for folder in NEEDS_OFFICE
    )
    return True if is_left_out else None
