"""The axis over RabbitMQ: names, connection, publishing, consuming, dead parcels, and large packets in parts."""
