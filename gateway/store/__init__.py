"""What must not be lost: documents, deliveries, outbox, inbox, register, jobs, events and content."""
