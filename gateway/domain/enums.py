"""Base class of enumerations whose values are written into database rows."""

from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:

    class ValueAtHand:
        """Empty for type checkers, which know the values of enumerations already."""

else:

    class ValueAtHand:
        """Mixin that reads an enumeration's value without calling Python code, where the library makes two calls."""

        value = property(attrgetter("_value_"))
