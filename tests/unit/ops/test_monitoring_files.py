"""The rules for Prometheus and Alertmanager are those of the page, and every query of theirs and of the dashboard names
only metrics and labels that a node really serves. promtool, and a Prometheus that scrapes the node, take all of them."""

from __future__ import annotations

import asyncio
import json
import re
import runpy
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway import meters
from gateway.ops.metrics import Scrape
from tests.support.node import Town
from tests.support.waiting import wait_until
from tests.unit.ops import test_alarms as faults

ROOT = Path(__file__).parents[3]
RULES, DASHBOARD = ROOT / "config/prometheus/gateway.rules.yml", ROOT / "config/grafana/gateway.json"
SELECTOR = re.compile(r"\b((?:gateway|process)_\w+)(?:\{([^}]*)\})?")
# Labels that Prometheus adds to what it scrapes, and that of a histogram's bounds.
OF_PROMETHEUS = {"instance", "le"}


def program(name: str) -> str:
    """Return the path of a program of Debian's package prometheus, or skip the test, also in CI."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not here; it comes with the package prometheus")
    return path


def panels() -> list[dict[str, Any]]:
    dashboard: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return dashboard


def expressions() -> list[str]:
    """List every expression of the rules and the dashboard, the latter for all processes."""
    rules = [
        json.loads(text) for text in re.findall(r"^ +expr: (.+)$", RULES.read_text("utf-8"), re.MULTILINE)
    ]
    queries = [target["expr"].replace("$instance", ".*") for panel in panels() for target in panel["targets"]]
    return rules + queries


def test_the_rules_are_those_of_the_page() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "alarm_rules.py"))

    assert tool["RULES"].read_text("utf-8") == tool["rules"](), "run python tools/alarm_rules.py"
    assert tool["INHIBIT"].read_text("utf-8") == tool["inhibit"](), "run python tools/alarm_rules.py"


def test_promtool_takes_the_rules_and_an_alarm_fires_when_it_has_stood(tmp_path: Path) -> None:
    rule = RULES.read_text("utf-8").split("alert: GatewayNoWorker\n")[1].split("- alert")[0]
    annotations = {name: json.loads(text) for name, text in re.findall(r"(summary|description): (.+)", rule)}
    fired = {"exp_labels": {"role": "worker"}, "exp_annotations": annotations}
    case = {
        "rule_files": [str(RULES)],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": 'gateway_workers{role="worker"}', "values": "1x5 0x9"}],
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": "GatewayNoWorker", "exp_alerts": alerts}
                    for minute, alerts in ((5, []), (6, [fired]))
                ],
            }
        ],
    }
    (tmp_path / "case.yml").write_text(json.dumps(case))

    for words in (("check", "rules", RULES), ("test", "rules", tmp_path / "case.yml")):
        run = subprocess.run([program("promtool"), *map(str, words)], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr


async def test_every_query_names_metrics_and_labels_that_a_node_serves(town: Town) -> None:
    await faults.dead(town)
    hot = await faults.folder_refuses(town)
    text = (await Scrape(node=hot.node).text()).decode()
    labels: dict[str, set[str]] = {meter.name: set(meter.labels) for meter in meters.METERS}
    for name, sample_labels, _ in faults.samples(text):
        family = re.sub(r"_(total|bucket|count|sum)$", "", name)
        labels.setdefault(family, set()).update(sample_labels)
    served = {re.sub(r"_total$", "", name) for name in re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)}

    for expression in expressions():
        for name, matchers in SELECTOR.findall(expression):
            family = re.sub(r"_(total|bucket|count|sum)$", "", name)
            assert {name, family} & served, expression
            names = labels.get(family, labels.get(name))
            used = {*re.findall(r"(\w+)\s*=", matchers or "")} - OF_PROMETHEUS
            assert names is None or used <= names, expression


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))

    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= dashboard.keys()
    assert [panel["id"] for panel in panels()] == [*range(1, len(panels()) + 1)]
    assert {v["name"] for v in dashboard["templating"]["list"]} == {"datasource", "instance"}
    for panel in panels():
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["type"] in ("stat", "timeseries", "state-timeline")


@asynccontextmanager
async def prometheus(target: str, folder: Path) -> AsyncIterator[str]:
    """Let a Prometheus scrape this address, with our rules."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "gateway", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    words = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    run = await asyncio.create_subprocess_exec(
        program("prometheus"), *words, f"--web.listen-address={address}", stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"http://{address}/api/v1"
    finally:
        run.terminate()
        await run.wait()


async def test_prometheus_scrapes_a_node_loads_the_rules_and_answers_every_query(
    town: Town, tmp_path: Path
) -> None:
    program("prometheus")
    text = (await Scrape(node=town.node).text()).decode()

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/plain")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    async with (
        TestServer(app, host="127.0.0.1") as server,
        prometheus(f"127.0.0.1:{server.port}", tmp_path) as api,
        aiohttp.ClientSession() as session,
    ):

        async def ask(path: str, **query: str) -> Any:  # Any: JSON
            try:
                async with session.get(f"{api}/{path}", params=query) as answer:
                    content = await answer.json()
            except aiohttp.ClientError:
                return None
            assert content["status"] == "success", (query, content)
            return content["data"]

        async def is_scraped() -> bool:
            answer = await ask("query", query="gateway_info")
            return bool(answer and answer["result"])

        async def are_evaluated() -> bool:
            rules = (await ask("rules"))["groups"][0]["rules"]
            return len(rules) > 20 and all(rule["health"] == "ok" for rule in rules)

        await wait_until(is_scraped, "the first scrape")
        for expression in expressions():
            await ask("query", query=expression)
        for expression in ("max by (check) (gateway_check)", "process_resident_memory_bytes"):
            assert (await ask("query", query=expression))["result"] != []
        await wait_until(are_evaluated, "the rules")
