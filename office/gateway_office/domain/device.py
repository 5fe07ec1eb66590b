"""The device of a session, named for a person: browser and system by the words that browsers put in their User-Agent. In:
that header as it was stored. Out: two names, empty where they are unknown. Such a header is a claim: names are shown,
never trusted. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# In this order: a browser made from another also carries the other's word.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("coc_coc_browser/", "Coc Coc"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows NT", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """Names of a browser and of the system that it runs on."""

    browser: str = ""
    system: str = ""


def name_device(agent: str) -> Device:
    """Name the device of a User-Agent. Only browsers say that they are Mozilla; any other program is no known device."""
    if not agent.startswith("Mozilla/"):
        return Device()
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return Device(browser, system)
