"""This module gathers the names that most tests of the API use: a town's front door, its agencies, and the calls made
there."""

from __future__ import annotations

from tests.support.packets import COMMUNE as COMMUNE
from tests.support.packets import DEPARTMENT as DEPARTMENT
from tests.support.packets import PDF as PDF
from tests.support.packets import PROVINCE as PROVINCE
from tests.support.packets import pdf as pdf
from tests.support.town.builder import stage_in as stage_in
from tests.support.town.builder import staged as staged
from tests.support.town.doors import ALL as ALL
from tests.support.town.doors import BASE as BASE
from tests.support.town.doors import Answer as Answer
from tests.support.town.doors import Door as Door
from tests.support.town.doors import form as form
from tests.support.town.doors import meta as meta
from tests.support.town.doors import open_door

opened = open_door
