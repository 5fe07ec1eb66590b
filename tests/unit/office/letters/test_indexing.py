"""Words of files are read after a document came, once, within limits; what may not be read stays unread, also when that is
decided while its files are being read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.pdf import PageLook, PageWish
from gateway.office.domain.content import Reading
from gateway.office.domain.listing import Filter
from gateway.office.letters.indexing import ContentIndexer, IndexLimits
from gateway.office.store.content_marks import REST
from gateway.trust.page_drawing.drawer import PageBox, PageDrawer
from tests.support.letters import A4_TEXT
from tests.support.node import PDF, Town, document
from tests.unit.trust.test_docx import paragraph, written
