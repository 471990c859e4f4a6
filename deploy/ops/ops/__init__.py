"""The understudy command line."""
