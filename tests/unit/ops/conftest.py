"""One node per test, stepped by hand."""

from tests.support.node import Town


async def lose_database(town: Town) -> None:
    """As a broken disk leaves it."""
    await town.node.store.close()
    for file in town.node.settings.node.data_dir.glob("gateway.db*"):
        file.write_bytes(b"this is no database " * 1000)
