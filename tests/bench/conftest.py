"""Measurements are made on stores with an office."""

from tests.office.conftest import store as store
