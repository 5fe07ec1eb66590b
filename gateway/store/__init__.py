"""Storage of everything that must not be lost: documents, deliveries, outbox, inbox, register, jobs, events, content."""
