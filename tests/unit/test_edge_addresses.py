"""Whoever reads of the Varnish of compose.yaml reads the same address everywhere."""

import re

from packages import ROOT

PURGES = "http://edge:8081"
COMMAND = (
    f"CDN_PROVIDER=varnish CDN_VARNISH_URLS={PURGES} CDN_REPEAT_AFTER=5 "
    "docker compose --profile demo --profile edge up --build"
)


def read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def test_purges_go_to_the_port_that_compose_gives_them():
    service = read("compose.yaml").partition("\n  edge:\n")[2].partition("\n\n")[0]
    assert '"http=:8080,HTTP"' in service
    assert '"purge=:8081,HTTP"' in service
    assert "${EDGE_PORT:-8080}:8080" in service
    assert "-a http=:8080,HTTP -a purge=:8081,HTTP" in read("deploy/edge/varnish/default.vcl")


def test_every_address_of_a_purge_listener_is_that_one():
    places = (
        "compose.yaml", "deploy/edge/README.md", "deploy/edge/varnish/default.vcl",
        "services/syncer/syncer/purger/settings.py", ".env.example",
    )  # fmt: skip
    for place in places:
        named = set(re.findall(r"http://(?:edge|varnish):[0-9]+", read(place)))
        assert named == {PURGES}, place


def test_the_whole_command_is_there_to_be_copied():
    assert COMMAND in read("deploy/edge/README.md")
