"""Counts what a task costs a person: clicks and keys. In: a page that is acted on through `Hand` alone. Out: a line for
each task in the table that the run prints at its end."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Locator, Page

from tests.office.pages.summary import EFFORT, Record


@dataclass(kw_only=True)
class Cost:
    """`keys` are pressed as commands, `letters` are typed into fields; a file that is dropped counts as a click."""

    task: str
    clicks: int = 0
    keys: int = 0
    letters: int = 0

    def __str__(self) -> str:
        return f"{self.task:<60} clicks {self.clicks:>3}   keys {self.keys:>3}   letters {self.letters:>4}"


@dataclass(kw_only=True)
class Hand:
    """A person's hand on a page. What it does outside of a task is not counted."""

    page: Page
    record: Record
    _task: Cost = field(default_factory=lambda: Cost(task=""))

    @contextmanager
    def task(self, name: str, most_clicks: int | None = None, most_keys: int | None = None) -> Iterator[Cost]:
        """Count what a task costs, if it comes to its end; fail where it costs more than it may."""
        outer_task, self._task = self._task, Cost(task=name)
        cost = self._task
        try:
            yield cost
        finally:
            self._task = outer_task
        self.record(EFFORT, str(cost))
        assert most_clicks is None or cost.clicks <= most_clicks, f"{cost}: at most {most_clicks} clicks"
        assert most_keys is None or cost.keys <= most_keys, f"{cost}: at most {most_keys} keys"

    async def click(self, target: str | Locator) -> None:
        await self._locate(target).click()
        self._task.clicks += 1

    async def press(self, keys: str, target: str | Locator | None = None) -> None:
        """Press one key, or several held together as `Control+Enter`, which a person takes for one. Wait until the page is
        there: what is seen of a page that still comes in does not hear keys yet."""
        await self.page.wait_for_load_state("load")
        if target is None:
            await self.page.keyboard.press(keys)
        else:
            await self._locate(target).press(keys)
        self._task.keys += 1

    async def fill(self, target: str | Locator, text: str) -> None:
        """Fill a field: to get there costs a click, what is typed is counted by itself."""
        await self._locate(target).fill(text)
        self._task.clicks += 1
        self._task.letters += len(text)

    async def choose(self, target: str | Locator, value: str) -> None:
        """Choose out of a list: open it, take one."""
        await self._locate(target).select_option(value)
        self._task.clicks += 2

    async def type(self, text: str) -> None:
        """Type into the field that has the focus already."""
        await self.page.keyboard.insert_text(text)
        self._task.letters += len(text)

    async def drop(self, target: str | Locator, name: str, content: bytes) -> None:
        """Drop a PDF from the desktop over that place."""
        transfer = await self.page.evaluate_handle(
            """([name, packed]) => {
                const held = new DataTransfer();
                const octets = Uint8Array.from(atob(packed), (each) => each.charCodeAt(0));
                held.items.add(new File([octets], name, { type: "application/pdf" }));
                return held;
            }""",
            [name, b64encode(content).decode()],
        )
        await self._locate(target).dispatch_event("drop", {"dataTransfer": transfer})
        self._task.clicks += 1

    async def give(self, target: str | Locator, *files: Path) -> None:
        await self._locate(target).set_input_files(list(files))
        self._task.clicks += 1

    def _locate(self, target: str | Locator) -> Locator:
        return self.page.locator(target) if isinstance(target, str) else target
