"""A child process is ready when it answers, says why it died, and is started again a little later each time."""

import sys
from pathlib import Path

import pytest
from waiting import eventually

from sandbox.processes import Died, NotReady, Process, Supervisor, answers
from sandbox.servers import free_port

SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
sys.exit(3)
"""
DOOMED = """
import sys
print("x" * 9000)
sys.exit("no such setting: COLOUR")
"""


def python(tmp_path: Path, code: str, *words: str, **settings) -> Process:
    return Process("program", [sys.executable, "-c", code, *words], log=tmp_path / "program.log", **settings)


async def test_a_process_is_ready_when_its_health_address_answers(tmp_path: Path):
    port = free_port()
    process = python(tmp_path, SERVER, str(port), ready=answers(f"http://127.0.0.1:{port}/"))
    assert process.state == "down"
    process.start(within=10)
    assert process.state == "ready"
    process.stop()
    assert (process.state, process.exit_code) == ("down", -15)


async def test_one_that_dies_first_says_so_with_the_end_of_its_log(tmp_path: Path):
    process = python(
        tmp_path, "import sys; print('x' * 9000); sys.exit('no such setting: COLOUR')", ready=lambda: False
    )
    with pytest.raises(Died, match=r"exit code 1 before it was ready[\s\S]*no such setting: COLOUR") as raised:
        process.start(within=10)
    assert len(str(raised.value)) < 5000


async def test_one_that_never_answers_is_given_up_at_the_deadline(tmp_path: Path):
    process = python(tmp_path, "import time; time.sleep(60)", ready=lambda: False)
    with pytest.raises(NotReady, match=r"not ready within 0\.2 s"):
        process.start(within=0.2)
    process.kill()


async def test_one_that_is_deaf_to_the_request_is_killed_at_the_deadline(tmp_path: Path):
    process = python(tmp_path, STUBBORN)
    process.ready = lambda: "deaf" in process.tail()
    process.start(within=10)
    assert process.stop(within=0.2) is False
    assert process.exit_code == -9


async def test_a_child_that_outlives_its_crashed_parent_is_killed(tmp_path: Path):
    process = python(tmp_path, PARENT)
    process.launch()
    await eventually(lambda: not process.alive, within=10)
    assert process.exit_code == 3
    grandchild = Path("/proc", process.tail(), "stat")
    await eventually(lambda: not grandchild.exists() or ") Z " in grandchild.read_text())


async def test_its_environment_is_ours_and_what_it_was_given(tmp_path: Path):
    process = python(tmp_path, "import os; print(os.environ['COLOUR'], 'PATH' in os.environ)", env={"COLOUR": "blue"})
    process.launch()
    await eventually(lambda: not process.alive, within=10)
    assert process.tail() == "blue True"


async def test_a_crash_is_followed_by_a_restart_each_a_little_later(tmp_path: Path):
    now = [1000.0]
    process = python(tmp_path, "import sys; sys.exit(1)")
    supervisor = Supervisor([process], clock=lambda: now[0])
    process.launch()
    waits = []
    for _ in range(3):
        await eventually(lambda: not process.alive, within=10)
        process.launched_at = now[0]
        supervisor.step()
        waited = 0.0
        restarts = supervisor.restarts["program"]
        while supervisor.restarts["program"] == restarts:
            now[0] += 0.25
            waited += 0.25
            supervisor.step()
        waits.append(waited)
    assert waits == [0.5, 1.0, 2.0]
    process.kill()


async def test_a_running_process_is_left_alone(tmp_path: Path):
    process = python(tmp_path, "import time; time.sleep(60)")
    process.launch()
    supervisor = Supervisor([process])
    supervisor.step()
    assert supervisor.restarts == {"program": 0}
    process.kill()
