"""Salesforce: records read by REST or Bulk API 2.0 and written in collections."""
