"""Faults of a hub on purpose, chosen by a seed: which call has which. In: an operation. Out: the fault, or none. They can
be changed while the simulator runs. What a fault does to a call is `server`'s."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from gateway_labs.simulators.settings import FaultOptions, fault_options


class Faults:
    def __init__(self, options: FaultOptions) -> None:
        self.options = options
        self.done: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._chance = random.Random(options.seed)  # noqa: S311 - the same faults again, not a secret

    def change(self, given: Mapping[str, Any]) -> None:
        """ValueError or TypeError for what is no such option."""
        self.options = fault_options(given, self.options)
        self._chance = random.Random(self.options.seed)  # noqa: S311 - as above

    def pick(self, operation: str) -> str:
        self.calls[operation] += 1
        told = self.options
        if not told.kinds or (told.operations and operation not in told.operations):
            return ""
        if self._chance.random() >= told.rate:
            return ""
        found = self._chance.choice(told.kinds)
        self.done[found] += 1
        return found
