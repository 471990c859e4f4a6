"""What can keep a rebuild from its end.

Permanent
├── TooMuchMissing       what was read lacks much of what readers see: nothing was switched
└── NotCopyable          the tables have something that a copy of them would not have
Transient
├── ShadowLost           the new tables can't be filled to their end: the rebuild starts over
├── ShadowLags           the new tables do not catch up with the changes
└── SwitchRefused        the tables were never free, or the last changes never in: nothing was switched
"""

from shared.errors import Permanent, Transient


class TooMuchMissing(Permanent):
    """What was read lacks too much of what readers see. Nothing was switched."""


class NotCopyable(Permanent):
    """A table has something that its copy would not have."""


class ShadowLost(Transient):
    """The new tables can't be filled to their end any more; the rebuild starts over."""


class ShadowLags(Transient):
    """The new tables do not catch up with the changes that come in."""


class SwitchRefused(Transient):
    """Readers never left the tables free, or the last changes never came in. Nothing was switched."""
