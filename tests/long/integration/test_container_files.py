"""The files for containers and for the proxy name nothing that is not there: settings, volumes, secrets, services."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it ships no types
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.settings import load
from tests.support.client_certificates import authority, key_pem, pem, program
from tests.support.clock import START
from tests.support.services import missing

ROOT = Path(__file__).parents[3]
CONTAINER = ROOT / "config" / "container"


def test_compose_names_only_what_is_there() -> None:
    compose: dict[str, Any] = yaml.safe_load((CONTAINER / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]

    mounts = [m.split(":")[0] for s in services.values() for m in s.get("volumes", ())]
    assert {m for m in mounts if not m.startswith("./")} == set(compose["volumes"])
    assert {name for s in services.values() for name in s.get("secrets", ())} == set(compose["secrets"])
    assert {"./one", "./two", "./databases.sql"} <= set(mounts)
    for name, node in ((name, services[name]) for name in ("one", "two")):
        assert load(None, node["environment"]).api.host == "0.0.0.0"  # noqa: S104 - inside the container
        assert set(node["depends_on"]) <= set(services)
        assert all("healthcheck" in services[other] for other in node["depends_on"])
        assert f"CREATE DATABASE {name} " in (CONTAINER / "databases.sql").read_text(encoding="utf-8")


def test_nginx_takes_the_file_that_the_page_prints(tmp_path: Path) -> None:
    config = (ROOT / "config" / "nginx" / "gateway.conf").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert f"```nginx\n{config.partition(chr(10))[2]}```" in page, "the page prints all but the first line"
    if shutil.which("nginx") is None:
        missing("nginx is not here; it comes with the package nginx-light")
    revoked = authority().revocation_list(valid=(START, START + timedelta(days=9)))
    party = program("gateway.example.invalid")
    for name, content in {
        "gateway.pem": pem(party),
        "gateway.key": key_pem(party),
        "programs-ca.pem": pem(authority()),
        "programs-crl.pem": revoked.public_bytes(Encoding.PEM),
        "gateway.conf": config.replace("listen 443", "listen 127.0.0.1:8443").encode(),
        "nginx.conf": b"pid nginx.pid; error_log stderr; events {} http { access_log off; include gateway.conf; }",
    }.items():
        (tmp_path / name).write_bytes(content)

    run = subprocess.run(
        ["nginx", "-t", "-p", tmp_path, "-c", "nginx.conf"], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
