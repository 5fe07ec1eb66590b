"""What one process works out of an agency's rows for its pages, and uses again for a minute. In: an agency, the time, a
function that makes the value. Out: the value; of agencies beyond a number the one that was made first is made anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")
_REMEMBERED_FOR = timedelta(minutes=1)


@dataclass(slots=True)
class AgencyMemory(Generic[T]):
    """Values by agency, at most so many."""

    most: int
    _values: OrderedDict[str, tuple[datetime, T]] = field(default_factory=OrderedDict)

    async def get(self, agency_id: str, now: datetime, make: Callable[[], Awaitable[T]]) -> T:
        if (stored := self._values.get(agency_id)) and stored[0] <= now < stored[0] + _REMEMBERED_FOR:
            return stored[1]
        value = await make()
        self._values[agency_id] = now, value
        while len(self._values) > self.most:
            self._values.popitem(last=False)
        return value
