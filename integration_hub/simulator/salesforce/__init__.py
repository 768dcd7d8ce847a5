"""A pretend Salesforce org: REST, SOQL and OAuth as the real one answers them."""

from integration_hub.simulator.salesforce.auth import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    REFRESH_TOKEN,
    USERNAME,
)
from integration_hub.simulator.salesforce.vendor import Salesforce

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "PASSWORD", "REFRESH_TOKEN", "USERNAME", "Salesforce"]
