"""Who listens, by what may be told to them. Pure."""

from enum import StrEnum


class Circle(StrEnum):
    """Each has tellers of its own, so that what one is flooded with neither drops nor delays what others hear."""

    PUBLIC = "public"  # without a token: tags of what is, or was, visible to anyone
    ORGANIZER = "organizer"  # with a token: tags, those of drafts among them
    JOBS = "jobs"  # with a token: jobs, and no tags
    BOTH = "both"  # with a token: tags and jobs

    @property
    def drafts(self) -> bool:
        return self is not Circle.PUBLIC


OF_TAGS = (Circle.PUBLIC, Circle.ORGANIZER, Circle.BOTH)
OF_JOBS = (Circle.JOBS, Circle.BOTH)
