"""This module gathers the names that most tests of a town with an office use, as `tests.support.node` does for others."""

from __future__ import annotations

from tests.office.support.town import OfficeTown as OfficeTown
from tests.office.support.town import open_town
from tests.support.packets import COMMUNE as COMMUNE
from tests.support.packets import DEPARTMENT as DEPARTMENT
from tests.support.packets import PDF as PDF
from tests.support.packets import PROVINCE as PROVINCE
from tests.support.packets import document as document
from tests.support.packets import document_id as document_id
from tests.support.packets import draft as draft
from tests.support.packets import recall_of as recall_of
from tests.support.packets import receipt_for as receipt_for
from tests.support.packets import replacement_of as replacement_of
from tests.support.packets import status_about as status_about
from tests.support.packets import update_of as update_of
from tests.support.town.acts import LEASE_S as LEASE_S
from tests.support.town.acts import Packet as Packet
from tests.support.town.acts import resigned as resigned

opened = open_town
