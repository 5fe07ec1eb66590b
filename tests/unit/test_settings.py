"""Settings: the order of the sources, what is refused and how it is said, and that no secret is ever shown."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.bootstrap import guards as bootstrap_rules
from gateway.errors import Misconfigured
from gateway.settings.options import Secret, names
from gateway.settings.reading import load, locate, printable, sources, sqlite_file
from tests.support.cases import Cases

ROOT = Path(__file__).parents[2]


def settings_file(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_lies_below_one_data_folder() -> None:
    settings = load(None, {"GATEWAY_NODE_DATA_DIR": "/srv/node"})

    assert settings.axis.folder == Path("/srv/node/axis")
    assert settings.keys.folder == Path("/srv/node/keys")
    assert settings.trust.folder == Path("/srv/node/trust")
    assert settings.database.url == "sqlite+aiosqlite:////srv/node/gateway.db"
    assert sqlite_file(settings) == Path("/srv/node/gateway.db")


def test_each_later_source_wins_and_is_named(tmp_path: Path) -> None:
    file = settings_file(tmp_path, '[api]\nport = 1111\nhost = "10.0.0.1"\n[keys]\npassword = "from-file"\n')
    secret = tmp_path / "password"
    secret.write_text("from-secret-file\nsecond line\n", encoding="utf-8")

    settings = load(
        file,
        {
            "GATEWAY_API_PORT": "2222",
            "GATEWAY_KEYS_PASSWORD": "from-environment",
            "GATEWAY_KEYS_PASSWORD_FILE": str(secret),
        },
    )

    assert (settings.api.host, settings.api.port, settings.limits.file_mb) == ("10.0.0.1", 2222, 10)
    assert settings.keys.password == Secret("from-secret-file")
    sources_by_key = sources(settings)
    assert sources_by_key["api.host"] == f"file {file}"
    assert sources_by_key["api.port"] == "environment GATEWAY_API_PORT"
    assert sources_by_key["keys.password"] == f"secret file {secret}"
    assert sources_by_key["limits.file_mb"] == "default"


def test_the_file_names_secret_files_beside_it_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("from the file\nmore\n")
    (tmp_path / "other").write_text("from the environment")
    path = settings_file(tmp_path, '[keys]\npassword_file = "keys"\npassword = "plain"\n')

    settings = load(path, {})
    with_variable = load(path, {"GATEWAY_KEYS_PASSWORD_FILE": str(tmp_path / "other")})
    (tmp_path / "keys").unlink()
    with pytest.raises(Misconfigured, match=r"keys\.password: .* readable secret file, found .*/keys"):
        load(path, {})
    assert settings.keys.password == Secret("from the file")
    assert sources(settings)["keys.password"] == f"secret file {tmp_path / 'keys'}"
    assert with_variable.keys.password == Secret("from the environment")


def test_a_path_in_the_file_is_relative_to_the_file(tmp_path: Path) -> None:
    file = settings_file(tmp_path, '[node]\ndata_dir = "state"\n')

    assert load(file, {}).keys.folder == tmp_path / "state" / "keys"


def test_everything_wrong_is_told_at_once_with_key_value_source_and_what_was_expected(tmp_path: Path) -> None:
    file = settings_file(
        tmp_path, '[limits]\nfile_mb = "ten"\n[axis]\nkind = "pigeon"\n[limitz]\nx = 1\n[api]\nprot = 1\n'
    )

    with pytest.raises(Misconfigured) as caught:
        load(file, {"GATEWAY_API_PORT": "70000"})

    text = str(caught.value)
    assert f"limits.file_mb: expected a whole number from 1 to 1000, found 'ten' (file {file})" in text
    assert f"axis.kind: expected one of embedded, amqp, vxp, lgsp, found 'pigeon' (file {file})" in text
    assert "limitz: expected a section of node, database" in text
    assert "api.prot: no such setting" in text
    assert "did you mean api.port?" in text
    assert (
        "api.port: expected a whole number from 0 to 65535, found '70000' (environment GATEWAY_API_PORT)"
        in text
    )
    assert caught.value.code == "GW-C-001"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[limits]\nfile_mb = true\n", "limits.file_mb"),
        ("[limits]\nfile_mb = 2.5\n", "limits.file_mb"),
        ("[limits]\nfile_mb = 0\n", "limits.file_mb"),
        ("[workers]\npoll_s = nan\n", "workers.poll_s"),
        ("[node]\nname = 7\n", "node.name"),
        ("[log]\nlevel = true\n", "log.level"),
        ("[scanner]\nrequired = 1\n", "scanner.required"),
        ('[node]\nname = " "\n', "node.name"),
        ('[database]\nurl = "gateway.db"\n', "database.url"),
        ('[log]\nlevel = "loud"\n', "log.level"),
        ("[limits]\nfile_mb = 60\n", "limits.document_mb"),
        ("[limits]\ndocument_mb = 90\n", "limits.envelope_mb"),
        ("[workers]\nlease_s = 15\npoll_s = 20\n", "workers.poll_s"),
        ("port = 8080\n", "port"),
    ],
)
def test_an_impossible_value_is_refused_by_name(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(settings_file(tmp_path, text), {})

    assert f"\n  {key}: expected" in str(caught.value)


def test_true_and_false_are_taken_in_each_of_their_words(tmp_path: Path, cases: Cases) -> None:
    for text, truth in {
        "true": True,
        "yes": True,
        "On": True,
        "FALSE": False,
        "no": False,
        "off": False,
    }.items():
        with cases.case(text):
            settings = load(
                None,
                {
                    "GATEWAY_COMPAT_VXP": text,
                    "GATEWAY_NODE_OFFICE": text,
                    "GATEWAY_SCANNER_REQUIRED": text,
                },
            )
            words = (settings.node.office, settings.scanner.required)
            assert (settings.compat.vxp, words) == (truth, ("on", "yes") if truth else ("off", "no"))
    toml = load(settings_file(tmp_path, "[webhooks]\nplain_http = true\n[pages]\nribbon = false\n"), {})
    assert (toml.webhooks.plain_http, toml.pages.ribbon) == ("yes", "off")


def test_a_file_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"gateway\.toml is not TOML in UTF-8: .*line 2"):
        load(settings_file(tmp_path, "[api]\nport 8080\n"), {})


def test_a_missing_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(tmp_path / "none.toml", {})


def test_an_unknown_name_in_the_environment_is_refused_but_service_links_are_not() -> None:
    assert load(
        None, {"GATEWAY_SERVICE_HOST": "10.0.0.9", "GATEWAY_PORT_80_TCP": "tcp://", "GATEWAY_LANG": "en"}
    )

    with pytest.raises(Misconfigured, match=r"limits\.file_mbs: no such setting"):
        load(None, {"GATEWAY_LIMITS_FILE_MBS": "3"})
    with pytest.raises(Misconfigured, match="limit: expected a section"):
        load(None, {"GATEWAY_LIMIT_FILE_MB": "3"})


@pytest.mark.parametrize("content", ["", "\nsecond\n"])
def test_an_empty_secret_file_is_refused(tmp_path: Path, content: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text(content, encoding="utf-8")

    with pytest.raises(Misconfigured, match=r"keys\.password: expected a secret"):
        load(None, {"GATEWAY_KEYS_PASSWORD_FILE": str(secret)})


def test_no_secret_is_ever_printed() -> None:
    settings = load(
        None,
        {
            "GATEWAY_KEYS_PASSWORD": "hunter-two",
            "GATEWAY_DATABASE_URL": "postgresql+asyncpg://node:s3cret/word@db/gateway",
            "GATEWAY_ALARMS_SECRET": "hunter-two-and-some-more-letters",
            "GATEWAY_ALARMS_URL": "https://node:s3cret@alarms.example.invalid/hook",
        },
    )

    everything = f"{settings.keys!r} {settings.keys.password!s} {printable(settings)}"

    assert "hunter-two" not in everything
    assert "s3cret" not in str(printable(settings))
    assert printable(settings)["database.url"] == "postgresql+asyncpg://node:********@db/gateway"
    assert printable(settings)["alarms.url"] == "https://node:********@alarms.example.invalid/hook"
    assert settings.keys.password is not None
    assert settings.keys.password.reveal() == "hunter-two"


def test_no_secret_is_repeated_in_a_refusal() -> None:
    with pytest.raises(Misconfigured) as caught:
        load(None, {"GATEWAY_DATABASE_URL": "postgres://node:s3cret@db/gateway"})

    assert "s3cret" not in str(caught.value)
    assert "a value that is not shown" in str(caught.value)


def test_the_named_file_is_read_first_then_that_of_the_environment_then_the_local_one(tmp_path: Path) -> None:
    local_file = settings_file(tmp_path, "")

    assert locate(Path("a.toml"), {"GATEWAY_CONFIG": "b.toml"}, tmp_path) == Path("a.toml")
    assert locate(None, {"GATEWAY_CONFIG": "b.toml"}, tmp_path) == Path("b.toml")
    assert locate(None, {}, tmp_path) == local_file
    assert locate(None, {}, tmp_path / "elsewhere") is None


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    missing = [key for key in names() if f"| `{key}` |" not in page]

    assert missing == []


def test_the_page_documents_no_setting_that_does_not_exist() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]

    # Those of `[[axes]]` and `[[routes]]` stand under their bare names.
    of_lists = {"name", "kind", "serves", "away_s", "folder", "servers", "password_file"} | {
        *("to", "from", "axes", "away", "unsure", "form")
    }
    assert {row for row in rows if "." not in row} == of_lists
    assert sorted(row for row in rows if "." in row) == sorted(names())


@pytest.mark.parametrize("kind", ["development", "agency", "province"])
def test_each_example_file_loads_and_comments_what_it_sets(kind: str) -> None:
    path = ROOT / "config" / f"{kind}.toml"

    settings = load(path, {})

    keys_set = [key for key, source in sources(settings).items() if source == f"file {path}"]
    assert keys_set
    assert path.read_text(encoding="utf-8").count("#") >= len(keys_set)


def test_the_examples_name_every_setting_somewhere() -> None:
    """A commented-out line counts: the reader sees that it exists."""
    text = (ROOT / "config" / "agency.toml").read_text(encoding="utf-8")
    uncommented = "\n".join(
        line.removeprefix("#: ") if line.startswith("#: ") else line for line in text.splitlines()
    )
    tables = tomllib.loads(uncommented)

    assert {f"{section}.{name}" for section, table in tables.items() for name in table} == set(names())


@pytest.mark.parametrize("name", ["agency.toml", "province.toml", "development.toml"])
def test_the_examples_show_true_defaults(name: str) -> None:
    """A line with "#: " shows what holds without it; only where nothing is set by default it is an example."""
    file = ROOT / "config" / name
    commands = "\n".join(
        line.removeprefix("#: ") if line.startswith(("#: ", "[")) else ""
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    in_force = load(file, {})

    wrong = {
        f"{section}.{key}": value
        for section, table in tomllib.loads(commands).items()
        for key, value in table.items()
        if (default := getattr(getattr(in_force, section), key)) not in (None, "")
        and str(default) != str(value)
        if not (isinstance(default, float) and default == value)
    }

    assert wrong == {}


@pytest.mark.parametrize("text", ["to_trinh", "to_trinh=fax", "=both", "to_trinh=both, to_trinh=paper"])
def test_a_table_of_delivery_modes_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"rules\.delivery_modes: expected name=word"):
        load(None, {"GATEWAY_RULES_DELIVERY_MODES": text})


def test_the_table_of_delivery_modes_reaches_the_rules() -> None:
    settings = load(None, {"GATEWAY_RULES_DELIVERY_MODES": " to_trinh=both,giay_moi = paper, "})

    assert bootstrap_rules.profile(settings).delivery_modes == {"to_trinh": "both", "giay_moi": "paper"}
