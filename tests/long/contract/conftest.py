"""The same stores as beside the short tests."""

from tests.contract.conftest import blank_database as blank_database
from tests.contract.conftest import clock as clock
from tests.contract.conftest import pool as pool
from tests.contract.conftest import store as store
from tests.contract.conftest import store_url as store_url
