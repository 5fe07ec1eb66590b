"""A file has its name only when it is whole; what breaks on the way leaves what was there, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.atomic_files import new_file, write_file, write_private


@pytest.mark.parametrize("alone", [False, True])
def test_a_file_takes_its_name_when_it_is_complete(tmp_path: Path, alone: bool) -> None:
    path = tmp_path / "list.json"
    write_file(path, b"before")

    with new_file(path, alone=alone) as file:
        file.write(b"after")
        assert path.read_bytes() == b"before"
        assert Path(file.name).name.startswith(".")  # a backup passes over what another hand has half written

    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (b"after", [path])


@pytest.mark.parametrize("alone", [False, True])
def test_a_write_that_breaks_off_leaves_the_former_file(tmp_path: Path, alone: bool) -> None:
    path = tmp_path / "list.json"
    write_file(path, b"before")

    def break_off() -> None:
        with new_file(path, alone=alone) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()

    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (b"before", [path])


def test_what_a_crash_left_is_taken_away_and_lends_nothing_to_the_next(tmp_path: Path) -> None:
    """A part that others can read would show the passwords that are written next."""
    path = tmp_path / "axis.json"
    part_file = tmp_path / ".axis.json.part"
    part_file.write_bytes(b"half of a longer one")
    part_file.chmod(0o644)

    with new_file(path, 0o600, alone=True) as file:
        file.write(b"whole")

    assert (path.read_bytes(), path.stat().st_mode & 0o777, part_file.exists()) == (b"whole", 0o600, False)


def test_two_that_write_the_same_name_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"

    with new_file(path) as first, new_file(path) as second:
        first.write(b"first")
        second.write(b"second")

    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (b"first", [path])


def test_a_private_file_and_the_folder_made_for_it_are_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "own.pem"

    write_private(path, b"secret")

    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
