"""Does Shopify still speak the API version that we ask for? Pure."""

import re
from collections.abc import Mapping
from datetime import date

from syncer.doctor.findings import Finding, failed, ok, warning

CHECK = "api_version"
WARN_BEFORE = 60  # days before a version ends
MONTHS = 12  # that a version lives, from the first of the month it is named after


def finding(asked: str, answered: str | None, versions: Mapping[str, bool], today: date) -> Finding:
    """`versions`: whether Shopify supports each of those it knows. `answered` is what it said its answer is in."""
    newest = max((handle for handle, supported in versions.items() if supported and ends(handle)), default=None)
    advice = f"Set SHOPIFY_API_VERSION to {newest or 'a supported version'}, after reading its changes."
    if answered is not None and answered != asked:
        says = f"We ask for API version {asked}, and Shopify answers in {answered}: fields may mean something else."
        return failed(CHECK, says, advice)
    if versions and not versions.get(asked, False) and asked != "unstable":
        return failed(CHECK, f"Shopify does not support API version {asked}.", advice)
    end = ends(asked)
    if end is None:
        return warning(CHECK, f"API version {asked} changes without notice.", advice)
    left = (end - today).days
    if left < 0:
        return warning(CHECK, f"API version {asked} was to end on {end}.", advice)
    if left <= WARN_BEFORE:
        return warning(CHECK, f"API version {asked} ends on {end}, in {left} days.", advice)
    return ok(CHECK, f"API version {asked} is supported until {end}.")


def ends(handle: str) -> date | None:
    """The day from which on a version is answered by another one: 2026-10 on 2027-10-01. None for `unstable`."""
    match = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", handle)
    if match is None:
        return None
    months = int(match[1]) * 12 + int(match[2]) - 1 + MONTHS
    return date(months // 12, months % 12 + 1, 1)
