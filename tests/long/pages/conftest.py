"""The same browser and sites as beside the short tests, watched in the same way."""

from tests.pages.conftest import browser as browser
from tests.pages.conftest import cheap_passwords as cheap_passwords
from tests.pages.conftest import context as context
from tests.pages.conftest import database as database
from tests.pages.conftest import enter as enter
from tests.pages.conftest import hand as hand
from tests.pages.conftest import mail as mail
from tests.pages.conftest import origin as origin
from tests.pages.conftest import page as page
from tests.pages.conftest import plain_page as plain_page
from tests.pages.conftest import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.pages.conftest import pytest_configure as pytest_configure
from tests.pages.conftest import pytest_generate_tests as pytest_generate_tests
from tests.pages.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.pages.conftest import site as site
from tests.pages.conftest import watcher as watcher
