"""Base of the enumerations whose values are written into rows."""

from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:

    class ValueAtHand:
        """Empty: a type checker knows the values of enumerations by itself."""

else:

    class ValueAtHand:
        """Mixin that gives an enumeration's value without a call of Python, where the library needs two."""

        value = property(attrgetter("_value_"))
