"""E-mail over SMTP: the way to reach people when Slack is what failed."""

from __future__ import annotations

import re
import smtplib
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, ClassVar

from integration_hub.connectors.contract import Destination, Keeper, Setting
from integration_hub.connectors.errors import (
    AuthError,
    ConfigError,
    ConnectorError,
    RecipientError,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
)
from integration_hub.connectors.moments import age, instant
from integration_hub.connectors.mrkdwn import to_plain
from integration_hub.connectors.records import (
    Check,
    Operation,
    RecordResult,
    RecordWrite,
    Values,
    WriteRequest,
)
from integration_hub.connectors.sending import send_each
from integration_hub.connectors.transport import Callout, Transport, is_loopback

TIMEOUT = 30.0
SCOPE = "send"
MAX_SUBJECT = 200

_PORTS = {"starttls": 587, "ssl": 465, "none": 25}
_NO_ANSWER = "The mail server took the message and gave no answer."
_NO_ENCRYPTION = "Choose STARTTLS or TLS, or leave the user name empty."


class Email(Destination):
    kind: ClassVar[str] = "email"
    label: ClassVar[str] = "E-mail (SMTP)"
    settings: ClassVar[Sequence[Setting]] = (
        Setting("host", "Server", required=True, help_text="Such as smtp.example.com."),
        Setting("port", "Port", help_text="Empty: 587 for STARTTLS, 465 for TLS, 25 without encryption."),
        Setting(
            "security",
            "Encryption",
            choices=(("starttls", "STARTTLS"), ("ssl", "TLS from the start"), ("none", "None")),
            default="starttls",
        ),
        Setting("username", "User name", help_text="Empty: no login."),
        Setting("password", "Password", secret=True),
        Setting(
            "from_address",
            "Sender",
            required=True,
            help_text="The address the messages come from; your mail server must accept it.",
        ),
    )
    batch_size: ClassVar[int] = 1
    repeatable: ClassVar[frozenset[Operation]] = frozenset()
    sends_messages: ClassVar[bool] = True

    def __init__(self, config: Mapping[str, str], transport: Transport, keeper: Keeper) -> None:
        super().__init__(config, transport, keeper)
        self.clock = self.transport.clock
        self.timeout = TIMEOUT

    def write(self, request: WriteRequest) -> list[RecordResult]:
        return send_each(request, self._send)

    def check(self) -> Check:
        try:
            sender = _address(self.config.get("from_address", ""))
            with self._exchange("check"), self._connected() as server:
                server.noop()
        except (ConfigError, RejectedError) as error:
            return Check(ok=False, summary=error.message, problems=[error.remedy] if error.remedy else [])
        host = self.config["host"]
        facts = {"Server": host, "Encryption": self._security, "Sender": sender}
        return Check(ok=True, summary=f"Connected to {host}.", facts=facts)

    def _send(self, write: RecordWrite) -> str:
        message = self._message(write)
        with self._exchange("send message"), self._connected() as server:
            try:
                server.send_message(message)
            except smtplib.SMTPServerDisconnected:
                raise UnknownOutcomeError(_NO_ANSWER) from None
            except smtplib.SMTPException:
                raise  # an answer, though OSError is its base class
            except OSError:
                raise UnknownOutcomeError(_NO_ANSWER) from None
        return str(message["Message-ID"])

    def _message(self, write: RecordWrite) -> EmailMessage:
        values = write.values
        sender = _address(self.config.get("from_address", ""))
        message = EmailMessage()
        message["From"] = sender
        message["To"] = _recipient(str(values.get("channel") or ""))
        message["Subject"] = _subject(values)
        message["Date"] = format_datetime(self.clock())
        # The same for every try of one delivery: mailboxes that drop duplicates go by it.
        local = re.sub(r"[^\w.-]", "-", write.ref, flags=re.ASCII)
        message["Message-ID"] = f"<hub-{local}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_body(values, self.clock()))
        return message

    @property
    def _security(self) -> str:
        return self.config.get("security") or "starttls"

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        host = self.config.get("host", "").strip()
        username = self.config.get("username", "")
        if not host:
            raise ConfigError("The mail server is missing.", remedy="Fill the field “Server”.")
        if self._security not in _PORTS:
            raise ConfigError(f"There is no encryption “{self._security}”.", remedy="Choose one of the list.")
        if username and self._security == "none" and not is_loopback(host):
            raise ConfigError("The password would travel unprotected.", remedy=_NO_ENCRYPTION)
        server = self._open(host)
        try:
            if self._security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if username:
                server.login(username, self.config.get("password", ""))
            yield server
        finally:
            _close(server)

    def _open(self, host: str) -> smtplib.SMTP:
        port = self.config.get("port", "").strip() or str(_PORTS[self._security])
        if not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigError(
                f"“{port}” is not a port.", remedy="Enter a number from 1 to 65535, or nothing."
            )
        if self._security == "ssl":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, int(port), timeout=self.timeout, context=context)
        return smtplib.SMTP(host, int(port), timeout=self.timeout)

    @contextmanager
    def _exchange(self, purpose: str) -> Iterator[None]:
        """Limit, observe and translate one conversation with the server."""
        self.transport.limiter.acquire(SCOPE)
        at, started, code = self.transport.clock(), time.monotonic(), "error"
        try:
            yield
            code = ""
        except (OSError, smtplib.SMTPException, ValueError, MessageError) as failure:
            error = _translated(failure)
            code = error.code
            error.message = self.transport.redact(error.message)
            raise error from None
        except ConnectorError as error:
            code = error.code
            raise
        finally:
            url = f"smtp://{self.config.get('host', '')}"
            seconds = time.monotonic() - started
            self.transport.record(Callout("SMTP", url, None, seconds, at, 0, 0, code, purpose))


def _close(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()  # the message was accepted or not before: a lost goodbye changes nothing


def _translated(failure: Exception) -> ConnectorError:
    if isinstance(failure, smtplib.SMTPRecipientsRefused):
        status, text = next(iter(failure.recipients.values()))
        return _by_status(status, text, RecipientError)
    if isinstance(failure, smtplib.SMTPAuthenticationError) and failure.smtp_code >= 500:
        remedy = "Check user name and password; some providers want an app password."
        return AuthError("The mail server refused the login.", remedy=remedy, status=failure.smtp_code)
    if isinstance(failure, smtplib.SMTPResponseException):
        # Whoever is turned away at the door or as the sender is so with every message.
        at_fault = smtplib.SMTPConnectError | smtplib.SMTPHeloError | smtplib.SMTPSenderRefused
        refused = ConfigError if isinstance(failure, at_fault) else RejectedError
        return _by_status(failure.smtp_code, failure.smtp_error, refused)
    if isinstance(failure, smtplib.SMTPNotSupportedError):
        remedy = "Choose another encryption or login: the server offers fewer than these settings ask for."
        return ConfigError(f"The mail server cannot do this: {failure}", remedy=remedy)
    if isinstance(failure, ssl.SSLCertVerificationError):
        return ConfigError(
            "The certificate of the mail server is not trusted.", remedy="Check the server's name."
        )
    if isinstance(failure, ssl.SSLError):
        return ConfigError(
            "The mail server speaks no such encryption on this port.", remedy="Check both settings."
        )
    if isinstance(failure, OSError):
        return RetryableError(
            "No connection to the mail server.", code="connect", remedy="Check server and port."
        )
    return RejectedError("The message cannot be written as an e-mail.", remedy="Check the template.")


def _by_status(status: int, text: bytes | str, refused: type[ConnectorError]) -> ConnectorError:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    message = f"The mail server answered {status}: {' '.join(said.split())[:300]}"
    kind = RetryableError if 400 <= status < 500 else refused
    return kind(message, code=f"smtp_{status}", status=status)


def _address(text: str) -> str:
    try:
        return Address(addr_spec=text.strip()).addr_spec
    except (ValueError, MessageError, IndexError):
        raise ConfigError(
            "The sender is not an e-mail address.", remedy="Correct the field “Sender”."
        ) from None


def _recipient(text: str) -> str:
    try:
        found = Address(addr_spec=text.strip())
    except (ValueError, MessageError, IndexError):
        found = None
    if found is None or not found.domain or not found.username:
        raise RecipientError("The recipient is not an e-mail address.", remedy="Choose another recipient.")
    return found.addr_spec


def _subject(values: Values) -> str:
    header = str(values.get("header") or "") or to_plain(str(values.get("text") or ""))
    return "".join(char for char in " ".join(header.split()) if char.isprintable())[:MAX_SUBJECT] or "Notice"


def _body(values: Values, now: datetime) -> str:
    parts = [_plain(values.get("body")) or _plain(values.get("text"))]
    fields = [f"{field['label']}: {_plain(field['value']) or '–'}" for field in values.get("fields") or ()]
    parts.append("\n".join(fields))
    link = values.get("link") or {}
    if link.get("url"):
        parts.append(f"{link.get('label') or 'Open'}: {link['url']}")
    triggered = instant(str(values.get("trigger_at") or ""))
    shown = f"{triggered:%Y-%m-%d %H:%M} UTC ({age(triggered, now)})" if triggered else ""
    parts.append(" · ".join(part for part in (_plain(values.get("context")), shown) if part))
    return "\n\n".join(part for part in parts if part) + "\n"


def _plain(text: Any) -> str:
    return to_plain(str(text or "")).strip()
