"""Put the command API into an application: `running = install(app, desk)`, and `await running.close()` when it ends."""

from dataclasses import dataclass

from fastapi import FastAPI

from shared import openapi
from shared.edge import Edge
from writer.api import bodies, jobs_routes, routes
from writer.api.acceptance import Acceptance
from writer.api.bodies import Bodies
from writer.api.census import Census
from writer.api.desk import Desk
from writer.api.edge import MANNERS
from writer.api.estimates import Estimates
from writer.api.openapi import with_bodies
from writer.api.routes import Reception
from writer.api.waiting import Waiting

DESCRIPTION = """\
Commands for a shop's events and tickets, passed on to Shopify at exactly the rate that it allows.

- Every command is answered at once with a job: `202`, its place in the queue, and when it will have taken effect.
- Send an `Idempotency-Key`, and a command that you send again stays one command.
- Send `If-Match`, and nobody's work is overwritten unseen. Send `Prefer: wait=10`, and hear at once how it ended.
- Ids are strings of digits, money is a string, times are RFC 3339 in UTC. Errors are RFC 9457 problems with pointers.
"""


@dataclass(frozen=True)
class Installed:
    census: Census
    estimates: Estimates

    async def close(self) -> None:
        await self.census.close()
        await self.estimates.close()


def install(app: FastAPI, desk: Desk) -> Installed:
    """`problems.install(app)` was called, and `app.state.authenticator` is there when requests come."""
    census = Census(desk)
    estimates = Estimates(desk, census)
    acceptance = Acceptance(desk, census)
    waiting = Waiting(desk.wakeups, desk.settings.writer_max_waiters)
    reception, reading = Reception(acceptance, estimates, waiting), Bodies(desk.settings)
    app.include_router(routes.events(reception, reading))
    app.include_router(routes.tickets(reception, reading))
    app.include_router(jobs_routes.jobs(desk, acceptance, estimates, waiting))
    bodies.install(app)
    app.description = app.description or DESCRIPTION
    openapi.install(app, with_bodies)
    app.add_middleware(Edge, manners=MANNERS, cors=MANNERS.cors(desk.settings.cors_origin))
    return Installed(census, estimates)
