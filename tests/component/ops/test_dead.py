"""What was buried can be found, read, brought back and dropped: `understudy dead` against a real NATS."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import nats
import pytest
from command_line import understudy
from nats.js import JetStreamContext
from pydantic import SecretStr

from sandbox.servers import Nats
from shared.provision import provision
from shared.settings import NatsSettings
from shared.topology import CHANGES, DEAD_LETTERS, dead_letter_subject


@pytest.fixture(scope="module")
def server() -> Iterator[Nats]:
    with Nats() as server:
        yield server


@pytest.fixture
async def bus(server: Nats) -> AsyncIterator[JetStreamContext]:
    """The streams of the topology, empty."""
    await provision(NatsSettings(nats_url=SecretStr(server.url)))
    client = await nats.connect(server.url)
    jetstream = client.jetstream()
    for stream in (CHANGES, DEAD_LETTERS):
        await jetstream.purge_stream(stream.name)
    yield jetstream
    await client.close()


async def bury(bus: JetStreamContext, subject: str, body: bytes, reason: str = "Permanent: no", **headers: str) -> int:
    """As the delivery policy does."""
    own = {"ce-id": "one", "ce-type": "understudy.product.changed.v1", "Nats-Msg-Id": f"dead:{uuid4()}"}
    burial = {
        "Dead-Reason": reason,
        "Dead-Error": reason.split(":", maxsplit=1)[0],
        "Dead-Stream": CHANGES.name,
        "Dead-Subject": subject,
        "Dead-Sequence": "7",
        "Dead-Attempts": "10",
        "Dead-Consumer": "syncer",
        "Dead-At": "2026-11-22T20:00:00+00:00",
    }
    stored = await bus.publish(
        dead_letter_subject("syncer", subject), body, stream=DEAD_LETTERS.name, headers={**own, **burial, **headers}
    )
    return stored.seq


async def test_a_dead_letter_is_listed_with_its_reason(bus: JetStreamContext, server: Nats):
    sequence = await bury(bus, "changes.product.42", b"{}", "UnknownContract: no contract is called 'x'")
    said = await understudy("dead", "list", "--json", "--nats", server.url)
    assert said.code == 0
    assert said.answer == {
        "dead_letters": [
            {
                "sequence": sequence,
                "at": "2026-11-22T20:00:00+00:00",
                "consumer": "syncer",
                "subject": "changes.product.42",
                "error": "UnknownContract",
                "reason": "UnknownContract: no contract is called 'x'",
                "attempts": 10,
                "bytes": 2,
            }
        ],
        "more": False,
    }


async def test_a_list_is_filtered_and_ends_at_its_limit(bus: JetStreamContext, server: Nats):
    for number in range(5):
        await bury(bus, f"changes.product.{number}", b"{}", "gave up after 10 attempts")
    stock = await bury(bus, "changes.inventory.9", b"{}", "UnknownContract: odd")
    first = (await understudy("dead", "list", "--json", "--limit", "2", env={"NATS_URL": server.url})).answer
    assert [letter["subject"] for letter in first["dead_letters"]] == ["changes.product.0", "changes.product.1"]
    assert first["more"] is True
    after = str(first["dead_letters"][-1]["sequence"])
    rest = (await understudy("dead", "list", "--json", "--after", after, "--nats", server.url)).answer
    assert len(rest["dead_letters"]) == 4
    for filters in (["--subject", "changes.inventory.*"], ["--reason", "unknowncontract"]):
        found = (await understudy("dead", "list", "--json", *filters, "--nats", server.url)).answer
        assert [letter["sequence"] for letter in found["dead_letters"]] == [stock]
    assert (await understudy("dead", "list", "--consumer", "purger", "--nats", server.url)).out == "No dead letters.\n"
    late = await understudy("dead", "list", "--since", "2026-11-22T20:00:01", "--nats", server.url)
    assert late.out == "No dead letters.\n"


async def test_one_is_shown_whole(bus: JetStreamContext, server: Nats):
    sequence = await bury(bus, "changes.product.42", '{"title":"Jazz 🎷"}'.encode())
    said = await understudy("dead", "show", str(sequence), "--nats", server.url)
    assert "Dead-Reason: Permanent: no" in said.out
    assert '"title": "Jazz 🎷"' in said.out
    answer = (await understudy("dead", "show", str(sequence), "--json", "--nats", server.url)).answer
    assert answer["headers"]["ce-id"] == "one"
    assert answer["body"] == {"title": "Jazz 🎷"}


async def test_one_that_is_not_json_is_shown_all_the_same(bus: JetStreamContext, server: Nats):
    text, binary = await bury(bus, "changes.product.1", b"{broken"), await bury(bus, "changes.product.2", b"\xff\x00")
    assert (await understudy("dead", "show", str(text), "--nats", server.url)).out.endswith("\n{broken\n")
    assert (await understudy("dead", "show", str(binary), "--nats", server.url)).out.endswith("\n/wA=\n")


async def test_a_replayed_one_is_back_in_its_stream_as_it_was_and_no_longer_dead(bus: JetStreamContext, server: Nats):
    # Headers that steered the server once would refuse, or roll up, what is stored now.
    steering = {"Nats-Expected-Last-Subject-Sequence": "0"}
    sequence = await bury(bus, "changes.product.42", b'{"id":42}', **steering)
    await bus.publish("changes.product.42", b"a later one", stream=CHANGES.name)
    said = await understudy("dead", "replay", str(sequence), "--json", "--nats", server.url)
    assert said.code == 0, said.err
    stored = said.answer["replayed"][0]["stored_as"]
    message = await bus.get_msg(CHANGES.name, seq=stored)
    assert (message.subject, message.data) == ("changes.product.42", b'{"id":42}')
    assert message.headers is not None
    assert {name for name in message.headers if name != "Nats-Msg-Id"} == {"ce-id", "ce-type", "Nats-Expected-Stream"}
    assert message.headers["Nats-Msg-Id"].startswith(f"replay:{sequence}:")
    assert (await bus.stream_info(DEAD_LETTERS.name)).state.messages == 0


async def test_all_that_match_are_replayed_and_the_others_stay(bus: JetStreamContext, server: Nats):
    for number in range(3):
        await bury(bus, f"changes.product.{number}", b"{}")
    kept = await bury(bus, "changes.inventory.9", b"{}")
    words = ("dead", "replay", "--all", "--yes", "--subject", "changes.product.*", "--json", "--nats", server.url)
    assert len((await understudy(*words)).answer["replayed"]) == 3
    assert (await bus.stream_info(CHANGES.name)).state.messages == 3
    remaining = (await bus.stream_info(DEAD_LETTERS.name)).state
    assert (remaining.messages, remaining.first_seq) == (1, kept)


async def test_one_whose_stream_no_longer_takes_it_stays_among_the_dead(bus: JetStreamContext, server: Nats):
    sequence = await bury(bus, "gone.product.42", b"{}")
    said = await understudy("dead", "replay", str(sequence), "--nats", server.url)
    assert said.code == 1
    assert "CHANGES does not take gone.product.42" in said.err
    assert (await bus.stream_info(DEAD_LETTERS.name)).state.messages == 1


async def test_nothing_is_dropped_before_somebody_said_yes(bus: JetStreamContext, server: Nats):
    sequence = await bury(bus, "changes.product.42", b"{}")
    asked = await understudy("dead", "drop", str(sequence), "--nats", server.url)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert (await bus.stream_info(DEAD_LETTERS.name)).state.messages == 1
    said = await understudy("dead", "drop", str(sequence), "--yes", "--json", "--nats", server.url)
    assert said.answer == {"dropped": [sequence]}
    assert (await bus.stream_info(DEAD_LETTERS.name)).state.messages == 0


async def test_a_mistyped_sequence_changes_nothing(bus: JetStreamContext, server: Nats):
    sequence = await bury(bus, "changes.product.42", b"{}")
    said = await understudy("dead", "replay", str(sequence), "999999", "--json", "--nats", server.url)
    assert said.code == 4
    assert said.err == '{"error":"there is no dead letter 999999"}\n'
    assert (await bus.stream_info(DEAD_LETTERS.name)).state.messages == 1


async def test_a_nats_that_is_down_is_one_line_and_exit_code_3():
    said = await understudy("dead", "list", "--nats", "nats://u:secret@127.0.0.1:9")
    assert said.code == 3
    assert said.err.startswith("understudy: NATS does not answer at 127.0.0.1:9")
    assert "Traceback" not in said.err
    assert "secret" not in said.err


async def test_a_nats_without_our_streams_says_what_to_run():
    with Nats() as empty:
        said = await understudy("dead", "list", "--nats", empty.url)
    assert said.code == 1
    assert "understudy provision" in said.err
