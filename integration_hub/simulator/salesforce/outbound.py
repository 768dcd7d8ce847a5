"""The sender of outbound messages: the org's records as SOAP, repeated and in any order, as a test asks for it."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from integration_hub.simulator.salesforce.ids import IdSequence

MOST = 100
ACK = b"<Ack>true</Ack>"
TIMEOUT = 5.0


@dataclass(slots=True)
class OutboundMessages:
    """Builds messages of records and posts them. `record` gives a record's values as they are when it is sent."""

    organization_id: str
    record: Callable[[str], Mapping[str, object]]
    numbers: IdSequence = field(default_factory=lambda: IdSequence("04l"))
    lost: list[str] = field(default_factory=list)

    def message(
        self, object_type: str, record_ids: Sequence[str], fields: Sequence[str] = (), organization: str = ""
    ) -> bytes:
        """Return one message, of another organization if that is named."""
        told = "".join(self._notification(object_type, one, fields) for one in record_ids)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
            ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
            '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
            f"<OrganizationId>{organization or self.organization_id}</OrganizationId>"
            "<ActionId>04kAB0000008OPkYAM</ActionId>"
            '<SessionId xsi:nil="true"/><EnterpriseUrl>https://example.test/c</EnterpriseUrl>'
            f"<PartnerUrl>https://example.test/u</PartnerUrl>{told}</notifications>"
            "</soapenv:Body></soapenv:Envelope>"
        ).encode()

    def send(
        self, url: str, object_type: str, record_ids: Sequence[str], fields: Sequence[str] = ()
    ) -> list[bool]:
        """Post messages of at most MOST records; return of each whether it was acknowledged."""
        answers = []
        for start in range(0, len(record_ids), MOST):
            part = record_ids[start : start + MOST]
            answers.append(_post(url, self.message(object_type, part, fields)))
            if not answers[-1]:
                self.lost += part
        return answers

    def _notification(self, object_type: str, record_id: str, fields: Sequence[str]) -> str:
        row = self.record(record_id)
        values = "".join(
            f"<sf:{name}>{escape(str(row[name]))}</sf:{name}>" for name in fields if row.get(name) is not None
        )
        return (
            f"<Notification><Id>{self.numbers()}</Id>"
            f'<sObject xsi:type="sf:{object_type}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
            f"<sf:Id>{record_id}</sf:Id>{values}</sObject></Notification>"
        )


def _post(url: str, body: bytes) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
    try:
        connection.request("POST", parts.path or "/", body, headers)
        response = connection.getresponse()
        return response.status == 200 and ACK in response.read()
    except OSError:
        return False
    finally:
        connection.close()
