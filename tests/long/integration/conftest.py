"""Two nodes and a broker between them."""

from tests.support.amqp_stage import stage as stage
