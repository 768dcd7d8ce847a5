"""What an API, an event or a pasted text could do to us by way of the HTTP connector."""

import pytest
import responses

from integration_hub.connectors.http_json.connector import HttpJson, objects_problem
from integration_hub.connectors.records import Operation, Outcome, RecordWrite, WriteRequest
from tests.connectors.doubles import MemoryKeeper, make_transport

API = "https://orders.test/api"
TOKEN = "secret-token-1"
OBJECTS = """
customers:
  get: /customers/{id}
  create: /customers
  update: PATCH /customers/{id}
  delete: /customers/{id}
  match: {field: email, path: "/customers/{value}"}
"""


@pytest.fixture
def vendor():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def connector():
    config = {
        "address": API,
        "auth": "header",
        "header_name": "X-Key",
        "header_value": TOKEN,
        "objects": OBJECTS,
    }
    return HttpJson(config, make_transport("", secrets=[TOKEN]), MemoryKeeper())


def write(operation, values, remote_id=""):
    kind = "" if operation is Operation.CALL else "customers"
    return WriteRequest(kind, operation, [RecordWrite("ref", values, remote_id=remote_id)])


@pytest.mark.parametrize("remote_id", ["..", ".", "a/../../b"])
@pytest.mark.parametrize("operation", [Operation.DELETE, Operation.UPDATE])
def test_a_record_whose_id_is_dots_is_refused_and_nothing_is_called(vendor, connector, operation, remote_id):
    [result] = connector.write(write(operation, {"name": "x"}, remote_id))

    assert (result.outcome, result.error.code) == (Outcome.FAILED, "path")
    assert not vendor.calls


@pytest.mark.parametrize("status", [200, 422])
def test_a_secret_that_an_api_repeats_is_not_kept_with_its_answer(vendor, connector, status):
    echo = {"headers": {"X-Key": TOKEN, "Accept": "x"}, "said": [f"no {TOKEN}"], TOKEN: 1}
    vendor.post(f"{API}/things", json={"id": "7", "email": "ann@x.test", **echo}, status=status)

    [result] = connector.write(write(Operation.CALL, {"method": "POST", "path": "/things", "body": {}}))

    assert TOKEN not in str(result)
    assert result.answer["headers"] == {"X-Key": "***", "Accept": "x"}
    assert (result.answer["id"], result.answer["email"]) == ("7", "ann@x.test")


def test_aliases_that_would_unfold_into_billions_are_refused():
    levels = ["&a [x, x, x, x, x, x, x, x, x, x]"]
    for name, inner in zip("bcdefghij", "abcdefghi", strict=True):
        levels.append(f"&{name} [{', '.join([f'*{inner}'] * 10)}]")
    bomb = f"a: {{create: /b, fields: [{{name: x, options: [{', '.join(levels)}]}}]}}"

    assert "anchors (&) and aliases (*) are not allowed" in objects_problem(bomb)
