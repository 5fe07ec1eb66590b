"""The contract that programs rely on, as data, and what breaks it: a release's is kept, and later versions only add to it
(docs/api-versions.md). In: two contracts. Out: one sentence for each promise that the later one breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.cli.output import EXIT_CODES
from gateway.domain.account import ApiScope
from gateway.domain.feed import readable
from gateway.settings import options
from tests.office.support.doors import WITH_OFFICE
from tests.support.command_tree import commands

# Any, here and below: an OpenAPI document is JSON.
Json = Mapping[str, Any]


def contract() -> dict[str, Any]:
    """Return today's: the description of the API, events, exit codes, commands with their options, settings."""
    return {
        "api": WITH_OFFICE.document,
        "events": sorted(readable(tuple(ApiScope))),
        "exit_codes": {kind.__name__: code for kind, code in EXIT_CODES.items()},
        "commands": {
            line: sorted(opt for param in command.params for opt in (*param.opts, *param.secondary_opts))
            for line, command in commands().items()
        },
        "settings": sorted(options.names()),
    }


def broken(old: Json, new: Json) -> list[str]:
    """List the promises of the old contract that the new one breaks."""
    return [
        *_missing("event", old["events"], new["events"]),
        *_missing("setting", old["settings"], new["settings"]),
        *_missing("exit code of", old["exit_codes"], new["exit_codes"]),
        *(
            f"exit code of {name}: {code} became {new['exit_codes'][name]}"
            for name, code in old["exit_codes"].items()
            if new["exit_codes"].get(name, code) != code
        ),
        *_missing("command", old["commands"], new["commands"]),
        *(
            fault
            for line, old_options in old["commands"].items()
            if line in new["commands"]
            for fault in _missing(f"{line}: option", old_options, new["commands"][line])
        ),
        *_Api(old["api"], new["api"]).faults(),
    ]


def _missing(
    noun: str, old: Sequence[str] | Mapping[str, Any], new: Sequence[str] | Mapping[str, Any]
) -> Iterator[str]:
    return (f"{noun} {name} is gone" for name in old if name not in new)


class _Api:
    """Compares two descriptions: requests may be wider, answers may have more."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = old, new
        self._compared: set[tuple[str, str, bool]] = set()

    def faults(self) -> Iterator[str]:
        for path, verbs in self._old["paths"].items():
            for verb, old in verbs.items():
                new = self._new["paths"].get(path, {}).get(verb)
                if new is not None:
                    yield from self._of_call(f"{verb.upper()} {path}", old, new)
                elif not old.get("deprecated"):
                    yield f"{verb.upper()} {path} is gone"

    def _of_call(self, call: str, old: Json, new: Json) -> Iterator[str]:
        olds, news = ({(p["in"], p["name"]): p for p in op["parameters"]} for op in (old, new))
        for key, parameter in news.items():
            if parameter["required"] and not olds.get(key, {}).get("required"):
                yield f"{call}: {key[1]} became required"
        for key, parameter in olds.items():
            if key in news:
                yield from self._of_schema(
                    f"{call} {key[1]}", parameter["schema"], news[key]["schema"], asks=True
                )
            else:
                yield f"{call}: parameter {key[1]} is gone"
        if old["operationId"] != new["operationId"]:
            yield f"{call}: {old['operationId']} became {new['operationId']}"
        yield from self._of_media(call, old.get("requestBody", {}), new.get("requestBody", {}), asks=True)
        for status, answer in old["responses"].items():
            if status.startswith("2"):
                yield from self._of_media(
                    f"{call} {status}", answer, new["responses"].get(status, {}), asks=False
                )

    def _of_media(self, place: str, old: Json, new: Json, *, asks: bool) -> Iterator[str]:
        for media, described in old.get("content", {}).items():
            if media in new.get("content", {}):
                yield from self._of_schema(
                    place, described["schema"], new["content"][media]["schema"], asks=asks
                )
            else:
                yield f"{place}: {media} is gone"
        yield from _missing(f"{place}: header", old.get("headers", {}), new.get("headers", {}))
        if asks and new.get("required") and not old.get("required"):
            yield f"{place}: a body became required"

    def _of_schema(self, place: str, old: Json, new: Json, *, asks: bool) -> Iterator[str]:
        names = (old.get("$ref", ""), new.get("$ref", ""))
        if all(names):
            if (*names, asks) in self._compared:
                return
            self._compared.add((*names, asks))
        olds, news = _variants(self._old, old), _variants(self._new, new)
        # What was sent must be taken; what was understood must stay all that comes.
        fewer, more = (olds, news) if asks else (news, olds)
        yield from (
            f"{place}: {kind} became {', '.join(more)}"
            for kind in fewer
            if kind not in more and "any" not in more
        )
        for kind in olds.keys() & news.keys():
            yield from self._of_variant(place, olds[kind], news[kind], asks=asks)

    def _of_variant(self, place: str, old: Json, new: Json, *, asks: bool) -> Iterator[str]:
        was, now = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(now - was if asks else was - now):
            yield f"{place}.{name} {'became required' if asks else 'may be absent now'}"
        for name, schema in old.get("properties", {}).items():
            if name in new.get("properties", {}):
                yield from self._of_schema(f"{place}.{name}", schema, new["properties"][name], asks=asks)
            else:
                yield f"{place}.{name} is gone"
        if "items" in old and "items" in new:
            yield from self._of_schema(f"{place}[]", old["items"], new["items"], asks=asks)
        words, words_now = old.get("enum"), new.get("enum")
        if not asks and words is not None and (words_now is None or set(words_now) - set(words)):
            yield f"{place}: a word outside {words} may come now"
        if asks and words_now is not None and (words is None or set(words) - set(words_now)):
            yield f"{place}: only {words_now} are taken now"
        yield from _missing(
            f"{place}: word", old.get("x-extensible-enum", ()), new.get("x-extensible-enum", ())
        )
        for limit in ("maxLength", "maxItems", "maximum"):
            if asks and new.get(limit, float("inf")) < old.get(limit, float("inf")):
                yield f"{place}: {limit} became {new[limit]}"


def _variants(document: Json, schema: Json) -> dict[str, Json]:
    """Return the forms that a value may have, by their types; `any` where nothing is said."""
    if "$ref" in schema:
        return _variants(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return {k: v for s in schema[word] for k, v in _variants(document, s).items()}
    if "allOf" in schema:
        parts = [part for s in schema["allOf"] for part in _variants(document, s).values()]
        fields = {name: prop for part in parts for name, prop in part.get("properties", {}).items()}
        return {
            "object": {"required": [r for p in parts for r in p.get("required", ())], "properties": fields}
        }
    kinds = schema.get("type", "any")
    return dict.fromkeys([kinds] if isinstance(kinds, str) else kinds, schema)
