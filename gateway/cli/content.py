"""`gateway content`: where large content lies, the folder or a bucket, and its move to the place that the settings want.
In: the settings and the database. Out: the content of each place; a move that goes on where an earlier one ended, while
the node works."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, noun, option
from gateway.cli.output import FAILED
from gateway.errors import Clash, ContentStoreDown, Misconfigured

if TYPE_CHECKING:
    from gateway.bootstrap.stored import OpenStore
    from gateway.store.bucket_content import BucketContent

verb = noun("content").verb
_TELL_EVERY = 100
_SHOWN_FAILURES = 20


@verb()
async def show(call: Invocation, node: OpenStore) -> None:
    """Show where large content lies, where new content goes, and whether the bucket can be used."""
    from gateway.bootstrap.core import open_bucket
    from gateway.store.content_move import count_content

    bucket, target = open_bucket(node.settings, node.store, node.clock), node.settings.content.store
    lying = await count_content(node.store)
    state = "none" if bucket is None else "ok"
    if bucket is not None:
        try:
            await _check(bucket)
        except ContentStoreDown as error:
            state = str(error)
    place = str(bucket.bucket.place) if bucket is not None else ""
    output.record(call, {"store": target, "bucket": place, "state": state} | asdict(lying))
    if lying.files if target == "s3" else lying.objects:
        call.say("cli.content.elsewhere", to=target)


@verb(
    "--to s3",
    "--to folder -o json",
    writes=True,
    local=True,
)
async def move(
    call: Invocation,
    node: OpenStore,
    to: Annotated[str, option("Place: s3 or folder. It must be content.store of the settings.")],
) -> None:
    """Move all large content to the place of new content, while the node works. Nothing is deleted before it is proved at
    the new place; after a break the same command goes on."""
    from gateway.bootstrap.core import open_bucket, places
    from gateway.store.blobs import FileBlobs
    from gateway.store.content_move import ContentMove, count_content

    if to not in ("s3", "folder"):
        raise typer.BadParameter("choose s3 or folder")
    settings = node.settings
    bucket = open_bucket(settings, node.store, node.clock)
    if bucket is None:
        raise Misconfigured(
            "the settings name no bucket; content.bucket must stay set until all content is in the folder",
            hint="gateway config show",
        )
    if settings.content.store != to:
        raise Clash(
            f"new content still goes to {settings.content.store}: set content.store to {to}, restart every process of the "
            "node, and then move",
            hint="gateway config show",
        )
    if call.dry_run:
        lying = await count_content(node.store)
        call.say("cli.would", what=f"{lying.files if to == 's3' else lying.objects} → {to}")
        return
    await _check(bucket)
    root = places(settings)["content"]
    blobs = FileBlobs(root, node.store, node.clock, node.pool, None, bucket)

    def tell(count: int) -> None:
        if count and count % _TELL_EVERY == 0:
            call.say("cli.backup.copied", what="content", count=count)

    work = ContentMove(root, node.store, blobs, bucket, tell)
    await work.run()
    lying = await count_content(node.store)
    failures = [{"sha256": digest, "why": why} for digest, why in sorted(work.failed.items())]
    output.record(call, {"moved": work.moved, "failed": failures[:_SHOWN_FAILURES]} | asdict(lying))
    if failures:
        call.say("cli.content.failed", count=len(failures))
        raise typer.Exit(FAILED)


async def _check(bucket: BucketContent) -> None:
    await bucket.settle()
    await asyncio.to_thread(bucket.bucket.check_mark)
