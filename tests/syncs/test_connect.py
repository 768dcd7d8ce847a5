"""Secrets: encrypted at rest, or named; read by nobody but the opened connector."""

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError

from integration_hub.connectors.errors import ConfigError
from syncs import connect, kept
from syncs.models import Connection
from tests.factories import make_connection, make_slack

pytestmark = pytest.mark.django_db


def test_a_secret_is_stored_encrypted_and_read_back():
    slack = make_slack(secrets={"bot_token": "xoxb-quite-secret"})

    stored = Connection.objects.values_list("secrets", flat=True).get(pk=slack.pk)
    assert "quite-secret" not in str(stored)
    assert connect.configuration(slack)["bot_token"] == "xoxb-quite-secret"


def test_a_secret_may_name_an_environment_variable(monkeypatch, tmp_path):
    slack = make_slack(secrets={"bot_token": "env:MY_TOKEN"})
    file = tmp_path / "token"
    file.write_text("from a file\n")

    with pytest.raises(ConfigError, match="MY_TOKEN is not set"):
        connect.configuration(slack)
    monkeypatch.setenv("MY_TOKEN_FILE", str(file))
    assert connect.configuration(slack)["bot_token"] == "from a file"
    monkeypatch.setenv("MY_TOKEN", "from the variable")
    assert connect.configuration(slack)["bot_token"] == "from the variable"
    assert connect.secret_names(slack)["bot_token"] == "environment variable MY_TOKEN"


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "HUB_SECRET_KEYS", "DATABASE_URL", "secret_key", "SECRET_KEY_FILE"]
)
def test_the_hubs_own_keys_are_no_secret_of_a_connection(monkeypatch, name):
    """Else whoever may enter a connection could have them sent to an address of theirs."""
    monkeypatch.setenv(name, "the-hubs-own")
    slack = make_slack(secrets={"bot_token": "xoxb-1"})

    with pytest.raises(ConfigError, match=f"{name} belongs to the hub itself"):
        connect.set_secret(slack, "bot_token", f"env:{name}")
    slack.secrets = {"bot_token": {"env": name}}  # as it may have been stored before
    with pytest.raises(ConfigError, match="belongs to the hub itself"):
        connect.configuration(slack)


def test_a_secret_that_a_vendor_replaced_names_no_variable(monkeypatch):
    monkeypatch.setenv("OTHERS_TOKEN", "of another vendor")
    slack = make_slack(secrets={"bot_token": "xoxb-1"})

    kept.ConnectionKeeper(slack).replace_secret("bot_token", "env:OTHERS_TOKEN")

    slack.refresh_from_db()
    assert connect.configuration(slack)["bot_token"] == "env:OTHERS_TOKEN"


def test_a_file_that_cannot_be_read_is_a_sentence(monkeypatch, tmp_path):
    slack = make_slack(secrets={"bot_token": "env:MY_TOKEN"})
    monkeypatch.setenv("MY_TOKEN_FILE", str(tmp_path / "gone"))

    with pytest.raises(ConfigError, match="The file that MY_TOKEN_FILE names cannot be read"):
        connect.configuration(slack)


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match="Bot token missing"):
        connect.configuration(make_slack(secrets={}))


def test_an_empty_secret_keeps_what_is_there():
    slack = make_slack(secrets={"bot_token": "xoxb-old"})

    connect.set_secret(slack, "bot_token", "")

    assert connect.configuration(slack)["bot_token"] == "xoxb-old"


def test_secrets_survive_a_change_of_keys(settings):
    slack = make_slack(secrets={"bot_token": "xoxb-1"})
    kept.ConnectionKeeper(slack).remember({"access_token": "t"})
    old, new = settings.HUB_SECRET_KEYS[0], Fernet.generate_key().decode()
    settings.HUB_SECRET_KEYS = [new, old]

    connect.rotate_secrets()

    settings.HUB_SECRET_KEYS = [new]
    slack.refresh_from_db()
    assert connect.configuration(slack)["bot_token"] == "xoxb-1"
    assert kept.ConnectionKeeper(slack).recall() == {"access_token": "t"}


def test_a_lost_key_is_a_sentence_with_a_remedy(settings):
    slack = make_slack(secrets={"bot_token": "xoxb-1"})
    settings.HUB_SECRET_KEYS = [Fernet.generate_key().decode()]

    with pytest.raises(ConfigError, match="HUB_SECRET_KEYS") as refused:
        connect.configuration(slack)

    assert "former key" in refused.value.remedy


def test_a_new_secret_forgets_the_token_got_with_the_old_one():
    slack = make_slack()
    kept.ConnectionKeeper(slack).remember({"access_token": "t"})
    slack.refresh_from_db()

    connect.set_secret(slack, "bot_token", "xoxb-new")
    slack.save()

    assert kept.ConnectionKeeper(slack).recall() == {}


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://gateway.example.test", True),
        ("http://127.0.0.1:8801", True),
        ("http://localhost:8801", True),
        ("http://gateway.example.test", False),
        ("http://10.0.0.1", False),
    ],
)
def test_only_this_machine_is_called_without_tls(url, fine):
    connection = Connection(key="x", name="x", kind="slack", base_url=url)

    if fine:
        connection.full_clean()
    else:
        with pytest.raises(ValidationError, match="Plain http"):
            connection.full_clean()


def test_calls_go_where_the_environment_says():
    assert connect.base_url(make_connection("salesforce")) == "https://test.salesforce.com"
    production = make_connection("salesforce", environment="production")
    assert connect.base_url(production) == "https://login.salesforce.com"
    assert (
        connect.base_url(make_connection("salesforce", base_url="http://127.0.0.1:1")) == "http://127.0.0.1:1"
    )
