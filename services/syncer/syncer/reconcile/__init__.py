"""Compare everything with Shopify, by windows and whole; what differs is repaired as changes, and counted as drift."""
