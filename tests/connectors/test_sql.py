"""Databases as a source, on each that is there: SQLite always, and those that SQL_SOURCE_URLS names.

The variable holds addresses such as postgresql://user:password@127.0.0.1:5432/name, with spaces between them. The
tests make and drop their own tables there; each of several pytest workers makes a database of its own beside it.
"""

import json
import os
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.mysql import DATETIME

from integration_hub.connectors.errors import AuthError, ConfigError, ConnectorError, RetryableError
from integration_hub.connectors.filters import Condition, Operator
from integration_hub.connectors.records import ReadRequest, Scan
from integration_hub.connectors.schema import FieldType
from integration_hub.connectors.sql import engine as sql_engine
from integration_hub.connectors.sql import values as sql_values
from integration_hub.connectors.sql.connector import Sql, objects_problem
from integration_hub.connectors.sql.engine import DRIVERS
from integration_hub.connectors.sql.objects import condition, single_select
from integration_hub.simulator.order_system import tables
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport
from tests.connectors.wire import free_port

URLS = ["sqlite", *os.environ.get("SQL_SOURCE_URLS", "").split()]
BERLIN = ZoneInfo("Europe/Berlin")
OBJECTS = """
customers:
  table: customers
  updated: updated_at
  created: created_at
  title: name
  email: email
  deleted: is_deleted
orders:
  table: orders
  updated: updated_at
things:
  table: things
  key: number
  updated: changed
  title: label
  time_zone: Europe/Berlin
paid:
  query: "SELECT id, total, updated_at, ':x' AS colon, '100%' AS share FROM orders WHERE currency LIKE 'E%'"
  updated: updated_at
"""
THINGS = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("label", sa.String(50)),
    sa.Column("amount", sa.Numeric(30, 10)),
    sa.Column("born", sa.Date),
    sa.Column("photo", sa.LargeBinary),
    sa.Column("extra", sa.JSON),
    sa.Column("changed", sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")),
)
SECRET = "p@ss:w/rd-é-hidden"


class Database:
    """One database: `owner` may write to it, the connector reads with `config`."""

    def __init__(self, url, folder):
        if url == "sqlite":
            path = folder / "orders with spaces & more.sqlite3"
            self.owner = sa.create_engine(f"sqlite:///{path}")
            self.config = {"driver": "sqlite", "database": str(path)}
        else:
            parts = sa.make_url(url)
            self.owner = sa.create_engine(parts.set(drivername=DRIVERS[parts.drivername]))
            self.config = {
                "driver": parts.drivername,
                "host": parts.host,
                "port": str(parts.port or ""),
                "database": parts.database,
                "username": parts.username,
                "password": parts.password or "",
                "tls": "off",
            }
        self.is_sqlite = url == "sqlite"

    def drop(self):
        tables.drop(self.owner)
        THINGS.drop(self.owner, checkfirst=True)

    def add(self, *things):
        THINGS.create(self.owner, checkfirst=True)
        with self.owner.begin() as connection:
            for thing in things:
                connection.execute(THINGS.insert().values(**thing))


@pytest.fixture(scope="session", params=URLS, ids=lambda url: url.partition(":")[0])
def url(request):
    """The address of a database that no other worker of pytest uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if request.param == "sqlite" or not worker:
        yield request.param
        return
    parts = sa.make_url(request.param)
    own = parts.set(database=f"{parts.database}_{worker}")
    server = sa.create_engine(parts.set(drivername=DRIVERS[parts.drivername]), isolation_level="AUTOCOMMIT")

    def tell(*statements):
        with server.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(f"{statement} {own.database}"))
        server.dispose()

    tell("DROP DATABASE IF EXISTS", "CREATE DATABASE")
    yield own.render_as_string(hide_password=False)
    tell("DROP DATABASE")


@pytest.fixture
def database(url, tmp_path):
    made = Database(url, tmp_path)
    made.drop()
    yield made
    made.drop()
    made.owner.dispose()


@pytest.fixture
def shop(simulator, database):
    """An order system with five customers, of whom three changed in the same second, in the database."""
    for number, second in enumerate([0, 5, 5, 5, 9]):
        simulator.set_clock(NOON + timedelta(seconds=second))
        simulator.order_system.add_customer(f"c{number}@x.test", name=f"C {number}", phone="", city="Bonn")
    simulator.order_system.add_order("cus_1001", lines=[{"sku": "A", "quantity": 2, "price": 9.95}])
    tables.write(simulator.order_system.shop, database.owner)
    return simulator.order_system


def connector_of(database, objects=OBJECTS, **config):
    config = {"objects": objects, **database.config, **config}
    return Sql(config, make_transport("", secrets=[config.get("password", "")]), MemoryKeeper())


def read(connector, object_type="customers", **request):
    request = {"fields": ["name"], "since": NOON, **request}
    return list(connector.read(ReadRequest(object_type, **request)))


def ids_of(pages):
    return [record.remote_id for page in pages for record in page.records]


def thing(number, at, **values):
    return {"number": number, "label": f"T{number}", "changed": at, **values}


class TestReading:
    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100])
    def test_equal_times_over_page_edges_are_read_once_each(self, database, shop, size):
        pages = read(connector_of(database), page_size=size)

        assert ids_of(pages) == ["cus_1001", "cus_1002", "cus_1003", "cus_1004", "cus_1005"]
        assert all(page.watermark == page.records[-1].modified_at for page in pages)

    def test_the_beginning_is_included_and_the_end_is_not(self, database, shop):
        pages = read(
            connector_of(database), since=NOON + timedelta(seconds=5), until=NOON + timedelta(seconds=9)
        )

        assert ids_of(pages) == ["cus_1002", "cus_1003", "cus_1004"]

    def test_without_a_beginning_everything_is_read_and_a_limit_ends_it(self, database, shop):
        connector = connector_of(database)

        assert len(ids_of(read(connector, since=None))) == 5
        assert ids_of(read(connector, since=None, limit=2)) == ["cus_1001", "cus_1002"]

    def test_nothing_new_and_an_empty_table_are_no_pages(self, database, simulator):
        tables.write(simulator.order_system.shop, database.owner)
        connector = connector_of(database)

        assert read(connector) == []
        assert connector.fetch("customers", ["cus_1"], []) == []
        assert connector.last_id(Scan("customers", [])) == ""
        assert [page.total for page in connector.scan(Scan("customers", []))] == [0]

    def test_a_record_has_its_attributes_and_the_fields_asked_for(self, database, shop):
        record = read(connector_of(database), fields=["phone"])[0].records[0]

        assert (record.title, record.email, record.created_at) == ("C 0", "c0@x.test", NOON)
        assert record.modified_at == NOON
        assert record.values == {
            "id": "cus_1001", "updated_at": record.values["updated_at"], "created_at": record.values["created_at"],
            "name": "C 0", "email": "c0@x.test", "phone": "",
        }  # fmt: skip

    def test_the_version_tells_two_changes_of_one_instant_apart(self, database, shop):
        before = read(connector_of(database))[0].records[0]
        shop.shop.rows["customer"]["cus_1001"]["name"] = "Other"
        tables.write(shop.shop, database.owner)

        after = read(connector_of(database))[0].records[0]

        assert before.version != after.version
        assert len(after.version) <= 80

    def test_a_query_is_read_like_a_table_and_its_colons_and_percents_are_its_own(self, database, shop):
        connector = connector_of(database)

        [page] = read(connector, "paid", fields=["total", "colon", "share"])

        assert page.records[0].values["colon"] == ":x"
        assert page.records[0].values["share"] == "100%"
        assert page.records[0].values["total"] == 19.9
        assert set(connector.describe("paid").fields) == {"id", "total", "updated_at", "colon", "share"}

    def test_a_deleted_row_is_no_record_but_told_as_deleted(self, database, simulator, shop):
        simulator.set_clock(NOON + timedelta(seconds=20))
        shop.delete("cus_1002")
        tables.write(shop.shop, database.owner)
        connector = connector_of(database)

        assert "cus_1002" not in ids_of(read(connector))
        assert connector.fetch("customers", ["cus_1002"], []) == []
        assert connector.count("customers", None) == 4
        assert connector.deleted("customers", NOON, NOON + timedelta(hours=1)) == [
            ("cus_1002", NOON + timedelta(seconds=20))
        ]
        assert connector.deleted("orders", NOON, NOON + timedelta(hours=1)) == []

    def test_rows_without_a_time_of_change_are_left_to_the_backfill(self, database):
        database.add(thing(1, None), thing(2, datetime(2026, 11, 20, 13, 0)))  # noqa: DTZ001 - as it is stored
        connector = connector_of(database)

        assert ids_of(read(connector, "things", fields=[], since=None)) == ["2"]
        [page] = connector.scan(Scan("things", []))
        assert [remote_id for remote_id, _, _ in page.records] == ["1", "2"]

    def test_times_without_a_zone_are_meant_in_the_one_declared(self, database):
        database.add(thing(1, datetime(2026, 11, 20, 13, 0)))  # noqa: DTZ001 - as it is stored

        [page] = read(connector_of(database), "things", fields=[], since=NOON)

        assert page.watermark == NOON

    def test_the_hour_that_a_clock_shows_twice_is_read_whole(self, database):
        early, late = datetime(2026, 10, 25, 2, 10), datetime(2026, 10, 25, 2, 50)  # noqa: DTZ001 - likewise
        database.add(thing(1, early), thing(2, late))

        # 02:50 in summer time has been read; 02:10 in winter time is twenty minutes later.
        pages = read(
            connector_of(database), "things", fields=[], since=datetime(2026, 10, 25, 0, 50, tzinfo=UTC)
        )

        assert ids_of(pages) == ["1", "2"]

    def test_values_of_all_kinds_can_be_stored_as_json(self, database):
        database.add(
            thing(
                2**60,
                datetime(2026, 11, 20, 13, 0, 0, 123456),  # noqa: DTZ001 - likewise
                amount=Decimal("1234567890.12"),
                born=date(2000, 2, 29),
                photo=b"\x00\xff",
                extra={"a": [1, None]},
            ),
            thing(2**60 + 1, datetime(2026, 11, 20, 13, 0), label=None),  # noqa: DTZ001 - likewise
        )

        fields = ["amount", "born", "photo", "extra", "label"]
        pages = read(connector_of(database), "things", fields=fields, page_size=1)

        [empty], [full] = (page.records for page in pages)
        assert json.loads(json.dumps(full.values)) == full.values
        assert full.remote_id == str(2**60)
        assert full.values["amount"] == 1234567890.12
        assert (full.values["born"], full.values["photo"]) == ("2000-02-29", "AP8=")
        assert full.modified_at == NOON.replace(microsecond=123456)
        assert empty.values["amount"] is None
        assert empty.title == ""


class TestScanning:
    @pytest.mark.parametrize("size", [1, 2, 5, 100])
    def test_a_scan_reads_everything_in_the_order_of_keys(self, database, shop, size, monkeypatch):
        monkeypatch.setattr(Sql, "page_size", size)

        pages = list(connector_of(database).scan(Scan("customers", ["name"])))

        assert [row[0] for page in pages for row in page.records] == [f"cus_{n}" for n in range(1001, 1006)]
        assert {page.total for page in pages} == {5}

    def test_ranges_share_numbers_out_and_leave_none_out(self, database):
        database.add(*(thing(n, datetime(2026, 11, 20, 13, 0)) for n in (1, 9, 10, 11, 99, 100, 500)))  # noqa: DTZ001
        connector = connector_of(database)
        last = connector.last_id(Scan("things", []))

        ends = connector.split("1", last, 3)
        ranges = zip(["", *ends], ends, strict=False)
        found = [
            row[0]
            for after, up_to in ranges
            for page in connector.scan(Scan("things", [], after_id=after, up_to_id=up_to))
            for row in page.records
        ]

        assert (last, len(ends), ends[-1]) == ("500", 3, "500")
        assert found == ["1", "9", "10", "11", "99", "100", "500"]

    def test_texts_stay_one_range(self, database, shop):
        connector = connector_of(database)
        last = connector.last_id(Scan("customers", []))

        assert connector.split("cus_1001", last, 4) == [last]

    def test_a_condition_times_and_a_limit_narrow_it(self, database, shop):
        connector = connector_of(database)
        scan = Scan(
            "customers", [], condition="name <> 'C 1' AND city = 'Bonn'", since=NOON + timedelta(seconds=5)
        )

        assert [len(page.records) for page in connector.scan(scan)] == [3]
        [page] = connector.scan(Scan("customers", [], limit=2))
        assert (len(page.records), page.total) == (2, 2)

    @pytest.mark.parametrize("text", ["1=1) OR (1=1", "1=1; DROP TABLE customers", "name = 'x", "1 -- x"])
    def test_a_condition_that_is_more_than_one_is_refused(self, database, shop, text):
        with pytest.raises(ConfigError, match="condition"):
            list(connector_of(database).scan(Scan("customers", [], condition=text)))


class TestLooking:
    def test_rows_are_fetched_by_their_keys(self, database, shop):
        database.add(*(thing(n, None) for n in range(1, 4)))
        connector = connector_of(database)

        assert {
            r.remote_id for r in connector.fetch("customers", ["cus_1001", "cus_1003", "no"], ["name"])
        } == {
            "cus_1001",
            "cus_1003",
        }
        assert {r.remote_id for r in connector.fetch("things", ["1", "3", "x", "9"], [])} == {"1", "3"}

    def test_a_table_is_described_by_its_database(self, database, shop):
        database.add()
        connector = connector_of(database)

        fields = connector.describe("things").fields

        assert {name: field.type for name, field in fields.items() if name != "extra"} == {
            "number": FieldType.NUMBER,
            "label": FieldType.TEXT,
            "amount": FieldType.NUMBER,
            "born": FieldType.DATE,
            "changed": FieldType.DATETIME,
        }
        assert not any(field.filterable for field in fields.values())
        assert connector.base_fields(connector.describe("customers")) == [
            "id", "updated_at", "created_at", "name", "email"
        ]  # fmt: skip

    def test_declared_truth_values_are_true_or_false(self, database, shop):
        objects = OBJECTS.replace("title: name", "title: name\n  fields: [{name: newsletter, type: boolean}]")

        record = read(connector_of(database, objects), fields=["newsletter"])[0].records[0]

        assert record.values["newsletter"] is False

    def test_a_check_names_what_is_wrong(self, database, shop):
        database.add()
        objects = (
            OBJECTS + "ghosts: {table: ghosts, updated: at}\nwrong: {table: customers, updated: changed_on}\n"
        )

        good, bad = connector_of(database).check(), connector_of(database, objects).check()

        assert good.ok
        assert not bad.ok
        assert [("ghosts" in bad.problems[0]), ("changed_on" in bad.problems[1])] == [True, True]

    def test_each_question_is_a_callout_without_user_and_password(self, database, shop):
        connector = connector_of(database)

        read(connector)

        callouts = connector.transport.callouts
        assert [callout.purpose for callout in callouts] == ["look at columns", "read customers"]
        assert connector.transport.limiter.acquired == ["query", "query"]
        assert all("@" not in callout.url for callout in callouts)

    def test_criteria_are_left_to_the_hub(self, database):
        with pytest.raises(ConfigError):
            connector_of(database).count("customers", Condition("a", FieldType.TEXT, Operator.EQUALS, ("b",)))


class TestSafety:
    @pytest.mark.parametrize("statement", ["DELETE FROM customers", "CREATE TABLE x (a int)"])
    def test_nothing_can_be_written_through_its_session(self, database, shop, statement):
        connector = connector_of(database)

        with (
            pytest.raises(ConfigError),
            connector._exchange("write"),
            sql_engine.reading(connector._engine) as connection,
        ):
            connection.exec_driver_sql(statement)

        assert connector.count("customers", None) == 5

    def test_a_query_that_lasts_too_long_is_ended(self, database, shop):
        slow = {
            "postgresql": "SELECT id, updated_at, pg_sleep(9)::text AS t FROM customers",
            "mysql": "SELECT id, updated_at, SLEEP(9) AS t FROM customers",
            "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
            " SELECT x AS id, x AS updated_at FROM n WHERE x < 0",
        }[database.config["driver"]]
        objects = f'slow: {{query: "{slow}", updated: updated_at}}'
        connector = connector_of(database, objects, timeout="1")

        with pytest.raises(RetryableError) as caught:
            connector.fetch("slow", ["cus_1001"], [] if database.is_sqlite else ["t"])

        assert caught.value.code == "timeout"

    @pytest.mark.parametrize(
        ("objects", "named"),
        [
            ("a: {table: ghosts, updated: at}", "ghosts"),
            ("a: {table: customers, updated: changed_on}", "changed_on"),
            ("a: {table: customers, updated: updated_at, title: Nope}", "Nope"),
        ],
    )
    def test_a_missing_table_or_column_is_named(self, database, shop, objects, named):
        with pytest.raises(ConfigError, match=named) as caught:
            read(connector_of(database, objects), "a")

        assert not isinstance(caught.value, AuthError)

    def test_what_is_missing_is_named_when_described(self, database, shop):
        objects = "a: {table: ghosts, updated: at}\nb: {table: customers, updated: changed_on}"
        connector = connector_of(database, objects)

        with pytest.raises(ConfigError, match="ghosts"):
            connector.describe("a")
        with pytest.raises(ConfigError, match="changed_on"):
            connector.describe("b")


@pytest.mark.parametrize("driver", ["postgresql", "mysql"])
def test_a_server_that_is_not_there_may_be_there_later(driver):
    config = {"driver": driver, "host": "127.0.0.1", "port": str(free_port()), "database": "x", "username": "u",
              "password": SECRET, "objects": OBJECTS, "tls": "off"}  # fmt: skip
    connector = Sql(config, make_transport("", secrets=[SECRET]), MemoryKeeper())

    with pytest.raises(RetryableError) as caught:
        read(connector)

    assert caught.value.code == "connect"
    told = f"{caught.value!r} {caught.value.remedy} {caught.value.__cause__} {connector.transport.callouts}"
    assert SECRET not in told
    assert "rd-é-hidden" not in told


WRONG = [(url, {"database": "no_such_database"}) for url in URLS]
WRONG += [(url, {"username": "nobody_of_that_name"}) for url in URLS[1:]]  # SQLite has no users


@pytest.mark.parametrize(("url", "wrong"), WRONG, ids=lambda one: str(one).partition(":")[0])
def test_a_wrong_login_or_database_is_a_matter_for_a_person(url, wrong, tmp_path):
    database = Database(url, tmp_path)
    config = {**database.config, "password": SECRET, "objects": OBJECTS, **wrong}
    if "database" in wrong:
        config["password"] = database.config.get("password", "")
    connector = Sql(config, make_transport(""), MemoryKeeper())

    with pytest.raises(ConfigError) as caught:
        read(connector)

    assert isinstance(caught.value, AuthError) == ("username" in wrong)
    assert SECRET not in caught.value.message
    assert not connector.check().ok
    database.owner.dispose()


@pytest.mark.parametrize("path", ["relative.sqlite3", "/no/such/file.sqlite3", "/etc/passwd", "/etc", ""])
def test_a_path_that_is_no_sqlite_database_is_refused(path):
    config = {"driver": "sqlite", "database": path, "objects": OBJECTS}
    connector = Sql(config, make_transport(""), MemoryKeeper())

    with pytest.raises(ConfigError):
        read(connector)
    assert not connector.check().ok


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {updated: u}", "either table or query"),
        ("a: {table: t, query: SELECT 1, updated: u}", "either table or query"),
        ("a: {table: t}", "“updated” is missing"),
        ("a: {table: t; drop, updated: u}", "not the name of a table"),
        ("a: {table: t, updated: u, time_zone: Mars/Base}", "time zone"),
        ("a: {query: DELETE FROM t, updated: u}", "begins with SELECT"),
        ("a: {query: WITH x AS (DELETE FROM t RETURNING id) SELECT 1, updated: u}", "DELETE"),
        ("a: {query: SELECT 1; SELECT 2, updated: u}", "one statement"),
        ("a: {query: SELECT 1 INTO OUTFILE 'x', updated: u}", "INTO"),
        ("a: {query: SELECT 1) AS x, updated: u}", "parentheses"),
        ("a: {tabel: t, updated: u}", "either table or query"),
        ("a: {table: t, updated: u, titel: x}", "Did you mean “title”?"),
    ],
)
def test_a_mistake_in_the_objects_is_a_sentence(text, said):
    assert said in objects_problem(text)


def test_objects_as_documented_are_understood():
    assert objects_problem(OBJECTS) == ""


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM a WHERE b = 'update; not'".replace(";", ""),
        'SELECT "delete" FROM a',
        "with x as (select 1 as id) select id from x",
        "SELECT (1), count(*) FROM a",
        "SELECT updated_at, created FROM inserts",
    ],
)
def test_a_query_that_only_reads_is_taken(query):
    assert single_select(query) == query


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 /* x */",
        "SELECT 1 -- x",
        "SELECT 'a",
        "SELECT 'a' || 'b''",
        "SELECT * FROM t FOR UPDATE",
        "SELECT $$x$$",
        "SELECT '\\'",
        "SELECT ((1)",
        "PRAGMA query_only = OFF",
        "selectx",
    ],
)
def test_a_query_that_may_do_more_is_refused(query):
    with pytest.raises(ValueError, match=r".+\."):
        single_select(query)


@given(st.text(alphabet="()'\"`; a", max_size=20))
def test_a_condition_never_leaves_its_parentheses(text):
    try:
        taken = condition(text)
    except ValueError:
        return
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        statement = sa.select(sa.literal(1)).where(sa.text(f"({taken})"))
        assert ";" not in str(statement.compile(connection))
    engine.dispose()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (2**53, 2**53),
        (2**60, str(2**60)),
        (1.5, 1.5),
        (float("nan"), None),
        (Decimal("Infinity"), None),
        (Decimal("19.00"), 19),
        (Decimal("19.90"), 19.9),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("1E+30"), "1" + "0" * 30),
        (date(2026, 11, 20), "2026-11-20"),
        (NOON, "2026-11-20T12:00:00Z"),
        (datetime(2026, 11, 20, 13, 0), "2026-11-20T12:00:00Z"),  # noqa: DTZ001 - as a driver gives it
        (time_of_day(9, 30), "09:30:00"),
        (timedelta(minutes=1), 60.0),
        (b"\x00\xff", "AP8="),
        (memoryview(b"a"), "YQ=="),
        ("a\x00b\ud800", "ab"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ({"a": [Decimal("1.5")]}, {"a": [1.5]}),
        ({"b", "a"}, ["a", "b"]),
    ],
)
def test_each_value_has_a_form_in_json(value, shown):
    found = sql_values.plain(value, BERLIN)

    assert found == shown
    assert type(found) is type(shown)


@pytest.mark.parametrize(
    ("sample", "kept"),
    [
        (NOON, datetime(2026, 11, 20, 11, 0, tzinfo=UTC)),
        (datetime(2026, 1, 1), datetime(2026, 11, 20, 12, 0)),  # noqa: DTZ001 - as a driver gives it
        (date(2026, 1, 1), date(2026, 11, 20)),
        ("2026-01-01 00:00:00", "2026-11-20 12:00:00"),
        ("2026-01-01T00:00:00.5", "2026-11-20T12:00:00"),
        ("2026-01-01T00:00:00Z", "2026-11-20T11:00:00"),
        (1_700_000_000, 1795172400),
        (1_700_000_000_000, 1795172400000),
    ],
)
def test_an_instant_is_asked_for_as_the_column_keeps_it(sample, kept):
    assert sql_values.raw(datetime(2026, 11, 20, 11, 0, tzinfo=UTC), sample, BERLIN) == kept


@settings(max_examples=200)
@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - the zone comes next
    st.timedeltas(timedelta(0), timedelta(hours=3)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_what_changes_later_is_never_below_the_beginning_that_is_asked_for(at, later, name):
    zone = ZoneInfo(name)
    since = at.replace(tzinfo=UTC)

    begin = sql_values.raw(since, datetime(2026, 1, 1), zone)  # noqa: DTZ001 - as a driver gives it

    assert (since + later).astimezone(zone).replace(tzinfo=None) >= begin


def test_no_password_leaves_in_what_goes_wrong_in_between():
    config = {"driver": "postgresql", "host": "127.0.0.1", "port": "x", "database": "d", "username": "u",
              "password": SECRET, "objects": OBJECTS}  # fmt: skip
    connector = Sql(config, make_transport("", secrets=[SECRET]), MemoryKeeper())

    with pytest.raises(ConnectorError) as caught:
        read(connector)

    assert SECRET not in repr(caught.value)
