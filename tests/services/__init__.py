"""Runs the real RabbitMQ and PostgreSQL that tests and the soak use: private servers in a folder of their own, on free
ports of the loopback, stopped by the process that started them."""
