"""What came of a look at the subscriptions, in the doctor's words. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from syncer.doctor.findings import Finding, failed, how_many, named, ok, repaired, warning
from syncer.doctor.subscriptions import Diagnosis, host

CHECK = "subscriptions"


@dataclass(frozen=True)
class Refusal:
    """Shopify's words about one topic."""

    topic: str
    words: str


@dataclass(frozen=True)
class Search:
    """What changed `since` is to be looked for by a reconcile: `run`, or None while nobody could be asked."""

    since: datetime
    run: int | None


@dataclass(frozen=True)
class Look:
    """`before` and `after` the mending."""

    wanted: int
    before: Diagnosis = field(default_factory=Diagnosis)
    after: Diagnosis = field(default_factory=Diagnosis)
    refused: tuple[Refusal, ...] = ()
    search: Search | None = None

    @property
    def mended_some(self) -> bool:
        """Some topics that starved us do not any more."""
        return self.before.starving > self.after.starving


def findings(look: Look) -> Iterator[Finding]:
    """One for what is refused, one for what was mended or is well, one for each thing that is left alone."""
    if not look.wanted:
        yield warning(
            CHECK,
            "WEBHOOK_PUBLIC_URL is not set, so nobody here looks after the webhook subscriptions.",
            "Set WEBHOOK_PUBLIC_URL to where Shopify reaches webhook-ingest, unless the app's own configuration "
            "registers the webhooks.",
        )
        return
    yield from _refused(look)
    yield from _mended(look)
    yield from _left_alone(look)


def _refused(look: Look) -> Iterator[Finding]:
    """What is still wrong. Another process may have mended what Shopify refused us: then it is not."""
    wrong = [need.topic for need in look.after.create] + [mend.why for mend in look.after.mend]
    if not wrong:
        return
    words = named(dict.fromkeys(refusal.words for refusal in look.refused))
    reason = f"Shopify refuses it: {words}" if words else "Shopify said yes, and left it as it was"
    yield failed(CHECK, f"Still missing or wrong: {named(wrong)}. {reason}.", _advice(words))


def _mended(look: Look) -> Iterator[Finding]:
    created = [need.topic for need in look.before.create if need not in look.after.create]
    still = {mend.need.topic for mend in look.after.mend} | {need.topic for need in look.after.create}
    mended = [mend.why for mend in look.before.mend if mend.need.topic not in still]
    renewed = len(look.before.dated) - len(look.after.dated)
    doubles = len(look.before.doubles) - len(look.after.doubles)
    done = [
        *([f"registered {named(created)}"] if created else []),
        *([f"mended {named(mended)}"] if mended else []),
        *([f"made {how_many(renewed, 'subscription')} anew in our API version"] if renewed > 0 else []),
        *([f"removed {how_many(doubles, 'double')}"] if doubles > 0 else []),
    ]
    if done:
        yield repaired(CHECK, f"{_capital('; '.join(done))}. {_search(look.search)}".strip())
    elif look.search is not None and not look.after.starving:
        yield repaired(CHECK, _search(look.search))
    elif not still:
        yield ok(CHECK, f"All {look.wanted} webhook subscriptions lead here.")


def _search(search: Search | None) -> str:
    """What becomes of the changes that were missed."""
    if search is None:
        return ""
    since = f"What changed since {search.since:%Y-%m-%d %H:%M:%S} UTC"
    if search.run is None:
        return f"{since} may have been missed; a reconcile is asked for when the one that is under way has ended."
    return f"{since} may have been missed; run {search.run} reconciles it (`understudy runs follow {search.run}`)."


def _left_alone(look: Look) -> Iterator[Finding]:
    after = look.after
    if after.dated:
        versions = named(sorted({mend.found.api_version or "?" for mend in after.dated}))
        yield warning(
            CHECK,
            f"The bodies of {how_many(after.dated, 'subscription')} are written in API version {versions}, not ours; "
            "making them anew did not change that.",
            "Set the app's webhook API version, in its own configuration, to SHOPIFY_API_VERSION.",
        )
    if after.strays:
        topics = named(sorted({one.topic for one in after.strays}))
        yield warning(
            CHECK,
            f"{how_many(after.strays, 'subscription')} ({topics}) lead to our host, where nobody listens.",
            "Delete it, or let whoever made it say what it is for.",
        )
    if after.foreign:
        hosts = named(sorted({host(one.uri) for one in after.foreign}))
        lead = "subscription of this app leads", "subscriptions of this app lead"
        yield ok(CHECK, f"{how_many(after.foreign, *lead)} elsewhere ({hosts}) and were left alone.")


def _advice(words: str) -> str:
    if "protocol http://" in words:
        return "Shopify sends to https only: set WEBHOOK_PUBLIC_URL to an https address."
    if "Address" in words:
        return "Set WEBHOOK_PUBLIC_URL to an address that Shopify accepts, and run the doctor again."
    if "ccess" in words:
        return "Give the app the access that Shopify names, and run the doctor again."
    return "Mend what Shopify names, and run the doctor again."


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
