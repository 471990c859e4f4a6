"""Everything that Shopify has, read by bulk operations: whole, or with an error that says what is missing."""

from syncer.export.errors import ExportError, ExportLost, TooManyExports
from syncer.export.export import Counts, Export, OnProducts, Seen, Unprojected
from syncer.export.operations import Pace

__all__ = [
    "Counts",
    "Export",
    "ExportError",
    "ExportLost",
    "OnProducts",
    "Pace",
    "Seen",
    "TooManyExports",
    "Unprojected",
]
