"""HubSpot: companies, contacts and deals, read and written in batches."""
