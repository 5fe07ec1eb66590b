"""Writes the calls of the API for people who try them by hand: a `.http` file for editors, a collection for Postman. In:
the description that a node serves of itself. Out: `gateway.http` and `gateway.postman_collection.json` in `clients/http`.
Run it again after a call changed: `python tools/make_collections.py`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from gateway.api.openapi import document
from gateway.api.resources import ROUTES
from gateway_office import calls as office_calls

TARGET = Path(__file__).resolve().parent.parent / "clients" / "http"
HTTP, POSTMAN = TARGET / "gateway.http", TARGET / "gateway.postman_collection.json"
# The day of the samples; a caller writes another one.
DAY = date(2026, 11, 20)
VARIABLES = {
    "node": "http://127.0.0.1:8080",
    "key": "gwk_…",
    "id": "msg_…",
    "n": "1",
    "setting": "rulebook",
    "code": "Z91",
    "slug": "not-found",
    "part": "createMessage",
    "q": "Z91",
    "name": "van-ban.pdf",
}
_ONCE = "{{$guid}}"
_FILE = "van-ban.pdf"
_MEDIA = "multipart/form-data"


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One call of the API. `needs`, `may`: parameters of its query. `body`: its JSON; `parts`: of a form; `file`: the
    media type of a raw body."""

    name: str
    tag: str
    method: str
    path: str
    summary: str
    headers: Mapping[str, str]
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    body: Any = None  # Any: a JSON document
    parts: Mapping[str, Any] = field(default_factory=dict)  # Any: as `body`
    file: str = ""

    @property
    def address(self) -> str:
        query = "&".join(f"{p}={{{{{p}}}}}" for p in self.needs)
        return "{{node}}" + self.path.replace("{", "{{").replace("}", "}}") + (f"?{query}" if query else "")


def calls() -> Iterator[ApiCall]:
    # The description does not ask the office.
    table = (*ROUTES, *office_calls.routes(None))  # type: ignore[arg-type]
    described = json.loads(json.dumps(document(table, "1", DAY)))
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            yield _describe_call(path, method.upper(), operation)


def _describe_call(path: str, method: str, operation: Mapping[str, Any]) -> ApiCall:
    names = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header" and p["required"]}
    query = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
    headers = {"Idempotency-Key": _ONCE} if "Idempotency-Key" in names else {}
    if operation.get("security") != []:
        headers["Authorization"] = "Bearer {{key}}"
    contents: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    media = _MEDIA if _MEDIA in contents else next(iter(contents), "")
    content: Mapping[str, Any] = contents.get(media, {})
    sample = content.get("examples", {}).get("sample", {}).get("value", {})
    body: dict[str, Any] = {"body": None, "parts": {}, "file": ""}
    if media == "application/json":
        body["body"] = sample
    elif media == _MEDIA:
        body["parts"] = {"meta": sample["meta"], "lead": _FILE} if sample else {"lead": _FILE}
    elif media:
        body["file"] = media
    return ApiCall(
        name=operation["operationId"],
        tag=operation["tags"][0],
        method=method,
        path=path,
        summary=operation["summary"],
        headers=headers,
        needs=tuple(p["name"] for p in query if p["required"]),
        may=tuple(p["name"] for p in query if not p["required"]),
        **body,
    )


# --- for editors -------------------------------------------------------------------------------------------------------


def http(calls: list[ApiCall]) -> str:
    head = "".join(f"@{name} = {text}\n" for name, text in VARIABLES.items())
    return head + "".join(
        f"\n### {call.summary}\n# @name {call.name}\n{_may(call)}{_request(call)}" for call in calls
    )


def _may(call: ApiCall) -> str:
    return f"# may be asked with: {', '.join(call.may)}\n" if call.may else ""


def _request(call: ApiCall) -> str:
    lines = [f"{call.method} {call.address}", *(f"{name}: {value}" for name, value in call.headers.items())]
    if call.parts:
        lines += [f"Content-Type: {_MEDIA}; boundary=part", ""]
        for name, value in call.parts.items():
            lines += ["--part", *_part(name, value)]
        lines.append("--part--")
    elif call.file:
        lines += [f"Content-Type: {call.file}", "", "< ./file"]
    elif call.body is not None:
        lines += ["Content-Type: application/json", "", _json(call.body)]
    return "\n".join(lines) + "\n"


def _part(name: str, content: object) -> list[str]:
    if isinstance(content, str):
        disposition = f'Content-Disposition: form-data; name="{name}"; filename="{content}"'
        return [disposition, "Content-Type: application/pdf", "", f"< ./{content}"]
    return [
        f'Content-Disposition: form-data; name="{name}"',
        "Content-Type: application/json",
        "",
        _json(content),
    ]


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)


# --- for Postman -------------------------------------------------------------------------------------------------------


def postman(calls: list[ApiCall]) -> str:
    tags = dict.fromkeys(call.tag for call in calls)
    collection = {
        "info": {
            "name": "lienthong-gateway",
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, "lienthong-gateway")),
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "variable": [{"key": name, "value": text} for name, text in VARIABLES.items()],
        "item": [{"name": tag, "item": [_item(call) for call in calls if call.tag == tag]} for tag in tags],
    }
    return _json(collection) + "\n"


def _item(call: ApiCall) -> Mapping[str, Any]:
    headers = dict(call.headers)
    request: dict[str, Any] = {"method": call.method, "url": call.address, "description": call.summary}
    if call.parts:
        request["body"] = {"mode": "formdata", "formdata": [_form(*pair) for pair in call.parts.items()]}
    elif call.file:
        headers["Content-Type"] = call.file
        request["body"] = {"mode": "file", "file": {"src": "file"}}
    elif call.body is not None:
        headers["Content-Type"] = "application/json"
        request["body"] = {"mode": "raw", "raw": _json(call.body), "options": {"raw": {"language": "json"}}}
    request["header"] = [{"key": name, "value": text} for name, text in headers.items()]
    return {"name": call.name, "request": request}


def _form(name: str, content: object) -> Mapping[str, Any]:
    if isinstance(content, str):
        return {"key": name, "type": "file", "src": content, "contentType": "application/pdf"}
    return {"key": name, "type": "text", "value": _json(content), "contentType": "application/json"}


def main() -> None:
    api_calls = list(calls())
    TARGET.mkdir(parents=True, exist_ok=True)
    HTTP.write_text(http(api_calls), encoding="utf-8")
    POSTMAN.write_text(postman(api_calls), encoding="utf-8")


if __name__ == "__main__":
    main()
