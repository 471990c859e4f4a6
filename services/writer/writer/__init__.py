"""The writer: accepts commands, owns jobs, and is the only one that changes anything in Shopify."""
