"""What axes that are asked over HTTP share: answers read in pieces, a line with limits, a ledger, the adapter."""
