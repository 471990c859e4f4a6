"""The command API: what clients say to the writer, and what they are told of their jobs."""

from writer.api.desk import Desk
from writer.api.installation import Installed, install

__all__ = ["Desk", "Installed", "install"]
