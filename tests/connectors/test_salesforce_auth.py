"""Logging in to Salesforce: each flow, one renewal, and never a second try of a refused login."""

from urllib.parse import parse_qs

import jwt
import pytest
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integration_hub.connectors.errors import AuthError, ConfigError, RateLimitError, RetryableError
from integration_hub.connectors.salesforce.auth import FLOWS, PRODUCTION, SANDBOX, SETTINGS, Session, missing
from integration_hub.connectors.salesforce.errors import classify
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport, recorded

MY_DOMAIN = "https://acme.my.salesforce.com"
TOKEN = "/services/oauth2/token"
LIMITS = "/services/data/v64.0/limits"
FIRST, SECOND = "00Dxx0000001gPL!AQ8AQfirst", "00Dxx0000001gPL!AQ8AQsecond"

CLIENT = {
    "auth_flow": "client_credentials",
    "login_url": MY_DOMAIN,
    "client_id": "key",
    "client_secret": "hush-hush",
}
REFRESH = {"auth_flow": "refresh_token", "client_id": "key", "refresh_token": "5Aep861first"}
PASSWORD = {
    "auth_flow": "password",
    "client_id": "key",
    "client_secret": "hush-hush",
    "username": "hub@acme.example",
    "password": "pass-word",
    "security_token": "TOKEN",
}
GIVEN = {"auth_flow": "session", "access_token": FIRST, "instance_url": f"{MY_DOMAIN}/"}


@pytest.fixture(scope="module")
def private_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def make_session(config, *, keeper=None, base_url=PRODUCTION):
    transport = make_transport(base_url, classify=classify)
    transport.clock = lambda: NOON
    return Session(config, transport, keeper or MemoryKeeper())


def form_of(call):
    return {name: values[0] for name, values in parse_qs(call.request.body).items()}


def token_calls(vendor):
    return [call for call in vendor.calls if call.request.url.endswith(TOKEN)]


def serve_limits(vendor, *, token=FIRST):
    vendor.get(
        f"{MY_DOMAIN}{LIMITS}",
        json={},
        match=[responses.matchers.header_matcher({"Authorization": f"Bearer {token}"})],
    )


@pytest.mark.parametrize(
    ("config", "login", "form"),
    [
        (
            CLIENT,
            MY_DOMAIN,
            {"grant_type": "client_credentials", "client_id": "key", "client_secret": "hush-hush"},
        ),
        (
            REFRESH,
            PRODUCTION,
            {"grant_type": "refresh_token", "client_id": "key", "refresh_token": "5Aep861first"},
        ),
        (
            PASSWORD,
            PRODUCTION,
            {
                "grant_type": "password",
                "client_id": "key",
                "client_secret": "hush-hush",
                "username": "hub@acme.example",
                "password": "pass-wordTOKEN",
            },
        ),
    ],
    ids=["client credentials", "refresh token", "password"],
)
def test_each_flow_asks_its_own_way_and_calls_the_instance(vendor, config, login, form):
    vendor.post(f"{login}{TOKEN}", **recorded("salesforce/token"))
    serve_limits(vendor)

    make_session(config).request("GET", LIMITS)

    assert form_of(vendor.calls[0]) == form


@pytest.mark.parametrize(
    ("base_url", "login_url", "audience"),
    [
        (PRODUCTION, "", PRODUCTION),
        (SANDBOX, "", SANDBOX),
        (PRODUCTION, MY_DOMAIN, PRODUCTION),
        (PRODUCTION, "https://acme--sbx.sandbox.my.salesforce.com", SANDBOX),
    ],
)
def test_the_assertion_is_signed_and_names_the_family_of_the_login_host(
    vendor, private_key, base_url, login_url, audience
):
    config = {
        "auth_flow": "jwt_bearer",
        "login_url": login_url,
        "client_id": "key",
        "username": "hub@acme.example",
        "private_key": pem(private_key).replace("\n", "\\n"),
    }
    vendor.post(f"{login_url or base_url}{TOKEN}", **recorded("salesforce/token"))
    serve_limits(vendor)

    make_session(config, base_url=base_url).request("GET", LIMITS)

    form = form_of(vendor.calls[0])
    claims = jwt.decode(
        form["assertion"],
        private_key.public_key(),
        algorithms=["RS256"],
        audience=audience,
        options={"verify_exp": False},
    )
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert claims["iss"] == "key"
    assert claims["sub"] == "hub@acme.example"
    assert claims["exp"] == NOON.timestamp() + 180


def test_a_given_session_makes_no_token_call(vendor):
    serve_limits(vendor)

    make_session(GIVEN).request("GET", LIMITS)

    assert token_calls(vendor) == []


def test_a_given_session_that_expired_is_not_renewed(vendor):
    vendor.get(f"{MY_DOMAIN}{LIMITS}", **recorded("salesforce/session_expired"))

    with pytest.raises(AuthError):
        make_session(GIVEN).request("GET", LIMITS)

    assert len(vendor.calls) == 1


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, ["Login address", "Consumer key (client id)", "Consumer secret (client secret)"]),
        ({**CLIENT, "login_url": ""}, ["Login address"]),
        ({"auth_flow": "jwt_bearer", "client_id": "key"}, ["User name", "Private key (PEM)"]),
        ({"auth_flow": "refresh_token", "client_id": "key"}, ["Refresh token"]),
        ({**PASSWORD, "password": ""}, ["Password"]),
        ({"auth_flow": "session"}, ["Access token", "Instance address"]),
    ],
)
def test_missing_settings_are_named(vendor, config, named):
    with pytest.raises(ConfigError) as caught:
        make_session(config).request("GET", LIMITS)

    assert caught.value.message.endswith(f"needs: {', '.join(named)}.")
    assert len(vendor.calls) == 0


@pytest.mark.parametrize("flow", [flow for flow, _ in FLOWS])
def test_what_a_flow_needs_is_asked_for_with_that_flow(flow):
    settings = {setting.name: setting for setting in SETTINGS}

    needed = missing({"auth_flow": flow}, overridden=False)

    assert needed
    assert all(settings[name].applies({"auth_flow": flow}) for name in needed)


def test_an_override_takes_the_place_of_login_and_instance_address(vendor):
    simulator = "http://127.0.0.1:8801"
    vendor.post(f"{simulator}{TOKEN}", **recorded("salesforce/token"))
    vendor.get(f"{simulator}{LIMITS}", json={})

    session = make_session({**CLIENT, "login_url": ""}, base_url=simulator)
    session.request("GET", LIMITS)

    assert len(vendor.calls) == 2
    assert session.instance_url == MY_DOMAIN


def test_a_key_that_is_none_is_a_sentence(vendor):
    config = {"auth_flow": "jwt_bearer", "client_id": "key", "username": "u", "private_key": "-----BEGIN"}

    with pytest.raises(ConfigError) as caught:
        make_session(config).request("GET", LIMITS)

    assert caught.value.message == "The private key cannot be read."


def test_the_token_is_kept_so_that_the_next_use_asks_for_none(vendor):
    keeper = MemoryKeeper()
    vendor.post(f"{MY_DOMAIN}{TOKEN}", **recorded("salesforce/token"))
    serve_limits(vendor)
    make_session(CLIENT, keeper=keeper).request("GET", LIMITS)

    later = make_session(CLIENT, keeper=keeper)
    later.request("GET", LIMITS)

    assert len(token_calls(vendor)) == 1
    assert later.user_id == "005xx000001SwiUAAS"


def test_a_token_of_other_settings_is_not_used(vendor):
    keeper = MemoryKeeper()
    vendor.post(f"{MY_DOMAIN}{TOKEN}", **recorded("salesforce/token"))
    serve_limits(vendor)
    make_session(CLIENT, keeper=keeper).request("GET", LIMITS)

    make_session({**CLIENT, "client_id": "another"}, keeper=keeper).request("GET", LIMITS)

    assert len(token_calls(vendor)) == 2


def test_an_expired_token_is_renewed_once_with_headers_and_query_kept(vendor):
    vendor.post(f"{MY_DOMAIN}{TOKEN}", **recorded("salesforce/token"))
    vendor.post(f"{MY_DOMAIN}{TOKEN}", **recorded("salesforce/token_rotated"))
    vendor.get(f"{MY_DOMAIN}{LIMITS}", **recorded("salesforce/session_expired"))
    vendor.get(f"{MY_DOMAIN}{LIMITS}", json={})

    make_session(CLIENT).request(
        "GET", LIMITS, params={"q": "x"}, headers={"Sforce-Query-Options": "batchSize=200"}
    )

    last = vendor.calls[-1].request
    assert last.headers["Authorization"] == f"Bearer {SECOND}"
    assert last.headers["Sforce-Query-Options"] == "batchSize=200"
    assert last.url.endswith("?q=x")


def test_a_refusal_that_lasts_ends_after_one_renewal(vendor):
    vendor.post(f"{MY_DOMAIN}{TOKEN}", **recorded("salesforce/token"))
    vendor.get(f"{MY_DOMAIN}{LIMITS}", **recorded("salesforce/session_expired"))

    with pytest.raises(AuthError):
        make_session(CLIENT).request("GET", LIMITS)

    assert len(token_calls(vendor)) == 2
    assert len(vendor.calls) == 4


def test_a_missing_api_scope_is_not_cured_by_a_new_token(vendor):
    vendor.post(f"{MY_DOMAIN}{TOKEN}", **recorded("salesforce/token"))
    vendor.get(f"{MY_DOMAIN}{LIMITS}", **recorded("salesforce/session_without_api_scope"))

    with pytest.raises(AuthError) as caught:
        make_session(CLIENT).request("GET", LIMITS)

    assert "api" in caught.value.remedy
    assert len(token_calls(vendor)) == 1


def test_the_token_that_another_worker_got_is_taken_over(vendor):
    keeper = MemoryKeeper()
    vendor.post(f"{MY_DOMAIN}{TOKEN}", **recorded("salesforce/token"))
    serve_limits(vendor)
    session = make_session(CLIENT, keeper=keeper)
    session.request("GET", LIMITS)
    keeper.kept["access_token"] = SECOND
    vendor.remove("GET", f"{MY_DOMAIN}{LIMITS}")
    vendor.get(f"{MY_DOMAIN}{LIMITS}", **recorded("salesforce/session_expired"))
    serve_limits(vendor, token=SECOND)

    session.request("GET", LIMITS)

    assert len(token_calls(vendor)) == 1


def test_a_rotated_refresh_token_is_stored_before_its_access_token_is_used(vendor):
    keeper = MemoryKeeper()
    vendor.post(f"{PRODUCTION}{TOKEN}", **recorded("salesforce/token_rotated"))
    vendor.get(f"{MY_DOMAIN}{LIMITS}", body=RuntimeError("the worker dies here"))

    with pytest.raises(RuntimeError):
        make_session(REFRESH, keeper=keeper).request("GET", LIMITS)

    assert keeper.secrets == {"refresh_token": "5Aep861rotated"}
    assert keeper.kept["access_token"] == SECOND


def test_after_a_rotation_the_next_use_makes_no_token_call(vendor):
    keeper = MemoryKeeper()
    vendor.post(f"{PRODUCTION}{TOKEN}", **recorded("salesforce/token_rotated"))
    serve_limits(vendor, token=SECOND)
    make_session(REFRESH, keeper=keeper).request("GET", LIMITS)

    make_session({**REFRESH, **keeper.secrets}, keeper=keeper).request("GET", LIMITS)

    assert len(token_calls(vendor)) == 1


def test_losing_the_race_for_a_rotating_token_takes_the_winners(vendor):
    keeper = MemoryKeeper()

    def won_by_another(request):
        keeper.kept = {"access_token": SECOND, "instance_url": MY_DOMAIN}
        return 400, {}, '{"error":"invalid_grant","error_description":"expired access/refresh token"}'

    vendor.add_callback("POST", f"{PRODUCTION}{TOKEN}", won_by_another)
    serve_limits(vendor, token=SECOND)

    make_session(REFRESH, keeper=keeper).request("GET", LIMITS)

    assert len(token_calls(vendor)) == 1


@pytest.mark.parametrize(
    ("case", "error", "in_remedy"),
    [
        ("token_authentication_failure", AuthError, "security token"),
        ("token_expired_refresh_token", AuthError, "authorize the app again"),
        ("token_user_not_approved", AuthError, "Pre-authorize"),
        ("token_audience_invalid", AuthError, "https://test.salesforce.com"),
        ("token_invalid_client_id", AuthError, "consumer key"),
        ("token_invalid_client", AuthError, "consumer secret"),
        ("token_unsupported_grant_type", AuthError, "login flow"),
        ("token_login_rate_exceeded", RateLimitError, ""),
        ("token_unknown_error", RetryableError, ""),
        ("maintenance_page", RetryableError, ""),
    ],
)
def test_a_refused_login_is_raised_at_once_with_its_remedy(vendor, case, error, in_remedy):
    vendor.post(f"{MY_DOMAIN}{TOKEN}", **recorded(f"salesforce/{case}"))

    with pytest.raises(error) as caught:
        make_session(CLIENT).request("GET", LIMITS)

    assert type(caught.value) is error
    assert in_remedy in caught.value.remedy
    assert len(vendor.calls) == 1


def test_an_answer_without_a_token_is_an_auth_error(vendor):
    vendor.post(f"{MY_DOMAIN}{TOKEN}", json={"hello": "proxy"})

    with pytest.raises(AuthError):
        make_session(CLIENT).request("GET", LIMITS)
