"""The whole system on one machine without Docker, and a simulated Shopify."""
