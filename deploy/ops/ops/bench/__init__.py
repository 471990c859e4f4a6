"""Measure ours beside peers, on the same machine and in the same run."""
