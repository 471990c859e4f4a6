"""May the app do what we need? Pure."""

from collections.abc import Collection, Iterator

from syncer.doctor.findings import Finding, failed, named, ok

CHECK = "scopes"
FOR_READING = ("read_products", "read_inventory", "read_locations")
ADVICE = "Add {scopes} to the Admin API scopes of the app, and install it again where Shopify asks for that."


def findings(granted: Collection[str]) -> Iterator[Finding]:
    """`granted` as Shopify spells them: read_products. Who may write may read; nothing but the canary writes."""
    unreadable = [
        scope for scope in FOR_READING if scope not in granted and scope.replace("read", "write", 1) not in granted
    ]
    if unreadable:
        says = f"The app was not granted {named(unreadable)}: what that hides can't be read."
        yield failed(CHECK, says, ADVICE.format(scopes=named(unreadable)))
    else:
        yield ok(CHECK, f"The app may read what we read ({named(FOR_READING)}).")
