"""This module gathers the names that most tests of a town use: the town, its agencies, and the documents sent there."""

from __future__ import annotations

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
from tests.support.town.acts import Town as Town
from tests.support.town.acts import resigned as resigned
from tests.support.town.builder import open_town

opened = open_town
