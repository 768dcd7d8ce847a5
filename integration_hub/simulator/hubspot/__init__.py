"""A pretend HubSpot portal: CRM objects, associations, search, OAuth and webhooks as the real one answers them."""

from integration_hub.simulator.hubspot.access import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from integration_hub.simulator.hubspot.vendor import HubSpot
from integration_hub.simulator.hubspot.webhooks import Manner

__all__ = ["ACCESS_TOKEN", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "HubSpot", "Manner"]
