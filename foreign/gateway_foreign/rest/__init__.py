"""Shared parts of axes that are called over HTTP: an answer reader, a client with limits, a ledger, the adapter."""
