"""A fresh world per test, and short ways to talk to it over HTTP."""

from datetime import UTC, datetime

import pytest
import requests

from integration_hub.simulator.salesforce import CLIENT_ID, CLIENT_SECRET
from integration_hub.simulator.server import Simulator
from integration_hub.simulator.slack import SLACK_TOKEN

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class SalesforceClient:
    """A logged-in REST caller; the answers come back as they are."""

    def __init__(self, simulator):
        self.url = simulator.salesforce.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.base = "/services/data/v59.0/"
        self.login()

    def token(self, auth=None, **form):
        return self.session.post(f"{self.url}/services/oauth2/token", data=form, auth=auth, timeout=5)

    def login(self):
        answer = self.token(grant_type="client_credentials", client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path, **options):
        return self.session.get(f"{self.url}{self.base}{path}", timeout=5, **options)

    def post(self, path, body):
        return self.session.post(f"{self.url}{self.base}{path}", json=body, timeout=5)

    def query(self, soql, **options):
        return self.get("query", params={"q": soql}, **options)

    def follow(self, path):
        return self.session.get(self.url + path, timeout=5)


class SlackClient:
    """A caller of the Web API; JSON unless `form` is asked for."""

    def __init__(self, simulator):
        self.url = f"{simulator.slack.url}/api/"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {SLACK_TOKEN}"

    def __call__(self, method, *, raw=False, **arguments):
        answer = self.session.post(self.url + method, json=arguments, timeout=5)
        return answer if raw else answer.json()

    def form(self, method, **arguments):
        return self.session.post(self.url + method, data=arguments, timeout=5).json()


@pytest.fixture
def simulator():
    with Simulator() as running:
        running.set_clock(NOON)
        yield running


@pytest.fixture
def salesforce(simulator):
    return simulator.salesforce


@pytest.fixture
def rest(simulator):
    client = SalesforceClient(simulator)
    yield client
    client.session.close()


@pytest.fixture
def slack(simulator):
    return simulator.slack


@pytest.fixture
def web(simulator):
    client = SlackClient(simulator)
    yield client
    client.session.close()
