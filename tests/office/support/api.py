"""This module gathers the names that most tests of the office's calls use, as `tests.support.api` does for others."""

from __future__ import annotations

from tests.office.support.doors import OfficeDoor as OfficeDoor
from tests.office.support.doors import open_door
from tests.support.packets import COMMUNE as COMMUNE
from tests.support.packets import DEPARTMENT as DEPARTMENT
from tests.support.packets import PDF as PDF
from tests.support.packets import PROVINCE as PROVINCE
from tests.support.town.doors import Answer as Answer
from tests.support.town.doors import form as form
from tests.support.town.doors import meta as meta

opened = open_door
