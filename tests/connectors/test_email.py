"""E-mail as a destination, against a mail server on this machine."""

import ssl
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integration_hub.connectors.email import Email
from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    RateLimitError,
    RecipientError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.records import Operation, Outcome, RecordWrite, WriteRequest
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport
from tests.connectors.wire import free_port, raw_server

VALUES = {
    "channel": "ops@acme.test",
    "header": "Slack is down\n\x07since 11:40",
    "body": "*3 alerts* of <https://hub.test/rules/1|Hot leads> wait &amp; one expired",
    "fields": [{"label": "Connection", "value": "Slack &lt;prod&gt;"}],
    "link": {"label": "Open the incident", "url": "https://hub.test/incidents/7"},
    "context": "Incident 7",
    "trigger_at": (NOON - timedelta(minutes=20)).isoformat(),
}


class Mailbox:
    """A mail server's handler that keeps the messages, or answers a command as it is told."""

    def __init__(self, **answers):
        self.answers = answers
        self.messages = []

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        envelope.mail_from = address
        return self.answers.get("mail", "250 OK")

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        answer = self.answers.get("rcpt", "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.answers.get("data") == "hang up":
            server.transport.abort()
            return "421 gone"
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.answers.get("data", "250 OK")


@contextmanager
def mail_server(mailbox, **options):
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def make_email(port, **config):
    given = {
        "host": "127.0.0.1",
        "port": str(port),
        "security": "none",
        "from_address": "hub@acme.test",
        **config,
    }
    connector = Email(given, make_transport(""), MemoryKeeper())
    connector.clock = lambda: NOON
    connector.timeout = 2.0
    return connector


def send_request(ref="d1", **values):
    return WriteRequest("message", Operation.SEND, [RecordWrite(ref, {**VALUES, **values})])


def test_a_message_is_readable_as_plain_text():
    mailbox = Mailbox()

    with mail_server(mailbox) as port:
        (result,) = make_email(port).write(send_request())

    (message,) = mailbox.messages
    assert result.outcome is Outcome.SENT
    assert result.remote_id == "<hub-d1@acme.test>"
    assert (message["From"], message["To"]) == ("hub@acme.test", "ops@acme.test")
    assert message["Subject"] == "Slack is down since 11:40"
    assert message["Date"].datetime == NOON
    assert message["Message-ID"] == "<hub-d1@acme.test>"
    assert message.get_content().replace("\r\n", "\n").strip() == (
        "*3 alerts* of Hot leads (https://hub.test/rules/1) wait & one expired\n\n"
        "Connection: Slack <prod>\n\n"
        "Open the incident: https://hub.test/incidents/7\n\n"
        "Incident 7 · 2026-11-20 11:40 UTC (20 min ago)"
    )


def test_sending_is_limited_and_observed_without_addresses():
    with mail_server(Mailbox()) as port:
        connector = make_email(port)
        connector.write(send_request())

    (callout,) = connector.transport.callouts
    assert connector.transport.limiter.acquired == ["send"]
    assert (callout.method, callout.url, callout.error) == ("SMTP", "smtp://127.0.0.1", "")


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"rcpt": "550 5.1.1 no such user ops@acme.test"}, RecipientError),
        ({"data": "554 5.7.1 looks like spam"}, RejectedError),
    ],
)
def test_what_concerns_one_message_is_its_result(answers, error):
    with mail_server(Mailbox(**answers)) as port:
        (result,) = make_email(port).write(send_request())

    assert type(result.error) is error
    assert "ops@acme.test" not in result.error.message


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"rcpt": "450 4.2.0 greylisted"}, RetryableError),
        ({"data": "452 4.3.1 mailbox full"}, RetryableError),
        ({"mail": "550 5.7.1 sender not allowed"}, ConfigError),
        ({"data": "hang up"}, UnknownOutcomeError),
    ],
)
def test_what_stops_all_messages_is_raised(answers, error):
    with mail_server(Mailbox(**answers)) as port:
        connector = make_email(port)
        with pytest.raises(error) as caught:
            connector.write(send_request())

    assert type(caught.value) is error
    assert connector.transport.callouts[0].error == caught.value.code


def test_no_server_may_be_there_later():
    with pytest.raises(RetryableError) as caught:
        make_email(free_port()).write(send_request())

    assert type(caught.value) is RetryableError


def test_a_server_that_turns_us_away_at_the_door_is_a_configuration_fault():
    def turn_away(connection):
        connection.sendall(b"554 5.7.1 no relaying from here\r\n")

    with raw_server(turn_away, speaks_first=True) as (url, _), pytest.raises(ConfigError):
        make_email(url.rpartition(":")[2]).write(send_request())


@pytest.mark.parametrize(
    "channel", ["", "ops", "ops@", "a@b.test, c@d.test", "a@b.test\nBcc: c@d.test", "@b.test"]
)
def test_a_recipient_that_is_no_address_is_refused_before_sending(channel):
    (result,) = make_email(free_port()).write(send_request(channel=channel))

    assert isinstance(result.error, RecipientError)


def accept_only(server, session, envelope, mechanism, data):
    return AuthResult(success=data.password == b"right", handled=False)


def test_a_refused_login_is_an_auth_error():
    with mail_server(Mailbox(), authenticator=accept_only, auth_require_tls=False) as port:
        connector = make_email(port, username="hub", password="wrong")
        with pytest.raises(AuthError):
            connector.write(send_request())


def test_with_the_right_password_it_is_sent():
    with mail_server(Mailbox(), authenticator=accept_only, auth_require_tls=False) as port:
        (result,) = make_email(port, username="hub", password="right").write(send_request())

    assert result.outcome is Outcome.SENT


def test_a_password_does_not_travel_unprotected():
    with pytest.raises(ConfigError) as caught:
        make_email(25, host="smtp.acme.test", username="hub", password="x").write(send_request())

    assert caught.value.message == "The password would travel unprotected."


def test_a_server_without_the_wanted_encryption_is_a_configuration_fault():
    with mail_server(Mailbox()) as port, pytest.raises(ConfigError):
        make_email(port, security="starttls").write(send_request())


def test_encryption_from_the_start_with_a_server_that_has_none_is_a_configuration_fault():
    with mail_server(Mailbox()) as port, pytest.raises(ConfigError):
        make_email(port, security="ssl").write(send_request())


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path):
    with (
        mail_server(Mailbox(), tls_context=self_signed(tmp_path)) as port,
        pytest.raises(ConfigError) as caught,
    ):
        make_email(port, security="starttls").write(send_request())

    assert caught.value.message == "The certificate of the mail server is not trusted."


def self_signed(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.acme.test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1))
    certificate = builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "server.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"host": ""}, "missing"),
        ({"port": "smtp"}, "port"),
        ({"port": "99999"}, "port"),
        ({"security": "magic"}, "magic"),
        ({"from_address": "hub"}, "sender"),
    ],
)
def test_wrong_settings_are_sentences(config, word):
    check = make_email(**{"port": 25, **config}).check()

    assert not check.ok
    assert word in check.summary
    assert check.problems


def test_the_check_says_where_it_connected_without_sending():
    mailbox = Mailbox()

    with mail_server(mailbox) as port:
        check = make_email(port).check()

    assert check.ok
    assert check.summary == "Connected to 127.0.0.1."
    assert mailbox.messages == []


def test_the_limit_is_asked_before_connecting():
    connector = make_email(free_port())

    def refuse(scope):
        raise RateLimitError("not now", retry_after=3)

    connector.transport.limiter.acquire = refuse

    with pytest.raises(RateLimitError):
        connector.write(send_request())


def test_the_message_id_stays_the_same_and_is_always_valid():
    mailbox = Mailbox()

    with mail_server(mailbox) as port:
        for _ in range(2):
            make_email(port).write(send_request(ref="7/ä>x"))

    assert [message["Message-ID"] for message in mailbox.messages] == ["<hub-7---x@acme.test>"] * 2
