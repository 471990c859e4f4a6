"""The only writer of the projections."""
