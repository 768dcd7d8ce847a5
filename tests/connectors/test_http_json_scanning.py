"""Reading all that a list has, for backfills: nothing is passed over while records change, also from a mark on."""

from datetime import timedelta

import pytest

from integration_hub.connectors.errors import ConfigError
from integration_hub.connectors.http_json.connector import HttpJson, objects_problem
from integration_hub.connectors.records import Scan
from integration_hub.simulator.order_system import TOKEN
from tests.connectors.doubles import NOON, MemoryKeeper, make_transport

CURSOR = "paging: cursor, cursor: next_cursor, cursor_parameter: cursor"
BY_TIME = "since: updated_since, until: updated_until, sorted: true"
BY_ID = "since: updated_since, by_id: {sort: id}"
LISTS = {
    "cursor by time": f"{CURSOR}, {BY_TIME}",
    "cursor by id": f"{CURSOR}, {BY_ID}",
    "link by time": f"paging: link, {BY_TIME}",
    "link by id": f"paging: link, {BY_ID}",
    "page by time": f"paging: page, page_parameter: page, {BY_TIME}",
    "page by id": f"paging: page, page_parameter: page, total: total, {BY_ID}",
    "offset by time": f"paging: offset, offset_parameter: offset, {BY_TIME}",
    "offset by id": f"paging: offset, offset_parameter: offset, total: total, {BY_ID}",
}
OBJECTS = """
customers:
  modified: updated_at
  list: {path: /customers, records: data, size_parameter: limit, size: 3, %s}
"""
COUNT = 10


@pytest.fixture
def shop(simulator):
    simulator.set_clock(NOON)
    return simulator.order_system


@pytest.fixture(params=LISTS)
def connector(shop, request):
    return connector_of(shop, LISTS[request.param])


def connector_of(shop, words, more=""):
    config = {"auth": "bearer", "token": TOKEN, "objects": OBJECTS % words + more}
    connector = HttpJson(config, make_transport(shop.url), MemoryKeeper())
    connector.clock = lambda: NOON + timedelta(hours=1)
    return connector


def fill(simulator, shop, count=COUNT):
    ids = []
    for number in range(count):
        simulator.set_clock(NOON + timedelta(seconds=10 * number))
        ids.append(shop.add_customer(f"c{number}@x.test", name=f"C {number}"))
    simulator.set_clock(NOON + timedelta(hours=1))
    return ids


def scan(connector, **options):
    return connector.scan(Scan("customers", ["name"], **options))


def ids_of(pages):
    return [one[0] for page in pages for one in page.records]


@pytest.mark.parametrize("count", [0, 1, 3, 4, COUNT])
def test_all_are_read_once_with_a_mark_behind_each_page(simulator, shop, connector, count):
    ids = fill(simulator, shop, count)

    pages = list(scan(connector))

    assert ids_of(pages) == ids
    assert pages
    assert all(page.mark for page in pages)


def test_whoever_goes_on_from_any_mark_reads_the_rest(simulator, shop, connector):
    ids = fill(simulator, shop)
    pages = list(scan(connector))

    for number, page in enumerate(pages):
        rest = ids_of(scan(connector, after_id=page.mark))
        before = ids_of(pages[: number + 1])

        assert set(before) | set(rest) == set(ids)
    assert not rest


@pytest.mark.parametrize("when", [1, 2, 3])
@pytest.mark.parametrize("resumed", [False, True])
def test_changes_and_deletions_between_pages_pass_nothing_over(simulator, shop, connector, when, resumed):
    """Those read first are deleted, changed and added to; all others must come, whatever page they are on now."""
    ids = fill(simulator, shop)
    found, pages = [], scan(connector)
    for _ in range(when):
        page = next(pages)
        found += ids_of([page])

    gone = ids[0]
    shop.delete(gone)
    shop.update(ids[1], {"city": "Bonn"})
    shop.add_customer("new@x.test")
    rest = scan(connector, after_id=page.mark) if resumed else pages
    found += ids_of(rest)

    assert set(found) >= set(ids) - {gone}


@pytest.mark.parametrize("words", [LISTS["page by id"], LISTS["offset by id"]])
def test_however_many_are_deleted_the_reading_goes_back_to_where_it_was(simulator, shop, words):
    ids = fill(simulator, shop, 20)
    connector = connector_of(shop, words)
    pages = scan(connector)
    read = ids_of([next(pages), next(pages), next(pages)])
    for one in ids[:7]:
        shop.delete(one)

    read += ids_of(pages)

    assert set(read) >= set(ids[7:])


def test_the_last_of_a_list_is_not_lost_to_a_deletion_before_it(simulator, shop):
    """Behind the deletion the next page is empty: what was to be on it stands on the one before."""
    ids = fill(simulator, shop, 4)
    pages = scan(connector_of(shop, LISTS["page by id"]))
    read = ids_of([next(pages)])
    shop.delete(ids[1])

    assert read + ids_of(pages) == ids


def test_only_what_changed_in_the_time_is_read(simulator, shop, connector):
    ids = fill(simulator, shop)
    since, until = NOON + timedelta(seconds=20), NOON + timedelta(seconds=60)

    assert ids_of(scan(connector, since=since, until=until)) == ids[2:6]


def test_a_list_without_a_time_parameter_is_narrowed_here_and_tells_no_total(simulator, shop):
    ids = fill(simulator, shop)
    connector = connector_of(shop, "paging: page, page_parameter: page, total: total, by_id: {sort: id}")

    pages = list(scan(connector, since=NOON + timedelta(seconds=80)))

    assert ids_of(pages) == ids[8:]
    assert {page.total for page in pages} == {None}


def test_the_limit_ends_it(simulator, shop, connector):
    ids = fill(simulator, shop)

    assert ids_of(scan(connector, limit=4)) == ids[:4]


@pytest.mark.parametrize(
    ("words", "count", "total"),
    [
        (LISTS["offset by id"], COUNT, COUNT),
        (LISTS["page by id"], COUNT, COUNT),
        (LISTS["cursor by time"], COUNT, None),
        (LISTS["cursor by time"], 2, 2),
        (LISTS["page by time"], COUNT, None),
    ],
)
def test_a_total_is_what_the_answer_says_or_what_the_only_page_holds(simulator, shop, words, count, total):
    fill(simulator, shop, count)

    assert next(scan(connector_of(shop, words))).total == total


@pytest.mark.parametrize("place", ["cursor by id", "link by id"])
def test_a_place_that_the_api_has_forgotten_begins_anew(simulator, shop, place):
    ids = fill(simulator, shop)
    connector = connector_of(shop, LISTS[place])
    mark = '{"at": "/customers?cursor=forgotten"}' if "link" in place else '{"at": "forgotten"}'

    assert ids_of(scan(connector, after_id=mark)) == ids


def test_a_mark_of_another_paging_begins_anew(simulator, shop, connector):
    ids = fill(simulator, shop)

    assert ids_of(scan(connector, after_id="cus_1003")) == ids


def test_numbered_pages_by_id_cost_what_the_quote_says(simulator, shop):
    fill(simulator, shop)
    for words, calls in ((LISTS["page by id"], 9), (LISTS["offset by id"], 6), (LISTS["cursor by id"], 4)):
        connector = connector_of(shop, words)
        shop.requests.clear()
        list(scan(connector))

        assert len(shop.requests) <= connector.calls_to_scan("customers", 4) + 1
        assert abs(len(shop.requests) - calls) <= 1


def test_several_are_fetched_by_one_call_where_the_api_can(simulator, shop):
    ids = fill(simulator, shop, 7)
    several = '  get_several: {path: "/customers?ids={ids}&limit=5", records: data, most: 5}\n'
    connector = connector_of(shop, CURSOR, several)
    shop.requests.clear()

    found = connector.fetch("customers", [*ids, "cus_9"], ["name"])

    assert {one.remote_id for one in found} == set(ids)
    assert len(shop.requests) == connector.calls_to_fetch(8, []) == 2


def test_an_api_that_does_not_know_the_ids_is_not_believed(simulator, shop):
    fill(simulator, shop, 7)
    several = '  get_several: {path: "/customers?id_in={ids}", records: data}\n'

    with pytest.raises(ConfigError, match="answered by other"):
        connector_of(shop, CURSOR, several).fetch("customers", ["cus_9"], [])


def test_a_condition_or_a_time_that_cannot_be_judged_is_refused(shop):
    connector = connector_of(shop, CURSOR)
    with pytest.raises(ConfigError, match="condition"):
        list(scan(connector, condition="city = 'Bonn'"))
    without = HttpJson(
        {"auth": "bearer", "token": TOKEN, "objects": "customers: {list: {path: /customers, records: data}}"},
        make_transport(shop.url),
        MemoryKeeper(),
    )

    with pytest.raises(ConfigError, match="do not tell when they changed"):
        list(scan(without, since=NOON))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("paging: offset", "offset_parameter"),
        ("paging: offset, offset_parameter: offset, sorted: true", "needs since"),
    ],
)
def test_a_declaration_that_cannot_work_says_so(words, said):
    assert said in objects_problem(OBJECTS % words)


def test_a_way_to_several_must_hold_their_ids():
    assert "{ids}" in objects_problem(OBJECTS % CURSOR + "  get_several: {path: /customers}\n")
