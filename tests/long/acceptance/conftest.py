"""One node per test, stepped by hand."""

from tests.support.node import town as town
