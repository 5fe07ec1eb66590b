"""The stores of the office on either database, each of its own."""

from tests.contract.conftest import blobs as blobs
from tests.contract.conftest import root as root
from tests.contract.conftest import store_url as store_url
from tests.contract.conftest import url as url
