"""The whole system on this machine: started in order, watched, stopped; nothing is left of it."""

from collections.abc import Callable

from ops import output
from ops.failures import Refused
from ops.up import services, startup, traffic
from ops.up.arrival import Arrival
from ops.up.introduction import introduce
from ops.up.plan import Plan
from ops.up.startup import Step, Stopping
from ops.web import Http
from sandbox.processes import Process, Supervisor, stop_all
from sandbox.servers import Embedded, Nats, Postgres, Servers, Valkey

READY_WITHIN = 60.0  # seconds for one part
STALLED_AFTER = 60.0  # seconds without anything arriving
STOP_WITHIN = 25.0  # seconds; a service ends what is in flight within 20


class System:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        ports = plan.layout.ports
        self.servers = Embedded(
            Nats(plan.directory / "nats", port=ports["nats"], monitor_port=ports["nats_monitor"]),
            Postgres(plan.directory / "postgres", port=ports["postgres"]),
            Valkey(plan.directory / "valkey", port=ports["redis"]),
        )
        self.processes: list[Process] = []
        self.http = Http()
        self.supervisor = Supervisor([])

    @property
    def addresses(self) -> Servers:
        return self.servers.addresses

    def start(self, stopping: Stopping, say: Callable[[str], None]) -> None:
        """Until every part is ready and every event of the shop can be read. Raises ProcessError, Interrupted."""
        self._check_ports()
        if self.plan.other:
            say(f"shop: {introduce(self.plan.other)}")
        simulated = [] if self.plan.other else [services.simulated_shopify(self.plan)]
        self.processes += simulated
        for process in simulated:
            process.launch()  # it fills its shop while the servers start
        self.servers.start()
        say("nats, postgres, valkey: ready")
        steps = self._steps()
        self.processes += [step.process for step in steps]
        if names := services.ignored(self.processes):
            output.warn(f"ignored: {', '.join(names)} (up sets these itself)")
        startup.run([*(Step(process) for process in simulated), *steps], stopping, say)
        self._wait_for_events(stopping, say)
        lasting = [step.process for step in steps if not step.one_shot]
        servers = [server.process for server in self.servers.all if server.process]
        self.supervisor = Supervisor([*servers, *simulated, *lasting])
        if not self.plan.other:
            self._enliven(say)

    def stop(self) -> None:
        stop_all(self.processes, STOP_WITHIN)
        self.servers.close()
        self.http.close()

    def _steps(self) -> list[Step]:
        plan, servers = self.plan, self.addresses
        reads = [
            Step(services.read_api(plan, servers, room), ("migrate", "provision")) for room in plan.layout.read_apis
        ]
        needs = ("migrate_writer", "provision", *self._simulated())
        writes = [Step(services.writer(plan, servers, room), needs) for room in plan.layout.writers]
        return [
            Step(services.migrate(plan, servers), one_shot=True),
            Step(services.migrate_writer(plan, servers), ("migrate",), one_shot=True),
            Step(services.provision(plan, servers), one_shot=True),
            Step(services.webhook_ingest(plan, servers), ("provision",)),
            *reads,
            *writes,
            # It registers its webhooks at once; Shopify sends again what comes too early for webhook-ingest.
            Step(services.syncer(plan, servers), ("migrate", "provision", *self._simulated())),
        ]

    def _enliven(self, say: Callable[[str], None]) -> None:
        traffic.slow_down(self.http, self.plan.shopify_url, self.plan.latency)
        if self.plan.traffic:
            traffic.begin(self.http, self.plan.shopify_url)
            say("light traffic: on")

    def _simulated(self) -> tuple[str, ...]:
        return () if self.plan.other else ("shopify",)

    def _wait_for_events(self, stopping: Stopping, say: Callable[[str], None]) -> None:
        read_api, monitor = self.plan.layout.url("read_api"), self.addresses.nats_monitor_url
        startup.wait_for_arrival(lambda: Arrival.seen(self.http, read_api, monitor), stopping, STALLED_AFTER, say)
        say("all events: readable")

    def _check_ports(self) -> None:
        taken = self.plan.layout.taken(self.plan.rooms)
        if taken:
            named = ", ".join(f"{port} ({room.replace('_', '-')})" for room, port in taken.items())
            raise Refused(
                f"another program listens on port {named}; choose others with --port N, or free ones with --port 0"
            )
