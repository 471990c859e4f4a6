"""For whom a document was rendered. Pure."""

from enum import StrEnum


class Audience(StrEnum):
    PUBLIC = "public"  # active events, and of these what anyone may know
    ORGANIZER = "organizer"  # every living event, with all its fields
