"""Extensions of another distribution are for trial nodes: a real node gets none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.bootstrap import extensions
from gateway.bootstrap.extensions import Extension
from gateway.settings import load

FOREIGN = Extension(adds_calls=lambda node: ())


@pytest.mark.parametrize("office", ["on", "off"])
def test_only_a_trial_node_is_given_what_another_distribution_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, office: str
) -> None:
    monkeypatch.setattr(extensions, "_load_installed", lambda: (FOREIGN,))

    def has_extra(trial: str) -> bool:
        words = {"GATEWAY_NODE_TRIAL": trial, "GATEWAY_NODE_OFFICE": office}
        return FOREIGN in extensions._extensions_for(
            load(None, {"GATEWAY_NODE_DATA_DIR": str(tmp_path), **words})
        )

    assert (has_extra("on"), has_extra("off")) == (True, False)
