"""What is said, who listens, and the seams to NATS, PostgreSQL, Redis and Shopify."""
