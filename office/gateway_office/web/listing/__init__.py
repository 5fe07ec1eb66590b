"""Parts that lists and the search share: the address as a query, columns, rights of sight, bulk acts, news."""
