"""The doors of the order system: lists with four kinds of paging, single records, and what is refused."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from integration_hub.simulator.order_system.shop import COLLECTIONS, Row, Shop, ShopError, shown
from integration_hub.simulator.serving import Call, MalformedBodyError, Response, json_response

LARGEST_PAGE = 200
DEFAULT_PAGE = 50
API_USER = "api"


class Routes:
    """`url` is what the addresses in Link headers begin with. An Idempotency-Key is remembered with its answer."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.url = ""
        self._answers: dict[tuple[str, str, str], Response] = {}

    def answer(self, call: Call) -> Response:
        key = (call.headers.get("Idempotency-Key", ""), call.method, call.path)
        if key[0] and key in self._answers:
            return self._answers[key]
        try:
            response = self._answered(call)
        except MalformedBodyError as error:
            response = json_response({"error": {"code": "not_json", "message": str(error)}}, 400)
        except ShopError as error:
            response = json_response(error.body, error.status)
        if key[0] and call.method != "GET":
            self._answers[key] = response
        return response

    def _answered(self, call: Call) -> Response:
        parts = call.path.strip("/").split("/")
        if parts == ["me"]:
            return json_response({"name": "Order system", "collections": list(COLLECTIONS)})
        if parts[0] not in COLLECTIONS or len(parts) > 2:
            raise ShopError(404, "no_such_path", f"There is nothing at {call.path}.")
        kind = COLLECTIONS[parts[0]]
        if len(parts) == 1:
            if call.method == "GET":
                return self._list(kind, call)
            if call.method == "POST":
                return _one(self.shop.create(kind, call.json(), API_USER), 201)
        elif parts[1] == "deleted" and call.method == "GET":
            return self._deleted(kind, call)
        elif call.method == "GET":
            return _one(self.shop.get(kind, parts[1]))
        elif call.method in {"PATCH", "PUT"}:
            return _one(self.shop.update(kind, parts[1], call.json(), API_USER, _wanted_version(call)))
        elif call.method == "DELETE":
            self.shop.delete(kind, parts[1])
            return Response(204)
        raise ShopError(405, "method", f"{call.method} cannot be done here.")

    def _list(self, kind: str, call: Call) -> Response:
        since, until = _moment(call, "updated_since"), _moment(call, "updated_until")
        email = call.query.get("email", "").casefold()
        ids = set(filter(None, call.query.get("ids", "").split(",")))
        rows = [
            row
            for row in self.shop.rows[kind].values()
            if (not since or row["updated_at"] >= since)
            and (not until or row["updated_at"] < until)
            and (not ids or row["id"] in ids)
            and (not email or str(row.get("email", "")).casefold() == email)
        ]
        by = call.query.get("sort", "updated_at")
        if by not in {"updated_at", "id", "-updated_at"}:
            raise ShopError(400, "sort", "Sort by updated_at, -updated_at or id.")
        rows.sort(key=lambda row: (row[by.removeprefix("-")], row["id"]), reverse=by.startswith("-"))
        size = min(_number(call, "limit", DEFAULT_PAGE), LARGEST_PAGE)
        if "page" in call.query:
            return self._numbered(rows, call, size)
        if "offset" in call.query:
            start = _number(call, "offset", 0, least=0)
            return json_response({"data": rows[start : start + size], "total": len(rows)})
        return self._behind_cursor(rows, call, size, by)

    def _numbered(self, rows: Sequence[Row], call: Call, size: int) -> Response:
        page = _number(call, "page", 1)
        start = (page - 1) * size
        body: dict[str, Any] = {"data": rows[start : start + size], "page": page, "total": len(rows)}
        following = {"page": str(page + 1)} if start + size < len(rows) else {}
        return self._linked(body, call, following)

    def _behind_cursor(self, rows: Sequence[Row], call: Call, size: int, by: str) -> Response:
        """Page by the position of the last row, which holds also while others change."""
        after = _read_cursor(call.query.get("cursor", ""))
        name = by.removeprefix("-")
        if after:
            backwards = by.startswith("-")
            marked = [((row[name], row["id"]), row) for row in rows]
            rows = [row for mark, row in marked if (mark < after if backwards else mark > after)]
        page = rows[:size]
        cursor = _cursor(page[-1][name], page[-1]["id"]) if len(rows) > size else None
        return self._linked({"data": page, "next_cursor": cursor}, call, {"cursor": cursor} if cursor else {})

    def _linked(self, body: dict[str, Any], call: Call, following: dict[str, str]) -> Response:
        response = json_response(body)
        if following:
            address = f"{self.url}{call.path}?{urlencode({**call.query, **following})}"
            response.headers["Link"] = f'<{address}>; rel="next"'
        return response

    def _deleted(self, kind: str, call: Call) -> Response:
        since = _moment(call, "since")
        rows = [{"id": row_id, "deleted_at": shown(at)} for row_id, at in self.shop.deleted[kind].items()]
        return json_response({"data": [row for row in rows if not since or row["deleted_at"] >= since]})


def _one(row: Row, status: int = 200) -> Response:
    return json_response(row, status, ETag=f'"{row["version"]}"')


def _wanted_version(call: Call) -> int | None:
    text = call.headers.get("If-Match", "").strip().strip('"')
    if not text:
        return None
    if not text.isdecimal():
        raise ShopError(412, "changed_meanwhile", "If-Match names no version.")
    return int(text)


def _moment(call: Call, name: str) -> str:
    text = call.query.get(name, "")
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ShopError(400, name, f"{name} must be a time such as 2026-11-20T12:00:00Z.") from None
    if moment.tzinfo is None:
        raise ShopError(400, name, f"{name} lacks its time zone.")
    return shown(moment)


def _number(call: Call, name: str, default: int, *, least: int = 1) -> int:
    text = call.query.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise ShopError(400, name, f"{name} must be a number from {least}.")
    return int(text)


def _cursor(value: str, row_id: str) -> str:
    return base64.urlsafe_b64encode(f"{value}|{row_id}".encode()).decode()


def _read_cursor(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    try:
        value, mark, row_id = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
    except ValueError:
        mark = ""
    if not mark:
        raise ShopError(400, "cursor", "The cursor is not one of ours.")
    return value, row_id
