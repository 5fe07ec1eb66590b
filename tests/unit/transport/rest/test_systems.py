"""Credentials of a foreign axis: what was refused is not tried again before somebody has looked after it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.transport.rest.systems import Systems


def written(folder: Path, text: str) -> Path:
    file = folder / "vxp.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def test_what_was_refused_rests_until_the_file_is_touched(tmp_path: Path) -> None:
    file = written(tmp_path, '[[system]]\nid = "a"\nsecret = "s"\n')
    systems = Systems(file, None)
    (one,) = systems.all()

    systems.refuse(one, "HTTP 403")
    assert list(systems.all()) == []
    assert str(file) in systems.alarm()

    os.utime(file, ns=(1, 1))  # the hub was at fault, the secret is good: whoever runs the node says so
    assert list(systems.all()) == [one]
    assert systems.alarm() == ""


def test_a_file_that_cannot_be_read_lets_nobody_in_that_was_refused(tmp_path: Path) -> None:
    file = written(tmp_path, '[[system]]\nid = "a"\nsecret = "s"\n')
    systems = Systems(file, None)
    (one,) = systems.all()
    systems.refuse(one, "HTTP 403")

    file.write_text("[[system", encoding="utf-8")

    assert list(systems.all()) == []
    assert "cannot be read" in systems.alarm()


def test_the_secret_is_in_no_text_of_a_system(tmp_path: Path) -> None:
    file = written(tmp_path, '[[system]]\nid = "a"\nsecret = "very-secret"\n')
    systems = Systems(file, None)

    assert "very-secret" not in repr(systems.all())


def test_without_credentials_there_is_no_axis() -> None:
    with pytest.raises(Misconfigured, match="credentials"):
        Systems(None, None)


APPLICATION = """[[system]]
username = "quantri"
password_file = "lgsp.password"
application = "QLVB"
agencies = [{code = "Z91", system = "Z91.DN.001", secret = "s1"}, {code = "Z92", secret = "s2"}]
"""


def test_an_application_signs_in_for_each_of_its_agencies(tmp_path: Path) -> None:
    (tmp_path / "lgsp.password").write_text("mật khẩu\n", encoding="utf-8")
    systems = Systems(written(tmp_path, APPLICATION), None, with_login=True)

    one, two = systems.all()

    assert (one.id, one.secret, one.agencies) == ("Z91.DN.001", "s1", ("Z91",))
    assert (two.id, two.agencies) == ("Z92", ("Z92",))
    assert one.login == two.login
    assert one.login is not None
    assert one.login.password == "mật khẩu"
    assert "mật khẩu" not in repr(one)
    assert systems.of("Z92") == two
    assert systems.of("Z93") is None


def test_a_login_that_is_refused_stops_all_that_sign_in_alike(tmp_path: Path) -> None:
    (tmp_path / "lgsp.password").write_text("p", encoding="utf-8")
    file = written(tmp_path, APPLICATION + APPLICATION.replace("quantri", "khac").replace("Z9", "Z8"))
    systems = Systems(file, None, with_login=True)

    systems.refuse(systems.all()[0], "HTTP 401", with_login=True)

    assert [each.agencies for each in systems.all()] == [("Z81",), ("Z82",)]


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        (APPLICATION.replace('application = "QLVB"\n', ""), "application"),
        (APPLICATION.replace(', secret = "s2"', ""), "secret"),
        (APPLICATION.replace("agencies", "others"), "agencies"),
    ],
)
def test_what_an_application_lacks_is_named(tmp_path: Path, text: str, lacks: str) -> None:
    (tmp_path / "lgsp.password").write_text("p", encoding="utf-8")
    systems = Systems(written(tmp_path, text), None, with_login=True)

    assert list(systems.all()) == []
    assert lacks in systems.alarm()


def test_a_secret_in_a_file_of_its_own_that_was_mended_is_tried(tmp_path: Path) -> None:
    """The table itself was not touched."""
    (tmp_path / "lgsp.password").write_text("wrong", encoding="utf-8")
    systems = Systems(written(tmp_path, APPLICATION), None, with_login=True)
    systems.refuse(systems.all()[0], "HTTP 401", with_login=True)
    assert list(systems.all()) == []

    (tmp_path / "lgsp.password").write_text("mật khẩu", encoding="utf-8")

    assert {each.login.password for each in systems.all() if each.login} == {"mật khẩu"}
    assert systems.alarm() == ""


def test_what_is_refused_is_not_read_again_before_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks how the axis is does so many times a second, on the event loop."""
    (tmp_path / "lgsp.password").write_text("p", encoding="utf-8")
    systems = Systems(written(tmp_path, APPLICATION), None, with_login=True)
    systems.refuse(systems.all()[0], "error 15")
    reads: list[Path] = []
    real = Path.read_text

    def counted(self: Path, *given: str, **more: str) -> str:
        reads.append(self)
        return real(self, *given, **more)

    monkeypatch.setattr(Path, "read_text", counted)

    assert [each.id for each in systems.all()] == ["Z92"]
    assert "Z91.DN.001" in systems.alarm()
    assert reads == []


def test_agencies_that_are_refused_alike_are_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "lgsp.password").write_text("p", encoding="utf-8")
    file = written(tmp_path, APPLICATION)
    systems = Systems(file, None, with_login=True)

    systems.refuse(systems.all()[0], "login: HTTP 401", with_login=True)

    assert systems.alarm().count("HTTP 401") == 1
    assert "Z91.DN.001, Z92" in systems.alarm()


@pytest.mark.parametrize("text", ["system = 3\n", "system = [1]\n", "system = []\n"])
def test_what_is_no_table_of_systems_is_named(tmp_path: Path, text: str) -> None:
    systems = Systems(written(tmp_path, text), None)

    assert list(systems.all()) == []
    assert "[[system]]" in systems.alarm()


@pytest.mark.parametrize("odd", ["a\\nb", "a\\u0000b"])
def test_a_secret_that_no_header_can_carry_is_named_before_any_call(tmp_path: Path, odd: str) -> None:
    systems = Systems(written(tmp_path, f'[[system]]\nid = "a"\nsecret = "{odd}"\n'), None)

    assert list(systems.all()) == []
    assert "secret" in systems.alarm()
    assert "a\nb" not in systems.alarm()
