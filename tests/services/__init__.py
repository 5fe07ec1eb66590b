"""The real RabbitMQ and PostgreSQL that tests and the soak run against: private servers in a folder of their own, on free
ports of the loopback, stopped by whoever started them."""
