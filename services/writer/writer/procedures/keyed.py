"""Changes of stock: each with a key, by which Shopify carries it out once. Pure.

Shopify remembers a key for 24 h (docs/shopify.md 3), and holds its arguments against whoever uses it again. So a key is
made of the job, the place in its history, and the arguments: repeated, it is the same; planned anew, another one.
"""

from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson

from writer.procedures.outcomes import MISMATCH, again, says, settled
from writer.procedures.steps import InDoubt, Progress, Refused, Retry, Unknown, Write, Written

KEPT = timedelta(hours=23)  # of Shopify's 24: our clock and theirs differ, and the request has to arrive


def keyed(progress: Progress, document: str, variables: Mapping[str, Any], retry: Retry) -> Write:
    digest = sha256(orjson.dumps([document, variables], option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    key = f"{progress.job.id}-{len(progress.writes)}-{digest}"
    return Write(document, {**variables, "idempotencyKey": key}, retry)


def unanswered(progress: Progress, write: Written, retry: Retry) -> Write | InDoubt:
    """Once more with its key, as long as Shopify remembers that."""
    key = write.variables["idempotencyKey"]
    first = min(one.sent_at for one in progress.writes if one.variables.get("idempotencyKey") == key)
    if progress.now - first < KEPT:
        return again(write, retry)
    return InDoubt(
        f"{write.document} of {first.isoformat()} had no answer, and Shopify has forgotten its key by now: repeated, "
        "it could take effect twice. Compare the ticket's stock in Shopify with what was sold, put it right, resolve."
    )


def in_doubt(progress: Progress, write: Written) -> InDoubt | None:
    """When the key was used for something else: then nobody knows what that was."""
    outcome = settled(write)
    if not isinstance(outcome, Refused) or not says(outcome.errors, MISMATCH):
        return None
    return InDoubt(
        f"Shopify knows the key {write.variables['idempotencyKey']} of {write.document} with other arguments, which "
        f"job {progress.job.id} never sent. Look at the ticket's stock history in Shopify before anything is repeated."
    )


def is_unanswered(write: Written) -> bool:
    return isinstance(settled(write), Unknown)
