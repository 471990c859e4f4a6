"""Settings come from the command line, and from SIM_* where it is silent."""

import pytest
from pydantic import ValidationError

from sandbox.shopify.__main__ import read_arguments
from sandbox.shopify.knobs import Knobs


def test_the_command_line_says_it_all():
    arguments = "--port 1 --host 0.0.0.0 --events 7 --seed 3 --token t --secret s --latency 2-3 --bucket 4000"
    settings = read_arguments([*arguments.split(), *["--restore-rate", "200", "--allow-http", "--shop", "tiny"]])
    assert (settings.port, settings.host, settings.events, settings.seed) == (1, "0.0.0.0", 7, 3)  # noqa: S104
    assert (settings.access_token.get_secret_value(), settings.client_secret.get_secret_value()) == ("t", "s")
    assert (settings.knobs.latency_min, settings.knobs.latency_max) == (2, 3)
    assert (settings.knobs.bucket_size, settings.knobs.restore_rate) == (4000, 200)
    assert (settings.allow_http, settings.shop) == (True, "tiny")


def test_the_environment_fills_in(monkeypatch):
    for name, value in (("ACCESS_TOKEN", "t"), ("CLIENT_SECRET", "s"), ("EVENTS", "9"), ("KNOBS__ERROR_SHARE", "0.5")):
        monkeypatch.setenv(f"SIM_{name}", value)
    settings = read_arguments(["--latency", "1"])
    assert (settings.events, settings.knobs.error_share, settings.knobs.latency_max) == (9, 0.5, 1)


def test_secrets_have_no_default_and_are_not_printed():
    with pytest.raises(ValidationError):
        read_arguments([])
    assert "hush-hush" not in repr(read_arguments(["--token", "hush-hush", "--secret", "hush-hush"]))


def test_every_misbehaviour_is_off_by_default():
    knobs = Knobs()
    shares = {name: value for name, value in knobs.model_dump().items() if name.endswith(("_share", "_max", "_window"))}
    assert set(shares.values()) == {0}
