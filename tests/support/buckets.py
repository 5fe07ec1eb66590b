"""Buckets of the real object store for tests, each test with a prefix of its own. In: the store that a run of the tests
brings up. Out: a place to open; objects that a test reads, changes or removes past the program."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from gateway.store.bucket import Bucket, BucketPlace
from tests.services import radosgw
from tests.support.services import missing
from tests.support.tcp_proxy import TcpProxy

_bucket_names = set[str]()


def new_place(*, user: str = "owner", versions: bool = False, timeout_s: int = 10) -> BucketPlace:
    """Return an empty place in a bucket that exists, which may keep versions of its objects."""
    store = radosgw.from_environment() or missing("radosgw is not installed; `make test` installs it")
    access_key, secret_key = store.keys[user]
    name = f"tests-{os.getpid()}-{'versions' if versions else 'plain'}"
    place = BucketPlace(
        endpoint=store.endpoint,
        region="us-east-1",
        bucket=name,
        prefix=f"node-{secrets.token_hex(6)}",
        access_key=access_key,
        secret_key=secret_key,
        timeout_s=timeout_s,
    )
    if name not in _bucket_names:
        client = client_of(place)
        client.create_bucket(Bucket=name)
        if versions:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        _bucket_names.add(name)
    return place


def through(place: BucketPlace, line: TcpProxy) -> BucketPlace:
    return replace(place, endpoint=f"http://{line.host}:{line.port}")


def line_to(place: BucketPlace) -> TcpProxy:
    """Return a line to the store, to be cut."""
    address = urlsplit(place.endpoint)
    return TcpProxy(address.hostname or "", address.port or 0)


def stranger_at(place: BucketPlace) -> BucketPlace:
    """Return the place with the key of a user who has no right there."""
    store = radosgw.from_environment() or missing("radosgw is not installed")
    access_key, secret_key = store.keys["stranger"]
    return replace(place, access_key=access_key, secret_key=secret_key)


def client_of(place: BucketPlace) -> Any:  # Any: botocore makes its methods of a description
    return Bucket(place)._client


class Objects:
    """The objects of a place, past the program."""

    def __init__(self, place: BucketPlace) -> None:
        self._place, self._bucket = place, Bucket(place)
        self._client = self._bucket._client

    def names(self) -> list[str]:
        """Return the names of content."""
        return [o.name for page in self._bucket.pages("") for o in page]

    def count_versions(self) -> int:
        listed = self._client.list_object_versions(Bucket=self._place.bucket, Prefix=f"{self._place.prefix}/")
        versions = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
        return len([v for v in versions if not v["Key"].endswith("store-mark")])

    def find(self, digest: str) -> str | None:
        return self._bucket.find(digest)

    def read(self, name: str) -> bytes:
        content: bytes = self._client.get_object(**self._at(name))["Body"].read()
        return content

    def write(self, name: str, content: bytes) -> None:
        self._client.put_object(**self._at(name), Body=content)

    def delete(self, name: str) -> None:
        self._client.delete_object(**self._at(name))

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._place.bucket, "Key": f"{self._place.prefix}/{name}"}
