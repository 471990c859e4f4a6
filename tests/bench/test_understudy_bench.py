"""`understudy bench` on a small scale: every part of it against a whole system, few requests each."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from command_line import understudy
from up_command import nothing_left

from ops.bench import bare, cold, curve, freshness, hot, mixed, write
from ops.bench.contenders import CACHE_ASIDE, CASHEWS_LOCK, NGINX
from ops.bench.questions import path
from ops.bench.report import OURS
from ops.bench.requirements import NotInstalled, program
from ops.bench.simulated import Limits
from ops.bench.statements import counted
from ops.bench.subject import Subject, running

pytestmark = pytest.mark.bench

EVENTS = 60
STARTED_WITHIN = 120.0  # seconds


@pytest.fixture(scope="module")
def subject() -> Iterator[Subject]:
    with running(read_replicas=2, events=EVENTS, say=lambda _: None) as (system, _):
        yield system


def say(_: str) -> None: ...


def test_a_cold_document_is_read_once_and_postgresql_says_so(subject: Subject, tmp_path: Path) -> None:
    pytest.importorskip("cashews", reason="the extra ops[bench] is not installed")
    rows = {row.who: row for row in cold.measure(subject, subject.events(), tmp_path, say, at_once=200)}
    assert CASHEWS_LOCK in rows
    assert rows[OURS].figures["PostgreSQL queries"] == 1
    assert [row.figures["errors"] for row in rows.values()] == [0] * len(rows)


def test_what_is_counted_was_known_before(subject: Subject) -> None:
    with counted(subject.postgres, subject.postgres_log) as log:
        assert log.of(-1) == 7
        assert log.of(1) == 0


def test_mixed_paths_have_figures_for_ours_and_the_peer(subject: Subject, tmp_path: Path) -> None:
    crowd = mixed.Crowd(connections=50, rate=100.0)
    ours, peer, *_ = mixed.measure(subject, subject.events(), 1.0, tmp_path, say, crowd)
    assert (ours.who, peer.who, ours.what) == (OURS, CACHE_ASIDE, peer.what)
    assert ours.figures["errors"] == peer.figures["errors"] == 0
    assert " x 304" in ours.note


def test_a_hot_document_is_measured_beside_nginx_and_the_usual_caches(subject: Subject, tmp_path: Path) -> None:
    pytest.importorskip("cashews", reason="the extra ops[bench] is not installed")
    for needed in ("wrk", "nginx"):
        try:
            program(needed)
        except NotInstalled as error:
            pytest.skip(str(error))
    asked = path(subject.events()[0])
    rows = hot.measure(subject, asked, 1.0, tmp_path, say)
    assert [row.who for row in rows if row.what == hot.PLAIN][:2] == [OURS, NGINX]
    assert [row.figures["errors"] for row in rows] == [0] * len(rows)


async def test_every_edit_is_seen_on_every_replica(subject: Subject) -> None:
    events = await asyncio.to_thread(subject.events)
    (found,) = await freshness.measure(subject, events, 2.0, say, rates=(10,))
    assert (found.lost, len(found.visible), len(found.taken)) == (0, 20, 20)
    baselines = await bare.measure(subject, events, 20.0, 1.0)
    assert {name: len(times) for name, times in baselines.items()} == {bare.DURABLE: 20, bare.HEARD: 20, bare.READ: 20}
    assert all(seconds > 0 for seconds in (*baselines[bare.DURABLE], *baselines[bare.READ]))


async def test_commands_are_measured_beside_a_queue_and_a_client_that_backs_off(tmp_path: Path) -> None:
    pytest.importorskip("rq", reason="the extra ops[bench] is not installed")
    plan = write.Plan(40, 10, Limits(size=200.0, rate=100.0, latency=0.2), peer_seconds=6.0, pace=40.0)
    with running(read_replicas=1, events=EVENTS, say=say, writer=write.settings(plan)) as (system, _):
        event_ids = [event["id"] for event in await asyncio.to_thread(system.events)]
        found = await write.measure(system, plan, event_ids, tmp_path, say)
    ours, naive, queued, merged, slow = found.rows
    assert [row.who for row in found.rows] == [OURS, write.NAIVE, write.QUEUE, OURS, OURS]
    assert (ours.figures["mutations"], queued.figures["out of order"]) == (40, 0)
    for row in (ours, merged):
        assert {row.figures[name] for name in ("THROTTLED", "lost", "out of order")} == {0}
    assert ours.figures["points used %"] > queued.figures["points used %"]
    assert naive.figures["mutations"] > 20
    assert slow.figures["accepted p99 ms"] > 0


def test_the_curve_ends_where_a_server_no_longer_keeps_up() -> None:
    points = [
        curve.Point(OURS, 100.0, {"p99 ms": 2.0}, kept_up=True),
        curve.Point(OURS, 200.0, {"p99 ms": 900.0}, False),
    ]
    (row,) = curve.rows(points)
    assert row.figures == {"kept up with requests/s": 100.0, "p99 ms": 2.0}


async def test_another_file_than_up_printed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "up.json").write_text("{}")
    said = await understudy("bench", "freshness", "--system", str(tmp_path / "up.json"), "--json")
    assert (said.code, "up --json" in said.err) == (1, True)


@pytest.fixture
async def started() -> AsyncIterator[asyncio.subprocess.Process]:
    words = ("bench", "freshness", "--events", "20", "--seconds", "60")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", *words, stdout=PIPE, stderr=PIPE, env=os.environ
    )
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_whatever_ends_a_bench_leaves_nothing_running(
    started: asyncio.subprocess.Process, number: signal.Signals
) -> None:
    assert started.stderr is not None
    async with asyncio.timeout(STARTED_WITHIN):
        while b"freshness:" not in await started.stderr.readline():
            assert started.returncode is None
    leader = psutil.Process(started.pid)
    family = [leader, *leader.children(recursive=True)]
    assert len(family) > 5
    started.send_signal(number)
    await asyncio.gather(started.wait(), started.stderr.read())
    await nothing_left(family, [])
