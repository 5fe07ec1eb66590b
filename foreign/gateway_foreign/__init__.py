"""The axes of the nation and of provinces, and the interface for document systems that know only the national axis's
library. Both stand above the exchange, which never imports them."""
