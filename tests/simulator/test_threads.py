"""Many callers at once lose nothing and see nothing twice."""

from concurrent.futures import ThreadPoolExecutor

CALLERS = 8
EACH = 20


def test_every_message_of_many_callers_is_stored_with_its_own_timestamp(slack, web):
    ann = slack.add_member("Ann", "ann@example.test")

    with ThreadPoolExecutor(CALLERS) as pool:
        sent = list(
            pool.map(lambda n: web("chat.postMessage", channel=ann, text=str(n)), range(CALLERS * EACH))
        )

    assert len({answer["ts"] for answer in sent}) == len(slack.messages) == CALLERS * EACH
    assert len({answer["channel"] for answer in sent}) == 1


def test_records_can_be_added_while_they_are_read(salesforce, rest):
    soql = "SELECT Id FROM Lead WHERE SystemModstamp > 2026-01-01T00:00:00Z ORDER BY SystemModstamp, Id"

    def add_and_read(n):
        lead = salesforce.add("Lead", LastName=str(n))
        salesforce.update(lead, Rating="Hot")
        return lead in {record["Id"] for record in rest.query(soql).json()["records"]}

    with ThreadPoolExecutor(CALLERS) as pool:
        seen = list(pool.map(add_and_read, range(CALLERS * EACH)))

    assert all(seen)
    assert rest.query(soql).json()["totalSize"] == CALLERS * EACH
