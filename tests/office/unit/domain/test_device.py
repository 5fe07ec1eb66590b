"""A session's device has names that a person knows; what is unknown has none."""

from __future__ import annotations

from gateway_office.domain.device import Device, name_device
from tests.support.cases import Cases

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
AGENTS = {
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/131.0 Safari/537.36": Device(
        "Chrome", "Windows"
    ),
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/131.0 Safari/537.36 Edg/131.0": Device(
        "Edge", "Windows"
    ),
    f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} coc_coc_browser/130.0 Chrome/124.0 Safari/537.36": Device(
        "Coc Coc", "Windows"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0": Device("Firefox", "Linux"),
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/18.0 Safari/605.1.15": Device(
        "Safari", "macOS"
    ),
    f"{_IPHONE} Version/18.0 Mobile/15E148 Safari/604.1": Device("Safari", "iPhone"),
    f"{_IPHONE} CriOS/131.0 Mobile/15E148 Safari/604.1": Device("Chrome", "iPhone"),
    f"Mozilla/5.0 (Linux; Android 14; K) {_WEBKIT} Chrome/131.0 Mobile Safari/537.36": Device(
        "Chrome", "Android"
    ),
    f"Mozilla/5.0 (Linux; Android 14) {_WEBKIT} SamsungBrowser/27.0 Chrome/125.0 Mobile Safari/537.36": Device(
        "Samsung Internet", "Android"
    ),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64)": Device("", "Windows"),
    "Mozilla/5.0 (Haiku) Firefox/100.0": Device("Firefox", ""),
    "curl/8.5.0": Device(),
    "Python/3.12 aiohttp/3.11 Chrome/1.0": Device(),
    "": Device(),
}


def test_a_device_has_the_names_that_its_browser_claims(cases: Cases) -> None:
    for agent, device in AGENTS.items():
        with cases.case(agent or "none"):
            assert name_device(agent) == device
