"""Nothing here touches a disk or a network."""

from tests.support.pure import pure as pure
