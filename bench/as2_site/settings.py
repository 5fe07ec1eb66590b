"""Settings of one installation of django-pyas2, as its guide has them, for a run that is thrown away. In: the environment
of its processes. They are those of a quick installation: connections to the database stay open, the log has warnings only,
and a transaction takes SQLite's write lock at once, so that many at a time wait and none fails."""

from __future__ import annotations

import os
from pathlib import Path

from bench.peer_child import load_library

load_library()

_FOLDER = Path(os.environ["AS2_FOLDER"])

SECRET_KEY = os.environ["AS2_SECRET"]
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
# A request's body is read whole, by default up to 2.5 MB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 256_000_000
# The folder of messages, receipts and the headers of both, a file each.
MEDIA_ROOT = _FOLDER / "files"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _FOLDER / "as2.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 60,
            "transaction_mode": "IMMEDIATE",
            "init_command": f"PRAGMA journal_mode = {os.environ['AS2_JOURNAL']}",
        },
    }
}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "pyas2",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "bench.as2_site.urls"
