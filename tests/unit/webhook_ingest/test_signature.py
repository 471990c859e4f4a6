"""A signature proves the bytes, whichever of our secrets made it; a bad one says why, as far as it can be told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webhooks import SECRET, product, signed, spelled

from webhook_ingest.signature import EXPLANATIONS, MAX_EVIDENCE, Flaw, find_flaw, sign

OURS = (SECRET.encode(),)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc/<>&é🎟", max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(st.binary(), st.binary(min_size=1))
def test_what_a_secret_signed_verifies_under_it(body, secret):
    assert find_flaw(body, sign(body, secret), [secret]) is None


@given(st.binary(), st.lists(st.binary(min_size=1), min_size=1, max_size=4), st.data())
def test_any_of_several_secrets_may_have_signed(body, secrets, data):
    signer = data.draw(st.sampled_from(secrets))
    assert find_flaw(body, sign(body, signer), secrets) is None


@given(st.binary(min_size=1), st.data())
def test_one_flipped_bit_is_found(body, data):
    place = data.draw(st.integers(0, len(body) * 8 - 1))
    changed = bytearray(body)
    changed[place // 8] ^= 1 << (place % 8)
    assert find_flaw(bytes(changed), sign(body, OURS[0]), OURS) is not None


@given(st.binary(), st.text())
def test_no_header_breaks_the_check(body, header):
    assert find_flaw(body, header, OURS) in set(Flaw)


def test_the_published_procedure_is_ours():
    # printf '{"id":1}' | openssl dgst -sha256 -hmac key -binary | base64
    assert sign(b'{"id":1}', b"key") == "yVxqfCx8dh6YTGjPZLS8qT8HJCkAqv27Mo07t1qw3LA="


@pytest.mark.parametrize("header", [None, ""])
def test_no_signature_is_missing(header):
    assert find_flaw(b"{}", header, OURS) is Flaw.MISSING


@pytest.mark.parametrize("header", ["!", "ünï", "QUJD", "a" * 64, signed(b"{}") + "\n=", signed(b"{}").rstrip("=")])
def test_what_is_no_digest_is_not_base64(header):
    assert find_flaw(b"{}", header, OURS) is Flaw.NOT_BASE64


def test_another_secret_is_the_wrong_one():
    assert find_flaw(b"{}", signed(b"{}", "another"), OURS) is Flaw.WRONG_SECRET


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: body + b"\n",
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: json.dumps(json.loads(body)).encode(),
        lambda body: json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode(),
        lambda body: json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode(),
    ],
)
def test_a_body_rewritten_on_the_way_is_told_from_a_wrong_secret(rewrite):
    body = spelled(product(title="Ünï 🎟 <b>&</b> a/b"))
    assert find_flaw(rewrite(body), signed(body), (b"the new one", *OURS)) is Flaw.BODY_CHANGED


@given(json_values)
def test_any_reserialised_json_is_told_from_a_wrong_secret(value):
    body = spelled({"value": value})
    rewritten = json.dumps(json.loads(body), indent=1).encode()
    assert find_flaw(rewritten, signed(body), OURS) is Flaw.BODY_CHANGED


def test_evidence_is_not_sought_in_large_bodies():
    body = b'{"a":"' + b"x" * MAX_EVIDENCE + b'"}'
    assert find_flaw(body + b" ", signed(body), OURS) is Flaw.WRONG_SECRET


def test_every_flaw_is_explained():
    assert set(EXPLANATIONS) == set(Flaw)
