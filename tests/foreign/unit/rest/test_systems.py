"""Credentials of a foreign axis: refused ones are not tried again before a person has looked after them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway_foreign.rest.systems import Systems


def systems_file(folder: Path, text: str) -> Path:
    file = folder / "vxp.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def test_what_was_refused_rests_until_the_file_is_touched_and_can_be_read(tmp_path: Path) -> None:
    file = systems_file(tmp_path, '[[system]]\nid = "a"\nsecret = "very-secret"\n')
    systems = Systems(file, None)
    (system,) = systems.all()
    assert "very-secret" not in repr(systems.all())
    systems.refuse(system, "HTTP 403")
    assert list(systems.all()) == []
    assert str(file) in systems.alarm()

    os.utime(file, ns=(1, 1))  # the hub was at fault, the secret is good: the operator says so

    assert list(systems.all()) == [system]
    assert systems.alarm() == ""
    systems.refuse(system, "HTTP 403")
    file.write_text("[[system", encoding="utf-8")
    assert list(systems.all()) == []
    assert "cannot be read" in systems.alarm()


def test_without_credentials_there_is_no_axis() -> None:
    with pytest.raises(Misconfigured, match="credentials"):
        Systems(None, None)


APPLICATION = """[[system]]
username = "quantri"
password_file = "lgsp.password"
application = "QLVB"
agencies = [{code = "Z91", system = "Z91.DN.001", secret = "s1"}, {code = "Z92", secret = "s2"}]
"""


def applications(folder: Path, text: str = APPLICATION, first_line: str = "p") -> Systems:
    (folder / "lgsp.password").write_text(first_line, encoding="utf-8")
    return Systems(systems_file(folder, text), None, with_login=True)


def test_an_application_signs_in_for_each_of_its_agencies(tmp_path: Path) -> None:
    systems = applications(tmp_path, first_line="mật khẩu\n")
    system, other_system = systems.all()
    assert (system.id, system.secret, system.agencies) == ("Z91.DN.001", "s1", ("Z91",))
    assert (other_system.id, other_system.agencies) == ("Z92", ("Z92",))
    assert system.login == other_system.login
    assert system.login is not None
    assert system.login.password == "mật khẩu"
    assert "mật khẩu" not in repr(system)
    assert systems.system_for("Z92") == other_system
    assert systems.system_for("Z93") is None


def test_a_login_that_is_refused_stops_all_that_sign_in_alike_and_is_told_of_once(tmp_path: Path) -> None:
    systems = applications(tmp_path, APPLICATION + APPLICATION.replace("quantri", "khac").replace("Z9", "Z8"))
    systems.refuse(systems.all()[0], "login: HTTP 401", with_login=True)
    assert [system.agencies for system in systems.all()] == [("Z81",), ("Z82",)]
    assert systems.alarm().count("HTTP 401") == 1
    assert "Z91.DN.001, Z92" in systems.alarm()


def test_what_is_wrong_with_the_table_is_named_before_any_call(tmp_path: Path) -> None:
    """A secret that no header can carry is not shown."""
    secret = '[[system]]\nid = "a"\nsecret = "{}"\n'
    for text, problem, with_login in (
        (APPLICATION.replace('application = "QLVB"\n', ""), "application", True),
        (APPLICATION.replace(', secret = "s2"', ""), "secret", True),
        (APPLICATION.replace("agencies", "others"), "agencies", True),
        ("system = 3\n", "[[system]]", False),
        ("system = [1]\n", "[[system]]", False),
        ("system = []\n", "[[system]]", False),
        (secret.format("a\\nb"), "secret", False),
        (secret.format("a\\u0000b"), "secret", False),
    ):
        (tmp_path / "lgsp.password").write_text("p", encoding="utf-8")
        systems = Systems(systems_file(tmp_path, text), None, with_login=with_login)
        assert list(systems.all()) == []
        assert problem in systems.alarm()
        assert "a\nb" not in systems.alarm()


def test_a_secret_in_a_file_of_its_own_that_was_mended_is_tried(tmp_path: Path) -> None:
    """The table itself was not touched."""
    systems = applications(tmp_path, first_line="wrong")
    systems.refuse(systems.all()[0], "HTTP 401", with_login=True)
    assert list(systems.all()) == []

    (tmp_path / "lgsp.password").write_text("mật khẩu", encoding="utf-8")

    assert {system.login.password for system in systems.all() if system.login} == {"mật khẩu"}
    assert systems.alarm() == ""


def test_what_is_refused_is_not_read_again_before_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of the axis is asked for many times a second, on the event loop."""
    systems = applications(tmp_path)
    systems.refuse(systems.all()[0], "error 15")
    reads: list[Path] = []
    real = Path.read_text

    def counted(self: Path, *arguments: str, **more: str) -> str:
        reads.append(self)
        return real(self, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", counted)

    assert [system.id for system in systems.all()] == ["Z92"]
    assert "Z91.DN.001" in systems.alarm()
    assert reads == []
