"""Let Python's collector of circles look less often, in processes that work in batches or hold much."""

import gc

YOUNG = 50_000  # objects more than were given back, until it looks; Python's own number is 700
GENERATIONS = (20, 50)  # looks at the young, until it looks at the middle-aged and at all


def collect_rarely() -> None:
    """A batch makes some 100,000 objects, none of them in a circle, and all of them live until it ends.

    The collector goes through them again and again, and finds nothing: measured, a third of the CPU of a flood. What is
    there already, modules and classes, it need never look at.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *GENERATIONS)
