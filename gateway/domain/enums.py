"""What the enumerations have in common whose values are written into rows."""

from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:

    class ValueAtHand:
        """As below: a type checker knows the values of enumerations by itself."""

else:

    class ValueAtHand:
        """Tells an enumeration's value without a call of Python, where the library needs two: whoever writes a document as
        JSON asks for a dozen."""

        value = property(attrgetter("_value_"))
