"""The node's settings: what can be set (`options`), read once in a stated order, and how it may be shown (`reading`)."""

from gateway.settings.options import Settings as Settings
from gateway.settings.reading import load as load
