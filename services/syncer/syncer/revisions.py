"""Whether an event has changed for its readers, and what revision that makes. Pure.

A revision is raised only where a document would differ, so a duplicate raises none (promise P4): render as if nothing
had changed, and compare. What lists show has a revision of its own, so that a sale purges no list until a word changes.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from syncer.documents import Documents, Edition, draft
from syncer.projections import Event


@dataclass(frozen=True)
class Standing:
    """What readers see now."""

    edition: Edition
    documents: Documents
    description_html: str
    visible: bool  # to anonymous readers
    deleted: bool


@dataclass(frozen=True)
class Revised:
    """What readers shall see. `changed`: the event has a new revision. `listed`: the lists have one, too."""

    edition: Edition
    documents: Documents
    changed: bool
    listed: bool


def revise(standing: Standing | None, event: Event, now: datetime) -> Revised:
    """The next edition of an event; the standing one when nothing that is rendered differs."""
    drafted = draft(event)
    if standing is None:
        edition = Edition(1, now, 1, event.updated_at)
        return Revised(edition, drafted.edition(edition), changed=True, listed=True)
    as_it_stands = drafted.edition(standing.edition)
    if as_it_stands == standing.documents and not standing.deleted:
        return Revised(standing.edition, standing.documents, changed=False, listed=False)
    edition = replace(standing.edition, revision=standing.edition.revision + 1, synced_at=now)
    listed = (
        standing.deleted
        or (as_it_stands.item, as_it_stands.manage_item) != (standing.documents.item, standing.documents.manage_item)
        or event.description_html != standing.description_html  # full text search filters by it
    )
    if listed:
        edition = replace(edition, listed_revision=edition.revision, listed_at=event.updated_at)
    return Revised(edition, drafted.edition(edition), changed=True, listed=listed)
