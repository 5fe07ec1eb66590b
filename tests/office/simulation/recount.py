from __future__ import annotations


def remains(world):
    return []


def check(world, ledger, diary, numbered):
    return []


async def check_running(world):
    return []
