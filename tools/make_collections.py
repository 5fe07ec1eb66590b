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
from gateway.office import calls as office_calls

TARGET = Path(__file__).resolve().parent.parent / "clients" / "http"
HTTP, POSTMAN = TARGET / "gateway.http", TARGET / "gateway.postman_collection.json"
# The day of the samples; a caller writes another one.
DAY = date(2026, 11, 20)
VARIABLES = {
    "node": "http://127.0.0.1:8080",
    "key": "gwk_…",
    "id": "msg_…",
    "n": "1",
    "code": "Z91",
    "slug": "not-found",
    "q": "Z91",
    "name": "van-ban.pdf",
}
_ONCE = "{{$guid}}"
_FILE = "van-ban.pdf"
_MEDIA = "multipart/form-data"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call as it is written down. `needs`, `may`: of its query. `body`: of JSON; `parts`: of a form; `file`: the media
    type of a raw one."""

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
        query = "&".join(f"{each}={{{{{each}}}}}" for each in self.needs)
        return "{{node}}" + self.path.replace("{", "{{").replace("}", "}}") + (f"?{query}" if query else "")


def calls() -> Iterator[Asked]:
    # The description does not ask the office.
    table = (*ROUTES, *office_calls.routes(None))  # type: ignore[arg-type]
    described = json.loads(json.dumps(document(table, "1", DAY)))
    for path, operations in described["paths"].items():
        for method, told in operations.items():
            yield _asked(path, method.upper(), told)


def _asked(path: str, method: str, told: Mapping[str, Any]) -> Asked:
    names = {
        each["name"] for each in told.get("parameters", ()) if each["in"] == "header" and each["required"]
    }
    asked = [each for each in told.get("parameters", ()) if each["in"] == "query"]
    headers = {"Idempotency-Key": _ONCE} if "Idempotency-Key" in names else {}
    if told.get("security") != []:
        headers["Authorization"] = "Bearer {{key}}"
    contents: dict[str, Any] = told.get("requestBody", {}).get("content", {})
    media = next(iter(contents), "")
    content: Mapping[str, Any] = contents.get(media, {})
    sample = content.get("examples", {}).get("sample", {}).get("value", {})
    shown: dict[str, Any] = {"body": None, "parts": {}, "file": ""}
    if media == "application/json":
        shown["body"] = sample
    elif media == _MEDIA:
        shown["parts"] = {"meta": sample["meta"], "lead": _FILE} if sample else {"lead": _FILE}
    elif media:
        shown["file"] = media
    return Asked(
        name=told["operationId"],
        tag=told["tags"][0],
        method=method,
        path=path,
        summary=told["summary"],
        headers=headers,
        needs=tuple(each["name"] for each in asked if each["required"]),
        may=tuple(each["name"] for each in asked if not each["required"]),
        **shown,
    )


# --- for editors -------------------------------------------------------------------------------------------------------


def http(asked: list[Asked]) -> str:
    head = "".join(f"@{name} = {value}\n" for name, value in VARIABLES.items())
    return head + "".join(
        f"\n### {each.summary}\n# @name {each.name}\n{_may(each)}{_request(each)}" for each in asked
    )


def _may(each: Asked) -> str:
    return f"# may be asked with: {', '.join(each.may)}\n" if each.may else ""


def _request(each: Asked) -> str:
    lines = [f"{each.method} {each.address}", *(f"{name}: {value}" for name, value in each.headers.items())]
    if each.parts:
        lines += [f"Content-Type: {_MEDIA}; boundary=part", ""]
        for name, value in each.parts.items():
            lines += ["--part", *_part(name, value)]
        lines.append("--part--")
    elif each.file:
        lines += [f"Content-Type: {each.file}", "", "< ./file"]
    elif each.body is not None:
        lines += ["Content-Type: application/json", "", _json(each.body)]
    return "\n".join(lines) + "\n"


def _part(name: str, value: object) -> list[str]:
    if isinstance(value, str):
        said = f'Content-Disposition: form-data; name="{name}"; filename="{value}"'
        return [said, "Content-Type: application/pdf", "", f"< ./{value}"]
    return [
        f'Content-Disposition: form-data; name="{name}"',
        "Content-Type: application/json",
        "",
        _json(value),
    ]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


# --- for Postman -------------------------------------------------------------------------------------------------------


def postman(asked: list[Asked]) -> str:
    tags = dict.fromkeys(each.tag for each in asked)
    collection = {
        "info": {
            "name": "lienthong-gateway",
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, "lienthong-gateway")),
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "variable": [{"key": name, "value": value} for name, value in VARIABLES.items()],
        "item": [{"name": tag, "item": [_item(each) for each in asked if each.tag == tag]} for tag in tags],
    }
    return _json(collection) + "\n"


def _item(each: Asked) -> Mapping[str, Any]:
    headers = dict(each.headers)
    request: dict[str, Any] = {"method": each.method, "url": each.address, "description": each.summary}
    if each.parts:
        request["body"] = {"mode": "formdata", "formdata": [_form(*pair) for pair in each.parts.items()]}
    elif each.file:
        headers["Content-Type"] = each.file
        request["body"] = {"mode": "file", "file": {"src": "file"}}
    elif each.body is not None:
        headers["Content-Type"] = "application/json"
        request["body"] = {"mode": "raw", "raw": _json(each.body), "options": {"raw": {"language": "json"}}}
    request["header"] = [{"key": name, "value": value} for name, value in headers.items()]
    return {"name": each.name, "request": request}


def _form(name: str, value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        return {"key": name, "type": "file", "src": value, "contentType": "application/pdf"}
    return {"key": name, "type": "text", "value": _json(value), "contentType": "application/json"}


def main() -> None:
    asked = list(calls())
    TARGET.mkdir(parents=True, exist_ok=True)
    HTTP.write_text(http(asked), encoding="utf-8")
    POSTMAN.write_text(postman(asked), encoding="utf-8")


if __name__ == "__main__":
    main()
