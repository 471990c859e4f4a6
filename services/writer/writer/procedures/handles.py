"""The handle of a new event: from its title, or, where that one is taken, with a part of its job's id. Pure.

The handle is what keeps an event from being created twice, so it has to be one that Shopify stores as it is: small
letters and digits of any script, single hyphens between them, Latin letters without their accents.
"""

import re
import unicodedata

LONGEST = 200  # characters; Shopify takes 255, and what makes it unique comes on top
UNIQUE = 12  # last hexadecimal digits of a job's id, which are random
_ACCENTS = re.compile(r"[\u0300-\u036f]")  # of Latin, Greek and Cyrillic; the marks of other scripts stay
_BETWEEN = re.compile(r"[\W_]+")


def slug(text: str) -> str:
    """Empty when there is no letter and no digit in it."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text).lower())
    return _BETWEEN.sub("-", unicodedata.normalize("NFC", plain))[:LONGEST].strip("-")


def candidates(title: str, job_id: str) -> tuple[str, ...]:
    """In the order in which they are tried: the same ones for the same job."""
    unique = job_id.replace("-", "")[-UNIQUE:]
    named, anyway = slug(title), f"event-{unique}"
    return (named, f"{named}-{unique}", anyway) if named else (anyway,)
