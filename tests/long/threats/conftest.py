"""The same nodes and doors as beside the short tests."""

from tests.threats.conftest import brokered as brokered
from tests.threats.conftest import door as door
from tests.threats.conftest import embedded as embedded
from tests.threats.conftest import explain as explain
from tests.threats.conftest import services as services
from tests.threats.conftest import verify as verify
