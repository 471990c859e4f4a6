"""Build the projections anew beside those that readers use, compare them, and switch in one transaction."""
