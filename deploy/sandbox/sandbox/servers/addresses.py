"""Where the three servers are, whoever started them. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Servers:
    """`nats_monitor_url` is the http address of NATS' monitor; `postgres_dsn` names a database and its owner."""

    nats_url: str
    nats_monitor_url: str
    postgres_dsn: str
    redis_url: str

    def environment(self) -> dict[str, str]:
        """As every service reads them."""
        return {
            "NATS_URL": self.nats_url,
            "NATS_MONITOR_URL": self.nats_monitor_url,
            "POSTGRES_DSN": self.postgres_dsn,
            "REDIS_URL": self.redis_url,
        }
