"""How many of Shopify's cost points are left, as those who spend them last wrote into Redis."""

import redis.asyncio

from read_api.circuit import Circuit
from shared.points import points_left
from shared.tags import RedisUnavailable


class Budget:
    """`shop`: whose; None when nobody said."""

    def __init__(self, client: "redis.asyncio.Redis", circuit: Circuit, shop: str | None) -> None:
        self._client = client
        self._circuit = circuit
        self._shop = shop

    async def left(self) -> float | None:
        """Points, or None when they are not known now."""
        if self._shop is None or not self._circuit.closed:
            return None
        try:
            points = await points_left(self._client, self._shop)
        except RedisUnavailable as error:
            self._circuit.trip(error)
            return None
        return None if points is None else round(points.available, 1)
