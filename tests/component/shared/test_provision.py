"""`provision` makes NATS what the topology says, however often, and says clearly why it can't."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig

from sandbox.servers import Nats
from shared import provision as module
from shared.bus import BusUnavailable
from shared.provision import ProvisioningRefused, provision
from shared.settings import NatsSettings
from shared.topology import CHANGES, CONSUMERS, STREAMS, SYNCER_CHANGES

EVERYTHING = [stream.name for stream in STREAMS] + [f"{each.stream.name}/{each.durable}" for each in CONSUMERS]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Nats]:
    with Nats(tmp_path_factory.mktemp("nats") / "nats") as running:
        yield running


@pytest.fixture
def asked(server: Nats) -> NatsSettings:
    return NatsSettings(nats_url=server.url)


@pytest.fixture
async def jetstream(server: Nats) -> AsyncIterator[JetStreamContext]:
    """Of a server that has nothing yet."""
    client = await nats.connect(server.url)
    made = client.jetstream()
    for stream in await made.streams_info():
        await made.delete_stream(stream.config.name or "")
    yield made
    await client.close()


async def test_everything_of_the_topology_is_there_afterwards(jetstream, asked):
    assert sorted(await provision(asked)) == sorted(EVERYTHING)
    for stream in STREAMS:
        config = (await jetstream.stream_info(stream.name)).config
        wanted = stream.config(1)
        for field in ("subjects", "max_age", "max_bytes", "max_msg_size", "storage", "retention", "discard"):
            assert getattr(config, field) == getattr(wanted, field), field
    for consumer in CONSUMERS:
        config = (await jetstream.consumer_info(consumer.stream.name, consumer.durable)).config
        assert (config.ack_wait, config.max_ack_pending, config.filter_subject) == (
            consumer.ack_wait,
            consumer.max_ack_pending,
            consumer.filter,
        )


async def test_it_may_be_run_as_often_as_one_likes_and_keeps_what_is_stored(jetstream, asked):
    await provision(asked)
    await jetstream.publish("changes.product.1", b"kept")
    assert await provision(asked) == EVERYTHING
    assert (await jetstream.stream_info(CHANGES.name)).state.messages == 1


@pytest.mark.usefixtures("jetstream")
async def test_two_at_once_do_not_disturb_each_other(asked):
    done = await asyncio.gather(*(provision(asked) for _ in range(4)))
    assert all(sorted(each) == sorted(EVERYTHING) for each in done)


async def test_settings_that_were_changed_are_updated(jetstream, asked):
    await jetstream.add_stream(replace_max_age(CHANGES.config(1), 3600.0))
    await jetstream.add_consumer(CHANGES.name, replace(SYNCER_CHANGES, ack_wait=1.0, max_ack_pending=5).config())
    await provision(asked)
    assert (await jetstream.stream_info(CHANGES.name)).config.max_age == CHANGES.max_age.total_seconds()
    config = (await jetstream.consumer_info(CHANGES.name, SYNCER_CHANGES.durable)).config
    assert (config.ack_wait, config.max_ack_pending) == (SYNCER_CHANGES.ack_wait, SYNCER_CHANGES.max_ack_pending)


def replace_max_age(config: StreamConfig, seconds: float) -> StreamConfig:
    config.max_age = seconds
    return config


async def test_a_setting_that_cannot_be_changed_is_refused_in_the_servers_words(jetstream, asked):
    """Not as an outage: to try again would not help."""
    await jetstream.add_stream(StreamConfig(name="CHANGES", subjects=["changes.>"], storage=StorageType.MEMORY))
    with pytest.raises(ProvisioningRefused, match="storage"):
        await provision(asked)


async def test_subjects_that_another_stream_holds_are_refused(jetstream, asked):
    await jetstream.add_stream(StreamConfig(name="OTHERS", subjects=["changes.product.*"]))
    with pytest.raises(ProvisioningRefused, match="overlap"):
        await provision(asked)


async def test_nobody_there_is_unavailable(monkeypatch):
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 1)
    with pytest.raises(BusUnavailable, match="does not answer"):
        await provision(NatsSettings(nats_url="nats://127.0.0.1:1"))


class Plain(Nats):
    """A NATS server without JetStream."""

    def prepare(self):
        process = super().prepare()
        configuration = self.directory / "nats.conf"
        configuration.write_text(configuration.read_text().partition("jetstream")[0])
        return process


async def test_a_server_without_jetstream_is_named(tmp_path: Path):
    with Plain(tmp_path / "nats") as plain, pytest.raises(BusUnavailable, match="JetStream"):
        await provision(NatsSettings(nats_url=plain.url))


async def run(**environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "shared.provision",
        env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.usefixtures("jetstream")
async def test_as_a_command_it_ends_with_what_it_did(server):
    code, said = await run(NATS_URL=server.url)
    assert code == 0, said
    assert "provision.done" in said


async def test_as_a_command_it_says_which_setting_is_missing(monkeypatch):
    monkeypatch.delenv("NATS_URL", raising=False)
    code, said = await run()
    assert code == 2
    assert said.startswith("NATS_URL: ")


async def test_as_a_command_it_fails_with_a_reason(jetstream, server):
    await jetstream.add_stream(StreamConfig(name="CHANGES", subjects=["changes.>"], storage=StorageType.MEMORY))
    code, said = await run(NATS_URL=server.url)
    assert code == 1
    assert "provision.failed" in said
    assert "storage" in said
