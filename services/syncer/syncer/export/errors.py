"""What can go wrong with an export.

Permanent
└── ExportError               everything could not be read, however often it was tried
    ├── ExportRefused             Shopify or we do not accept it: the query, the address of the result, access
    ├── ExportFailed              Shopify's operation ended in FAILED, or in CANCELED
    ├── ExportExpired             the operation or its result is gone
    ├── ExportStalled             the operation goes on, and gets no further
    ├── ExportMalformed           a line that is none: cut in half, garbage
    └── ExportTruncated           less than Shopify counted: bytes, lines, products, or children of products
Transient
├── TooManyExports            other bulk operations of this app leave no room for ours
├── ExportLost                what was staged is gone (PostgreSQL crashed): it has to be downloaded again
└── Unavailable
    └── ResultUnavailable         the result's server gives no answer

An `ExportError` ends a run only after it was tried to mend it (carrier.py); its message says which range
of product ids is missing.
"""

from shared.errors import Permanent, Transient, Unavailable


class ExportError(Permanent):
    """Everything could not be read by bulk operations."""


class ExportRefused(ExportError):
    """It is not accepted, now or ever."""


class ExportFailed(ExportError):
    """Shopify's bulk operation failed."""


class ExportExpired(ExportError):
    """The bulk operation, or its result, is there no more."""


class ExportStalled(ExportError):
    """The bulk operation gets no further."""


class ExportMalformed(ExportError):
    """The result holds a line that can't be read."""


class ExportTruncated(ExportError):
    """The result holds less than Shopify counted."""


class TooManyExports(Transient):
    """Other bulk operations of this app and shop leave no room for ours."""


class ExportLost(Transient):
    """What was staged of an export is gone; it has to be downloaded again."""


class ResultUnavailable(Unavailable):
    """The server that keeps the results of bulk operations gives no answer."""
