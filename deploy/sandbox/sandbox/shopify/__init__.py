"""A simulated Shopify: the Admin GraphQL API and its webhooks over HTTP, refusing what the real one refuses."""
