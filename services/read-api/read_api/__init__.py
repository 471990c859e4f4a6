"""Serves events and tickets from the projections, never from Shopify."""
