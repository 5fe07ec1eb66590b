"""Several axes in the settings: each with its own values and secrets, routes between them, and refusals that say what to
write."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.settings.options import Secret
from gateway.settings.reading import load, printable, sources

GOOD = """
[node]
name = "mid"
data_dir = "data"
[[axes]]
name = "province"
kind = "amqp"
servers = "amqps://broker.province.example:5671"
vhost = "tinh"
password_file = "province.txt"
away_s = 60
[[axes]]
name = "national"
serves = ["H41.*"]
[[routes]]
to = ["H41.*", "H42"]
axes = ["province", "national"]
away = "next"
[[routes]]
to = "*"
from = "H41.07"
axes = ["province"]
[[routes]]
to = "*"
axes = "national"
"""


def settings_file(folder: Path, text: str) -> Path:
    (folder / "province.txt").write_text("of-the-province\n", encoding="utf-8")
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(Misconfigured) as why:
        load(settings_file(folder, text), environ or {})
    return str(why.value)


def test_each_axis_has_its_own_values_and_secret(tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, GOOD), {"GATEWAY_AXES_PROVINCE_USER": "mid-node"})

    alone = settings.each_axis()
    province, national = alone["province"], alone["national"]
    assert (province.axis.kind, province.amqp.vhost, province.amqp.user) == ("amqp", "tinh", "mid-node")
    assert province.amqp.password == Secret("of-the-province")
    assert (national.axis.kind, national.axis.folder) == ("embedded", tmp_path / "data/axes/national")
    assert national.axes == ()
    assert [(x.name, x.serves, x.away_s) for x in settings.axes] == [
        ("province", (), 60),
        ("national", ("H41.*",), 30),
    ]
    assert [(x.to, x.sender, x.axes, x.away) for x in settings.routes] == [
        ("H41.*", "*", ("province", "national"), "next"),
        ("H42", "*", ("province", "national"), "next"),
        ("*", "H41.07", ("province",), "wait"),
        ("*", "*", ("national",), "wait"),
    ]
    assert settings.axis_kind == "several"


def test_a_secret_file_of_the_environment_wins(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("newer\n", encoding="utf-8")

    settings = load(settings_file(tmp_path, GOOD), {"GATEWAY_AXES_PROVINCE_PASSWORD_FILE": str(other)})

    assert settings.each_axis()["province"].amqp.password == Secret("newer")


def test_what_is_in_force_is_shown_without_secrets(tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, GOOD), {})

    values = printable(settings)

    assert "of-the-province" not in str(values)
    assert values["axes.province.servers"] == "amqps://broker.province.example:5671"
    assert "axis.kind" not in values
    assert values["routes.1"] == "H41.*: province > national; away: next; unsure: wait"
    assert values.keys() <= sources(settings).keys()


def test_one_axis_of_the_list_needs_no_routes(tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, '[[axes]]\nname = "alone"\nfolder = "there"\n'), {})

    assert [(route.to, route.axes) for route in settings.routes] == [("*", ("alone",))]


def test_without_the_list_there_is_the_one_axis_of_before(tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, '[axis]\nfolder = "there"\n'), {})

    assert settings.each_axis() == {"": settings}
    assert settings.axis_kind == "embedded"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('name = "province"', 'name = "The Province"'), "axes 1: expected name, small letters and digits"),
        (('name = "national"', 'name = "province"'), "axes 2: there is an axis named province already"),
        (('kind = "amqp"', 'kind = "pigeon"'), "axes.province.kind: expected one of embedded, amqp"),
        (('vhost = "tinh"', 'vhots = "tinh"'), "no such setting; did you mean vhost?"),
        (("away_s = 60", "prefetch = 9000"), "axes.province.prefetch: expected a whole number from 1 to 500"),
        (("away_s = 60", "away_s = -1"), "axes.province.away_s: expected a whole number from 0 to 3600"),
        (("servers =", "ca ="), "axes.province.servers: expected the broker's address"),
        (("province.txt", "nowhere.txt"), "axes.province.password_file: expected a readable secret file"),
        (('"H42"]', '"H42*"]'), "'H42*' is no pattern: write a code (H41.07)"),
        (('["province", "national"]\naway', '["provinz"]\naway'), "no axis is named provinz; there are"),
        (('away = "next"', 'away = "soon"'), "routes 1.away: expected one of wait, next; found 'soon'"),
        (('away = "next"', 'awy = "next"'), "routes 1.awy: no such setting; did you mean away?"),
        (('to = "*"\naxes = "national"', 'to = "H43"\naxes = "national"'), 'add one with to = "*"'),
        (('"H42"]', '"h41.*"]'), "there is a route for just this already"),
        (("[node]", '[axis]\nkind = "amqp"\n[node]'), "axis.kind: not allowed together with [[axes]]"),
    ],
)
def test_what_cannot_be_is_refused_in_words_that_say_what_to_write(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    assert change[0] in GOOD

    assert says in refused(tmp_path, GOOD.replace(*change, 1))


def test_a_value_for_an_axis_that_is_not_there_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, GOOD, {"GATEWAY_AXES_PROVINZ_PASSWORD": "hunter2"})

    assert "axes.provinz: no axis of that name" in message
    assert "hunter2" not in message


def test_routes_need_axes(tmp_path: Path) -> None:
    assert "expected [[axes]]" in refused(tmp_path, '[[routes]]\nto = "*"\naxes = ["one"]\n')
    assert "expected entries" in refused(tmp_path, '[axes]\nname = "one"\n')


FORMS = """
[[axes]]
name = "national"
kind = "vxp"
endpoint = "https://truc.example"
[[axes]]
name = "partners"
[[routes]]
to = "H41.07"
axes = ["national"]
form = "dotnet"
[[routes]]
to = "*"
axes = ["partners"]
"""


def test_a_route_says_in_which_form_its_files_are_written(tmp_path: Path) -> None:
    settings = load(settings_file(tmp_path, FORMS), {})

    assert [(route.to, route.form) for route in settings.routes] == [("H41.07", "dotnet"), ("*", "standard")]
    shown_routes = [str(word) for key, word in printable(settings).items() if key.startswith("routes.")]
    assert shown_routes[0].endswith("; form: dotnet")
    assert "form" not in shown_routes[1]


@pytest.mark.parametrize("form", ["unsigned", "dotnet"])
def test_threat_140_no_unsigned_form_on_an_axis_that_vouches_for_nobody(tmp_path: Path, form: str) -> None:
    text = FORMS.replace('["national"]\nform = "dotnet"', f'["national", "partners"]\nform = "{form}"')

    message = refused(tmp_path, text)

    assert f"routes (H41.07): form = {form}" in message
    assert "the axis partners is of kind embedded" in message
    assert "(vxp, lgsp)" in message


def test_a_form_that_there_is_not(tmp_path: Path) -> None:
    message = refused(tmp_path, FORMS.replace("dotnet", "soap"))

    assert "routes 1.form: expected one of standard, unsigned, dotnet; found 'soap'" in message
