"""Only who proves it gets in, only with the scope, and no token is ever told to anyone."""

import asyncio
import hashlib
import json
import logging
import time
from typing import Annotated

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Depends, FastAPI
from jwt.algorithms import get_default_algorithms
from pydantic import ValidationError

from shared.auth import Authenticator, AuthSettings, InvalidToken, Principal, authenticator, mint, require
from shared.auth.jwks import KeysUnavailable, RemoteKeys
from shared.auth.keyset import InvalidKeySet, KeySet
from shared.auth.static_keys import InvalidKeyEntry, StaticKeys
from shared.auth.tokens import TokenRules
from shared.problems import install

ISSUER, AUDIENCE = "https://issuer.test/", "understudy"
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
SIGNERS = {"RS256": ("r1", RSA), "ES256": ("e1", P256), "EdDSA": ("o1", ED)}
RULES = TokenRules(ISSUER, AUDIENCE, ("RS256", "ES256", "EdDSA"), leeway=5)


def jwk(private, kid, algorithm, **more):
    shape = get_default_algorithms()[algorithm].to_jwk(private.public_key(), as_dict=True)
    return {**shape, "kid": kid, **more}


JWKS = json.dumps({"keys": [jwk(key, kid, algorithm) for algorithm, (kid, key) in SIGNERS.items()]})


def token(algorithm="RS256", *, key=None, headers=None, without=(), **claims):
    kid, own_key = SIGNERS[algorithm]
    now = int(time.time())
    body = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "nbf": now, "exp": now + 60, "scope": "events:read"} | claims
    body = {name: value for name, value in body.items() if name not in without}
    return jwt.encode(body, key or own_key, algorithm, headers={"kid": kid, **(headers or {})})


def principal(text):
    return RULES.principal(text, KeySet.parse(JWKS))


# --- JWT


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_a_token_of_each_allowed_algorithm_is_taken(algorithm):
    proven = principal(token(algorithm))
    assert (proven.subject, proven.scopes) == ("ann", {"events:read"})


def test_a_principal_knows_when_its_token_is_refused():
    expires = int(time.time()) + 60
    assert principal(token(exp=expires)).expires_at == expires + RULES.leeway


@pytest.mark.parametrize("claims", [{"scp": ["jobs:read"]}, {"scp": "jobs:read openid"}, {"scope": "jobs:read x"}])
def test_scopes_come_from_scope_or_scp_and_strangers_are_left_out(claims):
    assert principal(token(without={"scope"} - claims.keys(), **claims)).scopes == {"jobs:read"}


@pytest.mark.parametrize("claim", ["exp", "nbf", "iss", "aud", "sub"])
def test_a_token_without_a_required_claim_is_refused(claim):
    with pytest.raises(InvalidToken):
        principal(token(without={claim}))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"nbf": int(time.time()) + 3600},
        {"iss": "https://evil.test/"},
        {"aud": "another"},
        {"sub": ""},
        {"sub": 7},
        {"scope": 7},
        {"exp": "tomorrow"},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(claims):
    made = {"sub": "ann"} | claims
    text = token(**{name: value for name, value in made.items() if name != "sub"})
    if not isinstance(made["sub"], str) or not made["sub"]:
        text = jwt.api_jws.encode(
            json.dumps({"iss": ISSUER, "aud": AUDIENCE, "nbf": 0, "exp": 2**33, "sub": made["sub"]}).encode(),
            RSA,
            "RS256",
            headers={"kid": "r1"},
        )
    with pytest.raises(InvalidToken):
        principal(text)


@pytest.mark.parametrize(
    "header",
    [{"jku": "https://evil.test/"}, {"jwk": {}}, {"x5u": "https://evil.test/"}, {"x5c": []}, {"crit": ["exp"]}],
)
def test_a_header_that_brings_its_own_key_or_an_unknown_rule_is_refused(header):
    with pytest.raises(InvalidToken, match="header"):
        principal(token(headers=header))


@pytest.mark.parametrize("kid", ["", "unknown", "e1"])
def test_a_key_that_is_not_there_or_not_of_this_kind_proves_nothing(kid):
    with pytest.raises(InvalidToken):
        principal(token(headers={"kid": kid}))


def test_a_token_signed_by_another_key_is_refused():
    with pytest.raises(InvalidToken):
        principal(token(key=OTHER_RSA))


def test_our_public_key_cannot_be_used_as_a_shared_secret():
    pem = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    forged = jwt.encode({"sub": "ann"}, hashlib.sha256(pem).digest(), "HS256", headers={"kid": "r1"})
    with pytest.raises(InvalidToken, match="algorithm"):
        principal(forged)


def test_an_unsigned_token_is_refused():
    with pytest.raises(InvalidToken):
        principal(jwt.encode({"sub": "ann"}, None, "none", headers={"kid": "r1"}))


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "....", "eyJhbGciOiJSUzI1NiJ9..", "\x00"])
def test_rubbish_is_refused(text):
    with pytest.raises(InvalidToken):
        principal(text)


# --- keys


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "kid": "r1", "k": "c2VjcmV0"},
        jwk(RSA, "r1", "RS256", use="enc"),
        jwk(RSA, "r1", "RS256", key_ops=["encrypt"]),
        {name: value for name, value in jwk(RSA, "r1", "RS256").items() if name != "kid"},
        jwk(rsa.generate_private_key(65537, 1024), "r1", "RS256"),  # noqa: S505  weak on purpose
        get_default_algorithms()["RS256"].to_jwk(RSA, as_dict=True) | {"kid": "r1"},
        {"kty": "RSA", "kid": "r1", "n": "!", "e": 3},
        {"kty": "EC", "kid": "r1", "crv": "P-256K"},
    ],
)
def test_a_key_of_no_use_here_is_left_out(key):
    with pytest.raises(InvalidKeySet):
        KeySet.parse(json.dumps({"keys": [key]}))


def test_a_key_meant_for_another_algorithm_is_not_used():
    keys = KeySet.parse(json.dumps({"keys": [jwk(RSA, "r1", "RS256", alg="PS256")]}))
    with pytest.raises(InvalidToken):
        RULES.principal(token(), keys)


class Issuer:
    """A JWKS address whose answers a test chooses."""

    def __init__(self):
        self.asked = 0
        self.was_asked = asyncio.Event()
        self.body = JWKS
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()
        self.time = 0.0

    async def answer(self, _request):
        self.asked += 1
        self.was_asked.set()
        await self.gate.wait()
        return httpx2.Response(self.status, text=self.body)

    def keys(self):
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self.answer))
        seconds = {"refresh": 300, "cooldown": 30, "max_stale": 1000, "timeout": 5}
        return RemoteKeys("https://issuer.test/jwks", http, **seconds, monotonic=lambda: self.time)


async def test_a_thousand_requests_share_one_fetch():
    issuer = Issuer()
    issuer.gate.clear()
    keys = issuer.keys()
    waiting = [asyncio.create_task(keys.having("r1")) for _ in range(1000)]
    await issuer.was_asked.wait()
    waiting[0].cancel()  # its cancellation is not the others'
    issuer.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(answer.has("r1") for answer in answers[1:])
    assert issuer.asked == 1


async def test_an_unknown_key_id_asks_again_but_not_more_than_once_in_the_cooldown():
    issuer = Issuer()
    keys = issuer.keys()
    for _ in range(50):
        assert not (await keys.having("new")).has("new")
    assert issuer.asked == 1
    issuer.body = json.dumps({"keys": [jwk(OTHER_RSA, "new", "RS256")]})
    issuer.time = 31
    assert (await keys.having("new")).has("new")
    assert issuer.asked == 2


@pytest.mark.parametrize(("status", "body"), [(500, ""), (302, ""), (200, "<html>"), (200, "{}"), (200, " " * 2**21)])
async def test_the_last_good_keys_serve_while_the_issuer_fails_but_not_for_ever(status, body):
    issuer = Issuer()
    keys = issuer.keys()
    await keys.having("r1")
    issuer.status, issuer.body, issuer.time = status, body, 500
    assert (await keys.having("r1")).has("r1")
    await keys.having("unknown")
    issuer.time = 1001
    with pytest.raises(KeysUnavailable):
        await keys.having("r1")


async def test_the_keeper_fetches_before_anyone_asks():
    issuer = Issuer()
    settings = AuthSettings(
        auth_jwt_issuer=ISSUER, auth_jwt_audience=AUDIENCE, auth_jwks_url="https://issuer.test/jwks"
    )
    async with asyncio.timeout(5), authenticator(settings, httpx2.MockTransport(issuer.answer)) as auth:
        await issuer.was_asked.wait()
        assert (await auth.principal(token())).subject == "ann"
    assert issuer.asked == 1


# --- static keys


def test_a_minted_key_is_known_by_its_hash_alone():
    text, entry = mint("box-office", ["events:read", "jobs:read"])
    assert text.split("_")[2] not in entry
    assert StaticKeys.parse(entry).principal(text) == Principal(
        "key:box-office", frozenset({"events:read", "jobs:read"})
    )


def test_old_and_new_key_of_one_id_are_both_valid_during_a_rotation():
    old, old_entry = mint("web", ["events:read"])
    new, new_entry = mint("web", ["events:write"])
    keys = StaticKeys.parse(f"{old_entry}, {new_entry},")
    assert keys.principal(old).scopes == {"events:read"}
    assert keys.principal(new).scopes == {"events:write"}


def test_a_key_that_was_not_minted_is_refused():
    _, entry = mint("web", ["admin"])
    with pytest.raises(InvalidToken):
        StaticKeys.parse(entry).principal("us_web_guess")


@pytest.mark.parametrize(
    "entry", ["web", "web:admin", "web:admin:abc", f"web:boss:{'0' * 64}", f"web: :{'0' * 64}", f"w_b:admin:{'0' * 64}"]
)
def test_a_broken_entry_is_refused_without_being_quoted(entry):
    with pytest.raises(InvalidKeyEntry) as caught:
        StaticKeys.parse(entry)
    assert entry not in str(caught.value)


async def test_what_is_no_token_at_all_is_told_what_would_be_one():
    with pytest.raises(InvalidToken) as caught:
        await Authenticator().principal("wrong")
    assert str(caught.value) == "This is neither a key (`us_...`) nor a JWT that is accepted here."
    assert str(caught.value).isascii(), "it becomes a part of WWW-Authenticate (RFC 6750 section 3)"


# --- settings


@pytest.mark.parametrize(
    "settings",
    [
        {"auth_jwt_algorithms": "HS256"},
        {"auth_jwt_algorithms": "none"},
        {"auth_jwt_algorithms": ""},
        {"auth_jwt_issuer": ISSUER},
        {"auth_jwt_issuer": ISSUER, "auth_jwt_audience": AUDIENCE},
        {"auth_jwks": JWKS},
        {"auth_jwt_issuer": ISSUER, "auth_jwt_audience": AUDIENCE, "auth_jwks_url": "http://issuer.test/jwks"},
        {"auth_jwt_issuer": ISSUER, "auth_jwt_audience": AUDIENCE, "auth_jwks_url": "https://a", "auth_jwks": JWKS},
    ],
)
def test_settings_that_would_weaken_the_door_are_refused(settings):
    with pytest.raises(ValidationError):
        AuthSettings(**settings)


def test_algorithms_are_read_from_the_environment_by_commas(monkeypatch):
    monkeypatch.setenv("AUTH_JWT_ALGORITHMS", "RS256, EdDSA")
    assert AuthSettings().auth_jwt_algorithms == ("RS256", "EdDSA")


# --- the dependency

KEY, ENTRY = mint("web", ["events:read"])
ADMIN, ADMIN_ENTRY = mint("root", ["admin"])


def the_app(auth):
    app = FastAPI()
    install(app)
    app.state.authenticator = auth

    @app.get("/read")
    async def read(principal: Annotated[Principal, Depends(require("events:read"))]) -> str:
        return principal.subject

    @app.get("/write", dependencies=[Depends(require("events:write"))])
    async def write() -> str:
        return "written"

    return app


async def ask(path, header=None):
    app = the_app(Authenticator(StaticKeys.parse(f"{ENTRY},{ADMIN_ENTRY}"), RULES, KeySet.parse(JWKS)))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path, headers={"Authorization": header} if header else {})


async def test_no_token_is_401_without_an_error_code():
    for header in (None, "Basic abc", "Bearer"):
        answer = await ask("/read", header)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="understudy"'
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_token_is_401_invalid_token_and_never_echoed_or_logged(caplog, capsys):
    caplog.set_level(logging.DEBUG)
    for wrong in (f"{KEY}x", f"{token()}x", "x" * 9000, "us_", token(aud="canary")):
        answer = await ask("/read", f"Bearer {wrong}")
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        told = answer.text + str(answer.headers) + caplog.text + "".join(capsys.readouterr())
        assert wrong not in told
        assert KEY not in told


async def test_a_token_without_the_scope_is_403_and_names_it():
    answer = await ask("/write", f"Bearer {KEY}")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="events:write"' in answer.headers["www-authenticate"]


async def test_who_has_the_scope_gets_in_and_admin_has_them_all():
    assert (await ask("/read", f"Bearer {KEY}")).json() == "key:web"
    assert (await ask("/read", f"bearer {token('ES256')}")).json() == "ann"
    for path in ("/read", "/write"):
        assert (await ask(path, f"Bearer {ADMIN}")).status_code == 200


async def test_keys_that_cannot_be_had_are_503_not_401():
    issuer = Issuer()
    issuer.status = 500
    app = the_app(Authenticator(rules=RULES, keys=issuer.keys()))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/read", headers={"Authorization": f"Bearer {token()}"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_with_nothing_configured_every_token_is_refused():
    async with authenticator(AuthSettings()) as auth:
        for text in (KEY, token(), "x"):
            with pytest.raises(InvalidToken):
                await auth.principal(text)


def test_openapi_tells_the_scope_of_each_route():
    paths = the_app(Authenticator()).openapi()["paths"]
    assert paths["/read"]["get"]["security"] == [{"HTTPBearer": ["events:read"]}]
    assert paths["/write"]["get"]["security"] == [{"HTTPBearer": ["events:write"]}]


def test_a_scope_that_does_not_exist_is_refused_when_the_route_is_made():
    with pytest.raises(ValueError, match="events:rad"):
        require("events:rad")
