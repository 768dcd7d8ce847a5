"""Salesforce's outbound messages: SOAP without a signature, proved by the address they go to and by the org's id."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from xml.parsers import expat

from integration_hub.connectors.notices import Call, Mention, Reading
from integration_hub.connectors.salesforce import ids

DEEPEST = 12
"""Levels; a message has six."""
_OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
_SOBJECT = "sobject"
_TYPE = "http://www.w3.org/2001/XMLSchema-instance type"
_ACK = (
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    b"</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)


class SalesforceNotices:
    largest = 2_000_000
    content_type = "text/xml; charset=utf-8"
    answer = _ACK

    def refusal(self, config: Mapping[str, str], call: Call, now: datetime) -> str:
        """The token is the proof; the org's id tells a message of another org that was set up by a copied address."""
        token, own = config.get("notice_token", ""), config.get("organization_id", "")
        if not token:
            return "no token is set"
        if not hmac.compare_digest(token.encode(), call.token.encode("utf-8", "replace")):
            return "wrong token"
        if not own:
            return "no organization id is set"
        try:
            found = parse(call.body)
        except ValueError:
            return ""  # it had the token: it is kept, and told as one that cannot be read
        given = found.organization.strip()
        return "" if not given or _short(given) == _short(own) else "from another organization"

    def read(self, config: Mapping[str, str], body: bytes) -> Reading:
        try:
            found = parse(body)
        except ValueError as error:
            return Reading(problems=[str(error)])
        mentions: list[Mention] = []
        problems: list[str] = []
        if not found.organization:
            return Reading(problems=["It does not say of which organization it is."])
        for number, one in enumerate(found.notifications, 1):
            object_type = one.kind.rpartition(":")[2]
            try:
                record_id = ids.full_id(one.record)
            except ValueError:
                record_id = ""
            if not record_id or not object_type or len(object_type) > 80 or not one.number:
                problems.append(f"Notification {number} names no record.")
                continue
            # A message that is repeated may carry newer values under the same id; what counts is that we read.
            key = hashlib.blake2b(f"{one.number}:{record_id}".encode(), digest_size=16).hexdigest()
            mentions.append(Mention(object_type, record_id, key))
        if not found.notifications:
            problems.append("It has no notifications.")
        return Reading(mentions, len(found.notifications), 0, problems[:10])


@dataclass(slots=True)
class Notification:
    number: str = ""
    kind: str = ""
    record: str = ""


@dataclass(slots=True)
class Message:
    organization: str = ""
    notifications: list[Notification] = field(default_factory=list)


def parse(body: bytes) -> Message:
    """Return what a message says. ValueError: it cannot be read; a sentence, without its values.

    A document type is refused where it begins, so no entity is ever defined, and none is expanded or fetched.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = reader.no_doctype
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError):
        raise ValueError("The body is not XML.") from None
    return reader.message


class _Reader:
    """Collects a message while expat goes through it."""

    def __init__(self) -> None:
        self.message = Message()
        self._path: list[str] = []
        self._text: list[str] = []

    def no_doctype(self, *_: object) -> None:
        raise ValueError("The body has a document type; no message of Salesforce does.")

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        self._path.append(name)
        self._text = []
        if len(self._path) > DEEPEST:
            raise ValueError("The body is nested too deeply.")
        space, _, local = name.rpartition(" ")
        if space == _OUTBOUND and local == "Notification":
            self.message.notifications.append(Notification())
        elif space == _OUTBOUND and local == "sObject" and self.message.notifications:
            self.message.notifications[-1].kind = attributes.get(_TYPE, "")

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        self._path.pop()
        space, _, local = name.rpartition(" ")
        parent = self._path[-1].rpartition(" ")[2] if self._path else ""
        text, self._text = "".join(self._text).strip(), []
        if space == _OUTBOUND and (parent, local) == ("notifications", "OrganizationId"):
            self.message.organization = text
        elif not self.message.notifications:
            return
        elif space == _OUTBOUND and (parent, local) == ("Notification", "Id"):
            self.message.notifications[-1].number = text
        elif _SOBJECT in space and (parent, local) == ("sObject", "Id"):
            self.message.notifications[-1].record = text


def _short(record_id: str) -> str:
    """The first 15 characters are the id; the other three only check it."""
    return record_id.strip()[:15]
