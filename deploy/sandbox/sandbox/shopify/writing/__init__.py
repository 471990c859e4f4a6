"""Write fields: GraphQL's mutations, each with the userErrors that Shopify was seen to answer."""

from sandbox.shopify.reading.fields import Resolver
from sandbox.shopify.writing import (
    bulk,
    definitions,
    inventory,
    locations,
    metafields,
    product_set,
    products,
    publishing,
    variants,
    webhooks,
)

MUTATIONS: dict[str, Resolver] = {
    "productCreate": products.create,
    "productUpdate": products.update,
    "productDelete": products.delete,
    "productChangeStatus": products.change_status,
    "productSet": product_set.product_set,
    "productOptionUpdate": variants.update_option,
    "productVariantsBulkCreate": variants.create,
    "productVariantsBulkUpdate": variants.update,
    "productVariantsBulkDelete": variants.delete,
    "locationActivate": locations.activate,
    "locationDeactivate": locations.deactivate,
    "metafieldDefinitionCreate": definitions.create,
    "metafieldsSet": metafields.set_,
    "metafieldsDelete": metafields.delete,
    "inventorySetQuantities": inventory.set_quantities,
    "inventoryAdjustQuantities": inventory.adjust_quantities,
    "inventoryActivate": inventory.activate,
    "inventoryDeactivate": inventory.deactivate,
    "inventoryItemUpdate": inventory.update_item,
    "publishablePublish": publishing.publish,
    "publishableUnpublish": publishing.unpublish,
    "webhookSubscriptionCreate": webhooks.create,
    "webhookSubscriptionUpdate": webhooks.update,
    "webhookSubscriptionDelete": webhooks.delete,
    "bulkOperationRunQuery": bulk.run_query,
    "bulkOperationCancel": bulk.cancel,
}
