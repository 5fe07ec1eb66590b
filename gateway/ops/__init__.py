"""Functions for operators: status, checks, metrics, backup and restore, audit, evidence, offline verification."""
