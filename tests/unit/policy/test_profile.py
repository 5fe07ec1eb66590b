"""The settings: defaults of the national rules, each with its source."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.policy.profile import MB, Profile, settings


def test_the_shipped_numbers_are_those_of_the_rulebook() -> None:
    profile = Profile()

    assert (profile.max_file_bytes, profile.max_document_bytes) == (10 * MB, 50 * MB)
    assert (profile.max_archive_depth, profile.max_archive_members, profile.max_archive_ratio) == (
        2,
        500,
        100,
    )
    assert profile.lead_types == {"pdf"}
    assert "rar" not in profile.allowed_types
    assert (profile.waiting_for.days, profile.recall_purge.days) == (3, 30)


def test_every_setting_says_where_it_comes_from_and_what_it_means() -> None:
    for name, _, source, means in settings():
        assert source, name
        assert means, name


def test_every_source_is_a_rule_a_regulation_or_a_page_that_exists() -> None:
    root = Path(__file__).parents[3]
    for name, _, source, _ in settings():
        for part in source.split(", "):
            is_page = part.startswith("docs/") and (root / part).is_file()
            assert is_page or re.fullmatch(r"R\d+|(Decree|Decision) \d+/\d{4} article \d+", part), (
                name,
                part,
            )
