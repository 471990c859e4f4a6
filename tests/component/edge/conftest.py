"""What stands behind every edge: an origin that a test controls."""

from collections.abc import Iterator

import pytest
from edges import Origin


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as server:
        yield server
