"""Settings of an agency: the stored form of a typed text, and which version holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.agency_profile import SETTINGS, ProfileVersion, chosen_in_force
from gateway.words import labels
from tests.support.cases import Cases

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)


def test_a_typed_text_is_read_by_its_settings_form(cases: Cases) -> None:
    for key, text, stored in (
        ("undo_seconds", " 15 ", "15"),
        ("undo_seconds", "61", None),
        ("unsigned_in", "hold", "hold"),
        ("unsigned_in", "keep", None),
        ("unsigned_in", "  ", ""),
        ("paper_types", "to_trinh, quyet_dinh,to_trinh", "quyet_dinh,to_trinh"),
        ("paper_types", "to_trinh,khong_co", None),
        ("rulebook", "12/QĐ-SNV ngày 05/01/2026", "12/QĐ-SNV ngày 05/01/2026"),
        ("rulebook", "a\nb", None),
        ("rulebook", "x" * 201, None),
    ):
        with cases.case(f"{key} {text[:20]}"):
            assert SETTINGS[key].read(text) == stored


def test_every_setting_and_each_of_its_choices_has_words(cases: Cases) -> None:
    for setting in SETTINGS.values():
        with cases.case(setting.key):
            assert labels.has(f"profile.{setting.key}")
            assert labels.has(f"profile.{setting.key}.means")
            words = setting.words or f"profile.{setting.key}"
            assert [choice for choice in setting.choices if not labels.has(f"{words}.{choice}")] == []


def test_a_later_version_replaces_a_plan_and_the_empty_value_restores_the_default() -> None:
    def version(n: int, value: str, days: int) -> ProfileVersion:
        at = NOW + timedelta(days=n)
        return ProfileVersion(
            id=f"prf_{n}",
            key="unsigned_in",
            value=value,
            set_by="prn_1",
            set_at=at,
            from_when=at + timedelta(days),
        )

    versions = [version(1, "mark", 0), version(2, "hold", 3), version(4, "", 4)]

    def value(days: float) -> str | None:
        choice = chosen_in_force(versions, NOW + timedelta(days)).get("unsigned_in")
        return choice.value if choice is not None else None

    assert [value(days) for days in (0, 1, 4.9, 5, 8)] == [None, "mark", "mark", "hold", None]
