"""Which types and fields of Shopify's schema the pruned copy keeps. Data only.

Enums are kept whole wherever a kept field, argument or input refers to them; scalars likewise. An argument or an input
field goes when its own input type is not kept.
"""

CONNECTION = "edges nodes pageInfo"
EDGE = "cursor node"
COUNTED = "count precision"
USER_ERROR = "field message"
CODED_USER_ERROR = "code field message"

FIELDS: dict[str, str] = {
    # Roots
    "QueryRoot": (
        "bulkOperation bulkOperations currentAppInstallation currentBulkOperation events inventoryItem inventoryItems"
        " inventoryLevel location locations metafieldDefinitions node nodes product productByHandle productByIdentifier"
        " productOperation products productsCount productVariant productVariants productVariantsCount"
        " publicApiVersions publications shop webhookSubscription webhookSubscriptions webhookSubscriptionsCount"
    ),
    "Mutation": (
        "bulkOperationCancel bulkOperationRunQuery inventoryActivate inventoryAdjustQuantities inventoryDeactivate"
        " inventoryItemUpdate inventorySetQuantities locationActivate locationDeactivate metafieldDefinitionCreate"
        " metafieldsDelete metafieldsSet productChangeStatus productCreate productDelete productOptionUpdate productSet"
        " productUpdate productVariantsBulkCreate productVariantsBulkDelete productVariantsBulkUpdate"
        " publishablePublish publishableUnpublish webhookSubscriptionCreate webhookSubscriptionDelete"
        " webhookSubscriptionUpdate"
    ),
    # Interfaces
    "Node": "id",
    "LegacyInteroperability": "legacyResourceId",
    "HasMetafields": "metafield metafields",
    "HasCompareDigest": "compareDigest",
    "HasEvents": "events",
    "Publishable": "publishedOnPublication resourcePublicationsCount",
    "Event": "action createdAt id message",
    "Media": "alt id mediaContentType preview status",
    "ProductOperation": "product status",
    "DisplayableError": USER_ERROR,
    # Catalogue
    "Product": (
        "createdAt description descriptionHtml events featuredImage featuredMedia handle hasOnlyDefaultVariant"
        " hasOutOfStockVariants id images legacyResourceId media mediaCount metafield metafields options priceRangeV2"
        " productType publishedAt publishedOnPublication resourcePublicationsCount seo status tags templateSuffix title"
        " totalInventory tracksInventory updatedAt variants variantsCount vendor"
    ),
    "ProductOption": "id name optionValues position values",
    "ProductOptionValue": "hasVariants id name",
    "ProductPriceRangeV2": "maxVariantPrice minVariantPrice",
    "MoneyV2": "amount currencyCode",
    "SEO": "description title",
    "ProductVariant": (
        "availableForSale barcode compareAtPrice createdAt displayName events id inventoryItem inventoryPolicy"
        " inventoryQuantity legacyResourceId metafield metafields position price product publishedOnPublication"
        " resourcePublicationsCount selectedOptions sellableOnlineQuantity sku taxable title updatedAt"
    ),
    "SelectedOption": "name optionValue value",
    "Metafield": (
        "compareDigest createdAt id jsonValue key legacyResourceId namespace owner ownerType type updatedAt value"
    ),
    "MetafieldIdentifier": "key namespace ownerId",
    "MetafieldDefinition": "description id key name namespace ownerType pinnedPosition type",
    "MetafieldDefinitionType": "category name",
    "Image": "altText height id metafield metafields url width",
    "MediaImage": "alt createdAt id image mediaContentType metafield metafields preview status updatedAt",
    "MediaPreviewImage": "image status",
    "Count": COUNTED,
    "PageInfo": "endCursor hasNextPage hasPreviousPage startCursor",
    # Stock
    "InventoryItem": (
        "createdAt id inventoryLevel inventoryLevels legacyResourceId locationsCount requiresShipping sku tracked"
        " updatedAt variant variants"
    ),
    "InventoryLevel": "createdAt id isActive item location quantities updatedAt",
    "InventoryQuantity": "id name quantity updatedAt",
    "InventoryAdjustmentGroup": "changes createdAt id reason referenceDocumentUri",
    "InventoryChange": "delta item ledgerDocumentUri location name quantityAfterChange",
    "Location": (
        "address createdAt fulfillsOnlineOrders id inventoryLevel inventoryLevels isActive legacyResourceId metafield"
        " metafields name updatedAt"
    ),
    "LocationAddress": "address1 city country countryCode zip",
    # Shop
    "Shop": (
        "createdAt currencyCode email ianaTimezone id metafield metafields myshopifyDomain name plan resourceLimits"
        " timezoneOffset updatedAt url"
    ),
    "ShopPlan": "partnerDevelopment publicDisplayName shopifyPlus",
    "ShopResourceLimits": "locationLimit maxProductOptions maxProductVariants",
    "AppInstallation": "accessScopes id metafield metafields",
    "AccessScope": "description handle",
    "Publication": "autoPublish id name supportsFuturePublishing",
    "BasicEvent": "action createdAt id message subject subjectId subjectType",
    # Webhooks and operations
    "WebhookSubscription": (
        "apiVersion callbackUrl createdAt endpoint filter format id includeFields legacyResourceId metafieldNamespaces"
        " metafields name topic updatedAt uri"
    ),
    "WebhookSubscriptionEndpoint": "",
    "WebhookHttpEndpoint": "callbackUrl",
    "WebhookSubscriptionMetafieldIdentifier": "key namespace",
    "ApiVersion": "displayName handle supported",
    "BulkOperation": (
        "completedAt createdAt errorCode fileSize id objectCount partialDataUrl query rootObjectCount status type url"
    ),
    "ProductSetOperation": "id product status userErrors",
    "ProductDeleteOperation": "deletedProductId id product status userErrors",
    # Connections
    **{
        f"{name}{part}": fields
        for name in (
            "BulkOperation", "Event", "Image", "InventoryItem", "InventoryLevel", "Location", "Media", "Metafield",
            "MetafieldDefinition", "Product", "ProductVariant", "Publication", "WebhookSubscription",
        )
        for part, fields in (("Connection", CONNECTION), ("Edge", EDGE))
    },
    # Payloads
    "BulkOperationCancelPayload": "bulkOperation userErrors",
    "BulkOperationRunQueryPayload": "bulkOperation userErrors",
    "InventoryActivatePayload": "inventoryLevel userErrors",
    "InventoryAdjustQuantitiesPayload": "inventoryAdjustmentGroup userErrors",
    "InventoryDeactivatePayload": "userErrors",
    "InventoryItemUpdatePayload": "inventoryItem userErrors",
    "InventorySetQuantitiesPayload": "inventoryAdjustmentGroup userErrors",
    "LocationActivatePayload": "location locationActivateUserErrors",
    "LocationDeactivatePayload": "location locationDeactivateUserErrors",
    "MetafieldDefinitionCreatePayload": "createdDefinition userErrors",
    "MetafieldsDeletePayload": "deletedMetafields userErrors",
    "MetafieldsSetPayload": "metafields userErrors",
    "ProductChangeStatusPayload": "product userErrors",
    "ProductCreatePayload": "product shop userErrors",
    "ProductDeletePayload": "deletedProductId productDeleteOperation shop userErrors",
    "ProductOptionUpdatePayload": "product userErrors",
    "ProductSetPayload": "product productSetOperation userErrors",
    "ProductUpdatePayload": "product userErrors",
    "ProductVariantsBulkCreatePayload": "product productVariants userErrors",
    "ProductVariantsBulkDeletePayload": "product userErrors",
    "ProductVariantsBulkUpdatePayload": "product productVariants userErrors",
    "PublishablePublishPayload": "publishable shop userErrors",
    "PublishableUnpublishPayload": "publishable shop userErrors",
    "WebhookSubscriptionCreatePayload": "userErrors webhookSubscription",
    "WebhookSubscriptionDeletePayload": "deletedWebhookSubscriptionId userErrors",
    "WebhookSubscriptionUpdatePayload": "userErrors webhookSubscription",
    # User errors
    "UserError": USER_ERROR,
    "MetafieldsSetUserError": "code elementIndex field message",
    **{
        f"{name}UserError": CODED_USER_ERROR
        for name in (
            "BulkOperation", "InventoryAdjustQuantities", "InventorySetQuantities", "LocationActivate",
            "LocationDeactivate", "MetafieldDefinitionCreate", "ProductChangeStatus",
            "ProductOptionUpdate", "ProductSet", "ProductVariantsBulkCreate", "ProductVariantsBulkDelete",
            "ProductVariantsBulkUpdate",
        )
    },
}  # fmt: skip

INPUTS: frozenset[str] = frozenset(
    {
        "HasMetafieldsMetafieldIdentifierInput", "InventoryAdjustQuantitiesInput", "InventoryChangeInput",
        "InventoryItemInput", "InventoryLevelInput", "InventoryQuantityInput", "InventorySetQuantitiesInput",
        "MetafieldDefinitionInput", "MetafieldIdentifierInput", "MetafieldInput", "MetafieldsSetInput",
        "OptionCreateInput",
        "OptionSetInput", "OptionUpdateInput", "OptionValueCreateInput", "OptionValueSetInput",
        "OptionValueUpdateInput", "ProductCreateInput", "ProductDeleteInput", "ProductIdentifierInput",
        "ProductInput", "ProductSetIdentifiers", "ProductSetInput", "ProductSetInventoryInput",
        "ProductUpdateIdentifiers", "ProductUpdateInput", "ProductVariantSetInput", "ProductVariantsBulkInput",
        "PublicationInput", "SEOInput", "UniqueMetafieldValueInput", "VariantOptionValueInput",
        "WebhookSubscriptionInput",
    }
)  # fmt: skip

# Enums nobody here needs a value of, and long; arguments and input fields of these types go.
DROPPED_ENUMS: frozenset[str] = frozenset(
    {"CountryCode", "UnitPriceMeasurementMeasuredUnit", "CombinedListingsRole", "CatalogType"}
)
