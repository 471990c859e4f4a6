"""`python -m ops.bench.peers.worker`: one of RQ's workers. What a job needs is loaded before it forks for one."""

import os

from redis import Redis

from ops.bench.peers import write_tasks
from ops.bench.peers.shop import REDIS
from ops.bench.requirements import library


def main() -> None:
    connection = Redis.from_url(os.environ[REDIS])
    library("rq").Worker([write_tasks.QUEUE], connection=connection).work(logging_level="WARNING")


if __name__ == "__main__":
    main()
