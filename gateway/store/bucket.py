"""A bucket of an object store (S3), through botocore. In: the address and key of the bucket; content with its digest. Out:
objects whose names are never used twice, durable once `store` returns; content that was proved by its digest; the mark of
the database whose content this is. ContentStoreDown for everything that the store does not do.

All calls block. A name is `aa/DIGEST-TOKEN`: a request that the store carries out late, after its caller gave up, can then
neither replace nor delete what another call stored. Load this module only where the settings name a bucket, because
botocore is large."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from gateway import random_source, time_source
from gateway.domain.identity import Digest
from gateway.errors import AlteredContent, ContentStoreDown

PIECE = 256 * 1024
# A store that did not answer is not asked at once by everything else that waits.
QUIET_S = 2.0
# Slowest speed at which content is still read.
_LEAST_BYTES_PER_S = 64 * 1024
# How long a mark that was right is believed.
_MARK_FOR_S = 60.0
_MARK, _TRIAL = "store-mark", "store-trial"
_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})-[0-9a-f]{32}")
_WITHOUT_VERSIONS = 501
_NOT_FOUND = frozenset({"NoSuchKey", "404", "NotFound"})
_CUT = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
# Settings of AWS's own tools on this machine, and of its environment, are not for the node.
_OWN_SETTINGS_ALONE = {
    name: (None, None, default, None)
    for name, default in (("profile", None), ("config_file", os.devnull), ("credentials_file", os.devnull))
}
# A session makes one client at a time.
_opening = threading.Lock()
CURE = "gateway content show"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlace:
    """Address of a bucket, and the key that opens it. `prefix` stands before all names, so that a bucket may have other
    objects too."""

    endpoint: str
    region: str
    bucket: str
    prefix: str
    access_key: str
    secret_key: str
    ca: str | None = None
    has_path_names: bool = True
    timeout_s: int = 30

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix} at {urlsplit(self.endpoint).netloc}"


@dataclass(frozen=True, slots=True)
class BucketObject:
    """One object of the listing. `digest` is that of its name, `age` by the store's own clock."""

    name: str
    digest: str
    age: timedelta


class NoObject(Exception):
    """There is no object of this name."""


@cache
def _session() -> botocore.session.Session:
    """Return what all clients of this process are made with; it reads large descriptions once."""
    return botocore.session.Session(session_vars=_OWN_SETTINGS_ALONE)


class Bucket:
    """The bucket, opened at the first call. Its methods may be called from several threads."""

    def __init__(self, place: BucketPlace) -> None:
        self.place = place
        self._quiet_until = 0.0
        self._reason = ""
        self._marked_until = 0.0
        self._mark = ""
        self._may_write_mark = False

    def expect(self, mark: str, *, may_write: bool) -> None:
        """Take the mark that the bucket must have before anything is stored or deleted in it. `may_write`: one without a
        mark gets it, because the database refers to no object yet."""
        self._mark, self._may_write_mark, self._marked_until = mark, may_write, 0.0

    def check_mark(self) -> None:
        """Check that the bucket has the mark of this database: another node's, or an empty one in place of the right one,
        takes nothing. ContentStoreDown when not."""
        if time_source.monotonic() < self._marked_until:
            return
        actual = self._read_mark()
        if not actual and self._may_write_mark:
            with self._calling("the mark was not written"):
                self._client.put_object(**self._at(_MARK), Body=self._mark.encode())
            actual = self._read_mark()
        if not self._mark or actual != self._mark:
            raise ContentStoreDown(
                f"the bucket {self.place} is not the one that this node stored in: its mark is "
                f"{'another' if actual else 'missing'}; name the right one, or an empty prefix after a restore",
                hint=CURE,
                params={"strange": True},
            )
        self._marked_until = time_source.monotonic() + _MARK_FOR_S

    def forget_mark(self) -> None:
        """Let the next call read the mark again."""
        self._marked_until = 0.0

    def ask(self) -> None:
        """Ask for the mark, whatever it is. ContentStoreDown without an answer."""
        self._read_mark()

    def try_out(self) -> None:
        """Store a small object that is no content, and delete it. ContentStoreDown where that fails."""
        self.check_mark()
        with self._calling("nothing can be stored"):
            self._client.put_object(**self._at(_TRIAL), Body=b"trial")
        self.remove(_TRIAL)

    def store(self, digest: Digest, source: BinaryIO, size: int) -> str:
        """Store content, and return the name of its object. The store proves the bytes by their SHA-256, which signs the
        request."""
        self.check_mark()
        name = f"{digest[:2]}/{digest}-{random_source.random_16().hex()}"
        checksum = base64.b64encode(bytes.fromhex(digest)).decode()
        with self._calling("content was not stored"):
            self._client.put_object(
                **self._at(name), Body=source, ContentLength=size, ChecksumSHA256=checksum
            )
        return name

    def fetch(self, name: str, digest: Digest, target: BinaryIO) -> None:
        """Write the content of an object to a file, from its start, and prove it. Content that is cut or other than its
        digest is fetched once more. NoObject; AlteredContent when it has other bytes again."""
        cut: ContentStoreDown | None = None
        for _ in range(2):
            target.seek(0)
            target.truncate()
            cut = None
            try:
                if self._copy(name, target) == digest:
                    target.flush()
                    return
            except ContentStoreDown as error:
                if not isinstance(error.__cause__, _CUT):
                    raise
                cut = error
        if cut is not None:
            raise cut
        raise AlteredContent(
            f"the object {name} in the bucket {self.place} is not what was stored (SHA-256 {digest}); bring it back from a "
            "backup, and find out who changed it"
        )

    def has(self, name: str) -> bool:
        try:
            with self._calling("content was not found"):
                self._client.head_object(**self._at(name))
        except NoObject:
            return False
        return True

    def find(self, digest: str) -> str | None:
        """Return the name of an object with that content; None where there is none."""
        names = [o.name for page in self.pages(f"{digest[:2]}/{digest}-") for o in page]
        return names[-1] if names else None

    def pages(self, head: str) -> Iterator[list[BucketObject]]:
        """Yield the objects whose names begin so, in the order of their names, page by page."""
        token: dict[str, str] = {}
        skipped = len(self.place.prefix) + 1
        while True:
            with self._calling("the bucket was not listed"):
                page = self._client.list_objects_v2(
                    Bucket=self.place.bucket, Prefix=f"{self.place.prefix}/{head}", **token
                )
            date = page["ResponseMetadata"]["HTTPHeaders"].get("date")
            now = datetime.min.replace(tzinfo=UTC) if date is None else parsedate_to_datetime(date)
            yield [
                BucketObject(match[0], match[1], now - row["LastModified"])
                for row in page.get("Contents", ())
                if (match := _NAME.fullmatch(row["Key"][skipped:])) is not None
            ]
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, name: str) -> None:
        """Delete an object with all its versions; harmless when there is none."""
        self.check_mark()
        key = self._at(name)
        with self._calling("content was not deleted"):
            try:
                listed = self._client.list_object_versions(Bucket=key["Bucket"], Prefix=key["Key"])
            except ClientError as error:
                if _status(error) != _WITHOUT_VERSIONS:
                    raise
                listed = {}
            versions = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
            for version in [v["VersionId"] for v in versions if v["Key"] == key["Key"]]:
                self._client.delete_object(**key, VersionId=version)
            if not versions:
                self._client.delete_object(**key)

    @cached_property
    def _client(self) -> Any:  # Any: botocore makes its methods of a description
        with _opening:
            place = self.place
            return _session().create_client(
                "s3",
                endpoint_url=place.endpoint,
                region_name=place.region,
                aws_access_key_id=place.access_key,
                aws_secret_access_key=place.secret_key,
                verify=place.ca or True,
                config=Config(
                    signature_version="s3v4",
                    s3={
                        "addressing_style": "path" if place.has_path_names else "virtual",
                        "payload_signing_enabled": True,
                    },
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    retries={"total_max_attempts": 2, "mode": "standard"},
                    connect_timeout=min(5, place.timeout_s),
                    read_timeout=place.timeout_s,
                    max_pool_connections=32,
                    proxies={},
                ),
            )

    def _copy(self, name: str, target: BinaryIO) -> str:
        """Copy an object to the file, and return the digest of its bytes. It may take longer the larger it is."""
        hasher = hashlib.sha256()
        with self._calling("content was not read"):
            answer = self._client.get_object(**self._at(name))
            ends_at = (
                time_source.monotonic() + self.place.timeout_s + answer["ContentLength"] / _LEAST_BYTES_PER_S
            )
            with closing(answer["Body"]) as body:
                for piece in body.iter_chunks(PIECE):
                    if time_source.monotonic() > ends_at:
                        raise ReadTimeoutError(endpoint_url=self.place.endpoint)
                    hasher.update(piece)
                    target.write(piece)
        return hasher.hexdigest()

    def _read_mark(self) -> str:
        try:
            with self._calling("the mark was not read"):
                answer = self._client.get_object(**self._at(_MARK))
                with closing(answer["Body"]) as body:
                    return str(body.read(256).decode("ascii", "replace").strip())
        except NoObject:
            return ""

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self.place.bucket, "Key": f"{self.place.prefix}/{name}"}

    @contextmanager
    def _calling(self, failed: str) -> Iterator[None]:
        """Turn the library's errors into ours. For a moment after a call without an answer, others fail at once."""
        if time_source.monotonic() < self._quiet_until:
            raise self._down(failed, self._reason)
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _NOT_FOUND:
                raise NoObject from error
            raise self._down(failed, f"it answers {_status(error)} {code}".strip()) from error
        except (IncompleteReadError, ResponseStreamingError) as error:
            raise self._down(failed, _say(error)) from error
        except BotoCoreError as error:
            self._reason, self._quiet_until = _say(error), time_source.monotonic() + QUIET_S
            raise self._down(failed, self._reason) from error

    def _down(self, failed: str, reason: str) -> ContentStoreDown:
        return ContentStoreDown(
            f"{failed}: the bucket {self.place}: {reason}; it is tried again",
            hint=CURE,
            params={"reason": reason},
        )


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
