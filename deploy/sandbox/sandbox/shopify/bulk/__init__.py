"""Bulk operations: a query is checked, compiled, carried out in slices, and its JSONL served (docs/shopify.md 4)."""
