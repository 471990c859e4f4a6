"""FastAPI + RQ: put each write into a queue and answer at once; background workers speak to Shopify."""

import os
from typing import Any

from fastapi import FastAPI
from redis import Redis

from ops.bench.peers.shop import REDIS
from ops.bench.peers.write_tasks import QUEUE, edit
from ops.bench.requirements import library


def create_app() -> FastAPI:
    queue = library("rq").Queue(QUEUE, connection=Redis.from_url(os.environ[REDIS]))
    app = FastAPI()

    @app.post("/v1/events/{event_id}", status_code=202)
    async def edit_event(event_id: str, fields: dict[str, str]) -> Any:
        job = queue.enqueue(edit, event_id, fields)
        return {"status": "queued", "job_id": job.id}

    return app
