"""What one would build instead: FastAPI in front of the same tables and the same Redis, cached the usual ways."""
