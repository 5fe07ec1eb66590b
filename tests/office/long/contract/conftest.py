"""The same stores as beside the short tests."""

from tests.contract.conftest import store_url as store_url
from tests.contract.conftest import url as url
