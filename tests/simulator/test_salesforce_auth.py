"""Each grant lets the right caller in and names what is wrong with the others."""

from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from integration_hub.simulator.salesforce import CLIENT_ID, CLIENT_SECRET, PASSWORD, REFRESH_TOKEN, USERNAME

from .conftest import NOON

CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SOON = int((NOON + timedelta(minutes=3)).timestamp())
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def assertion(rest, key=KEY, algorithm="RS256", **changes):
    claims = {"iss": CLIENT_ID, "sub": USERNAME, "aud": "https://login.salesforce.com", "exp": SOON} | changes
    return jwt.encode(claims, key, algorithm)


def works(rest, answer):
    rest.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return rest.get("limits").status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "client_credentials", **CLIENT},
        {"grant_type": "password", **CLIENT, "username": USERNAME, "password": PASSWORD},
        {"grant_type": "refresh_token", **CLIENT, "refresh_token": REFRESH_TOKEN},
    ],
    ids=lambda form: form["grant_type"],
)
def test_a_good_grant_gives_a_working_token(simulator, rest, form):
    answer = rest.token(**form)

    body = answer.json()
    assert body["instance_url"] == simulator.salesforce.url
    assert body["token_type"] == "Bearer"
    assert body["issued_at"] == str(int(NOON.timestamp() * 1000))
    assert body["id"].split("/")[-2:] == [simulator.salesforce.organization_id, simulator.salesforce.admin_id]
    assert "expires_in" not in body
    assert "refresh_token" not in body
    assert works(rest, answer)


def test_the_client_may_use_basic_authentication(rest):
    assert works(rest, rest.token((CLIENT_ID, CLIENT_SECRET), grant_type="client_credentials"))


@pytest.mark.parametrize(
    ("form", "error", "description"),
    [
        ({}, "unsupported_grant_type", "grant type not supported"),
        ({"grant_type": "device"}, "unsupported_grant_type", "grant type not supported"),
        (
            {"grant_type": "client_credentials", "client_id": "other", "client_secret": "x"},
            *("invalid_client_id", "client identifier invalid"),
        ),
        (
            {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": "x"},
            *("invalid_client", "invalid client credentials"),
        ),
        (
            {"grant_type": "password", **CLIENT, "username": USERNAME, "password": "x"},
            *("invalid_grant", "authentication failure"),
        ),
        (
            {"grant_type": "refresh_token", **CLIENT, "refresh_token": "x"},
            *("invalid_grant", "expired access/refresh token"),
        ),
        ({"grant_type": JWT_GRANT, "assertion": "not.a.token"}, "invalid_grant", "invalid assertion"),
        ({"grant_type": JWT_GRANT, "assertion": "x"}, "invalid_grant", "invalid assertion"),
    ],
)
def test_a_bad_grant_is_refused_in_the_vendors_words(rest, form, error, description):
    answer = rest.token(**form)

    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}


@pytest.mark.parametrize("exp", [SOON, str(SOON)])
def test_a_jwt_is_accepted_with_its_time_as_number_or_text(rest, exp):
    assert works(rest, rest.token(grant_type=JWT_GRANT, assertion=assertion(rest, exp=exp)))


def test_a_jwt_may_be_addressed_to_the_instance(simulator, rest):
    answer = rest.token(grant_type=JWT_GRANT, assertion=assertion(rest, aud=simulator.salesforce.url))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"iss": "other"}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://example.test"}, "invalid_grant", "audience is invalid"),
        ({"sub": "nobody@example.test"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"exp": int(NOON.timestamp())}, "invalid_grant", "expired authorization code"),
        ({"exp": "soon"}, "invalid_grant", "expired authorization code"),
    ],
)
def test_a_jwt_with_a_wrong_claim_is_refused(rest, changes, error, description):
    answer = rest.token(grant_type=JWT_GRANT, assertion=assertion(rest, **changes))

    assert answer.json() == {"error": error, "error_description": description}


def test_a_jwt_must_be_signed_for_the_registered_key(salesforce, rest):
    numbers = KEY.public_key().public_numbers()
    salesforce.auth.public_key = (numbers.n, numbers.e)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    good = rest.token(grant_type=JWT_GRANT, assertion=assertion(rest))
    bad = rest.token(grant_type=JWT_GRANT, assertion=assertion(rest, key=stranger))

    assert good.status_code == 200
    assert bad.json()["error_description"] == "invalid assertion"


def test_a_jwt_with_a_shared_secret_is_refused(rest):
    signed = assertion(rest, key="s" * 32, algorithm="HS256")

    assert rest.token(grant_type=JWT_GRANT, assertion=signed).status_code == 400


def test_a_rotated_refresh_token_replaces_the_old_one(salesforce, rest):
    salesforce.auth.rotate_refresh_tokens = True
    form = {"grant_type": "refresh_token", **CLIENT}

    new = rest.token(**form, refresh_token=REFRESH_TOKEN).json()["refresh_token"]
    old = rest.token(**form, refresh_token=REFRESH_TOKEN)
    again = rest.token(**form, refresh_token=new)

    assert old.json()["error_description"] == "expired access/refresh token"
    assert again.json()["refresh_token"] not in {new, REFRESH_TOKEN}


def test_a_revoked_app_gets_in_by_no_grant_until_it_is_approved_again(salesforce, rest):
    salesforce.revoke()

    assert rest.get("limits").status_code == 401
    for form in (
        {"grant_type": "client_credentials"},
        {"grant_type": "password", "username": USERNAME, "password": PASSWORD},
        {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN},
        {"grant_type": JWT_GRANT, "assertion": assertion(rest)},
    ):
        assert rest.token(**CLIENT, **form).json()["error"] == "invalid_grant"

    salesforce.revoke(False)
    rest.login()
    assert rest.get("limits").status_code == 200


def test_client_credentials_are_refused_at_the_login_host(rest):
    answer = rest.session.post(
        f"{rest.url}/services/oauth2/token",
        data={"grant_type": "client_credentials", **CLIENT},
        headers={"Host": "login.salesforce.com"},
        timeout=5,
    )

    assert answer.json()["error_description"] == "request not supported on this domain"


def test_userinfo_says_who_the_token_is_for(salesforce, rest):
    body = rest.follow("/services/oauth2/userinfo").json()

    assert (body["organization_id"], body["user_id"]) == (salesforce.organization_id, salesforce.admin_id)
    salesforce.expire_tokens()
    assert rest.follow("/services/oauth2/userinfo").status_code == 403
