"""The filters over the list of agencies, as they stand in the address. In: a visit. Out: what was asked, the filter of the
registry, and the choices that the form offers. What cannot be read narrows nothing."""

from __future__ import annotations

from gateway.domain.registry import AgencyFilter
from gateway.office.web import dates
from gateway.office.web.visit import Visit

_LEVELS = ("1", "2", "3", "4")
_STANDINGS = {"dang-hoat-dong": "active", "sap-hieu-luc": "upcoming", "da-giai-the": "ended"}
_CERTIFICATES = {"30": 30, "60": 60, "90": 90}
_UNBOUND, _NO_ALIAS, _SILENT = "chua-xac-nhan", "khong", "khong-6-thang"
_LONGEST_CODE = 75
Choices = list[tuple[str, list[tuple[str, str]]]]


def asked(visit: Visit) -> dict[str, str]:
    """What narrows the list, by the names in the address."""
    names = ("cap", "goc", "trang-thai", "chung-thu-so", "ma-cu", "van-ban", "tu")
    given = {name: visit.ask(name) for name in names}
    known = {
        "cap": given["cap"] in _LEVELS,
        "goc": 0 < len(given["goc"]) <= _LONGEST_CODE,
        "trang-thai": given["trang-thai"] in _STANDINGS,
        "chung-thu-so": given["chung-thu-so"] in (*_CERTIFICATES, _UNBOUND),
        "ma-cu": given["ma-cu"] == _NO_ALIAS,
        "van-ban": given["van-ban"] == _SILENT and whose_mail(visit) is not None,
        "tu": dates.day(given["tu"], visit.deps.out.today()) is not None,
    }
    return {name: given[name] for name, is_known in known.items() if is_known}


def wanted(visit: Visit) -> AgencyFilter:
    given = asked(visit)
    return AgencyFilter(
        text=visit.ask("q"),
        level=int(given["cap"]) if "cap" in given else None,
        root=given.get("goc", "").strip().upper(),
        standing=_STANDINGS.get(given.get("trang-thai", ""), ""),
        certificate_days=_CERTIFICATES.get(given.get("chung-thu-so", "")),
        is_unbound=given.get("chung-thu-so") == _UNBOUND,
        has_no_alias="ma-cu" in given,
        changed_since=dates.day(given.get("tu", ""), visit.deps.out.today()),
    )


def is_silent(visit: Visit) -> bool:
    """Whether only those with which no mail goes on are wanted."""
    return "van-ban" in asked(visit)


def whose_mail(visit: Visit) -> str | None:
    """The agency whose mail the visitor may be told of: the chosen one. All, the empty id, for who looks after the node and
    chose none; None for whoever else chose none."""
    if visit.agency is not None:
        return visit.agency.id
    person = visit.person
    return "" if person.rights.is_of_node(person.at) else None


def choices(visit: Visit) -> Choices:
    """Each choice of the form with its words; the first of them narrows nothing."""
    every = ("", visit.say("agencies.filter.all"))
    silent = [("van-ban", [every, (_SILENT, visit.say("agencies.filter.silent"))])]
    return [
        ("cap", [every, *((each, visit.say("agencies.filter.level", n=each)) for each in _LEVELS)]),
        (
            "trang-thai",
            [every, *((key, visit.say(f"agencies.standing.{word}")) for key, word in _STANDINGS.items())],
        ),
        (
            "chung-thu-so",
            [
                every,
                *(
                    (key, visit.say("agencies.filter.days", count=days))
                    for key, days in _CERTIFICATES.items()
                ),
                (_UNBOUND, visit.say("agencies.filter.unbound")),
            ],
        ),
        ("ma-cu", [every, (_NO_ALIAS, visit.say("agencies.filter.no_alias"))]),
        *(silent if whose_mail(visit) is not None else []),
    ]
