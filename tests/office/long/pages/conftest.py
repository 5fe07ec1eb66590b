"""The same browser and sites as beside the short tests, watched in the same way."""

from tests.office.pages.conftest import browser as browser
from tests.office.pages.conftest import cheap_passwords as cheap_passwords
from tests.office.pages.conftest import context as context
from tests.office.pages.conftest import database as database
from tests.office.pages.conftest import enter as enter
from tests.office.pages.conftest import guest as guest
from tests.office.pages.conftest import hand as hand
from tests.office.pages.conftest import mail as mail
from tests.office.pages.conftest import origin as origin
from tests.office.pages.conftest import page as page
from tests.office.pages.conftest import plain_page as plain_page
from tests.office.pages.conftest import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.office.pages.conftest import pytest_configure as pytest_configure
from tests.office.pages.conftest import pytest_generate_tests as pytest_generate_tests
from tests.office.pages.conftest import pytest_runtest_makereport as pytest_runtest_makereport
from tests.office.pages.conftest import site as site
from tests.office.pages.conftest import watcher as watcher
