"""Verifies Shopify's webhooks and puts them on the bus, durably."""
