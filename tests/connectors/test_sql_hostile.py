"""What a person with the form of a database connection must not get at, and what a server must prove."""

import sqlite3
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integration_hub.connectors.errors import ConfigError, RetryableError
from integration_hub.connectors.sql.connector import Sql
from integration_hub.connectors.sql.objects import condition, single_select
from tests.connectors.doubles import MemoryKeeper, make_transport
from tests.connectors.wire import raw_server

OBJECTS = "a: {table: auth_user, updated: date_joined}"


def connector_of(**config):
    return Sql({"objects": OBJECTS, **config}, make_transport(""), MemoryKeeper())


def server_of(url, **config):
    port = url.rpartition(":")[2]
    return connector_of(
        driver="postgresql", host="localhost", port=port, database="x", username="u", **config
    )


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate of localhost; returns its file and that of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "server.crt", tmp_path / "server.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return public, private


@pytest.fixture
def encrypting(certificate):
    """A server that takes up TLS as PostgreSQL does, and then hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def behave(connection):
        connection.sendall(b"S")
        try:
            context.wrap_socket(connection.dup(), server_side=True).close()
        except OSError:
            return

    with raw_server(behave) as (url, _):
        yield url


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypting, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)

    result = server_of(encrypting, tls="verify").check()

    assert (result.ok, result.summary) == (False, "The certificate of the server is not trusted.")
    assert "REQUESTS_CA_BUNDLE" in result.problems[0]


def test_an_authority_of_ones_own_is_trusted_as_it_is_for_http(encrypting, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)

    with pytest.raises(RetryableError) as caught:  # it got past the certificate, and may be lucky later
        server_of(encrypting, tls="verify").check()

    assert caught.value.code == "connect"


def test_a_server_for_another_name_is_refused(encrypting, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    connector = server_of(encrypting, tls="verify")
    connector.config["host"] = "127.0.0.1"

    assert connector.check().summary == "The certificate of the server is for another name."


@pytest.mark.parametrize("tls", ["verify", "encrypt", ""])
def test_without_tls_nothing_is_sent(tls):
    with raw_server(lambda connection: connection.sendall(b"N")) as (url, seen):
        result = server_of(url, tls=tls, password="hidden-1").check()

    assert (result.ok, result.summary) == (False, "The server does not encrypt.")
    assert all(b"hidden-1" not in one for one in seen)


@pytest.mark.parametrize(
    "host", ["/var/run/postgresql", "@socket", "a.test,b.test", "a.test port=1", "-a", "a=b"]
)
def test_a_server_is_one_that_is_reached_by_the_network(host):
    """The hub's own user may enter its own database by a local socket without any password."""
    result = connector_of(driver="postgresql", host=host, database="hub", username="u").check()

    assert (result.ok, result.summary) == (False, f"“{host}” is not a server.")


def test_the_hubs_own_database_is_not_read(tmp_path):
    path = tmp_path / "hub.sqlite3"
    with sqlite3.connect(path) as own:
        own.execute("CREATE TABLE syncs_connection (id INTEGER)")
        own.execute("CREATE TABLE auth_user (id INTEGER, date_joined TEXT, password TEXT)")
    own.close()
    connector = connector_of(driver="sqlite", database=str(path))

    assert not connector.check().ok
    for ask in (connector.describe, lambda kind: connector.fetch(kind, ["1"], ["password"])):
        with pytest.raises(ConfigError, match="a database of the hub itself"):
            ask("a")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT LOAD_FILE('/etc/passwd') AS id",
        "SELECT lo_export(1, '/tmp/x') AS id",
        "SELECT pg_read_file ('PG_VERSION') AS id",
        "SELECT dblink_exec('host=x', 'y') AS id",
        "SELECT pg_advisory_lock(1) AS id",
        "SELECT \"lo_export\"(1, '/tmp/x') AS id",
        "SELECT $x$'$x$, lo_export(1, 'y') AS id",
    ],
)
def test_a_function_that_does_more_than_read_is_refused(query):
    with pytest.raises(ValueError, match=r".+\."):
        single_select(query)


def test_what_begins_a_comment_in_mysql_hides_nothing():
    hiding = "SELECT id FROM a # '\n) AS x INTO OUTFILE \"/tmp/x\" # '"
    with pytest.raises(ValueError, match="“#”"):
        single_select(hiding, by="mysql")
    with pytest.raises(ValueError, match="“#”"):
        condition("1 = 1 # '", by="mysql")

    assert single_select("SELECT a #>> '{b}' FROM c", by="postgresql")


@pytest.mark.parametrize("query", ["SELECT pg_typeof(a) FROM b", "SELECT a FROM pg_class WHERE b IN ('c')"])
def test_functions_that_only_look_are_taken(query):
    assert single_select(query) == query
