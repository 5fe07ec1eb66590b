"""The URLs of an installation: django-pyas2's own views below `pyas2/`, Django's sign-in below `admin/`, and `state/`,
where the bench asks for arrivals."""

from __future__ import annotations

import hashlib
from typing import Any

import django  # type: ignore[import-not-found]
from django.apps import apps  # type: ignore[import-not-found]
from django.contrib import admin  # type: ignore[import-not-found]
from django.db import connection  # type: ignore[import-not-found]
from django.http import JsonResponse  # type: ignore[import-not-found]
from django.urls import include, path  # type: ignore[import-not-found]


def state(request: object) -> Any:  # Any: the library is not at hand where types are checked
    """Return how many were sent and have a receipt whose signature was verified, how many were received, the SHA-256 of the
    newest one received, and how the database keeps its data."""
    messages = apps.get_model("pyas2", "Message").objects.filter(status="S")
    received = messages.filter(direction="IN")
    newest = received.order_by("-id").first()
    return JsonResponse(
        {
            "receipts": messages.filter(direction="OUT", mdn__signed=True).count(),
            "received": received.count(),
            "newest": hashlib.sha256(newest.payload.read()).hexdigest() if newest else "",
            "journal": _pragma("journal_mode"),
            "synchronous": _pragma("synchronous"),
            "django": django.get_version(),
        }
    )


def _pragma(name: str) -> str:
    with connection.cursor() as cursor:
        return str(cursor.execute(f"PRAGMA {name}").fetchone()[0])


urlpatterns = [path("admin/", admin.site.urls), path("pyas2/", include("pyas2.urls")), path("state/", state)]
