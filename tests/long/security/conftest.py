"""The same node as beside the short tests."""

from tests.security.conftest import blank_node as blank_node
from tests.security.conftest import socket as socket
