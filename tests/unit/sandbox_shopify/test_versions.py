"""One API version a quarter, each supported for a year."""

from sandbox.shopify.versions import Versions


def test_an_expired_version_falls_forward_to_the_oldest_supported():
    versions = Versions.of("2026-10", None)
    assert versions.supported == ("2026-01", "2026-04", "2026-07", "2026-10")
    assert [versions.serving(asked) for asked in ("2024-10", "2026-07", "2027-01", "unstable", "2027-04")] == [
        "2026-01",
        "2026-07",
        "2027-01",
        "unstable",
        None,
    ]


def test_time_goes_on_and_ours_is_no_longer_supported():
    versions = Versions.of("2026-10", "2027-04")
    assert versions.serving("2026-10") == "2027-04"
    assert [(v["handle"], v["supported"]) for v in versions.public()] == [
        ("2027-04", True),
        ("2027-07", False),
        ("unstable", False),
    ]
