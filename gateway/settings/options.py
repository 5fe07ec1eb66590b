"""The settings: one frozen class per section, each value with its default and, in its annotation, its bounds.
`settings.reading` fills them and shows them. Every name here has its entry in docs/settings.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import quote

from gateway.domain.identity import Secret as Secret
from gateway.domain.wall_clock import is_in_span
from gateway.ports.mail import SmtpServer

if TYPE_CHECKING:
    from gateway.domain.algorithms import Algorithms


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, both included."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class OneOf:
    """Allowed words of a setting."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs `name=word` separated by commas, with these allowed words; may be empty."""

    words: tuple[str, ...]

    def read(self, text: str) -> dict[str, str] | None:
        """Return word by name; None for another text."""
        words: dict[str, str] = {}
        for part in filter(None, (w.strip() for w in text.split(","))):
            name, _, word = (w.strip() for w in part.partition("="))
            if not name or word not in self.words or name in words:
                return None
            words[name] = word
        return words


@dataclass(frozen=True, slots=True)
class Days:
    """Pairs `name=day` separated by commas, with names of the table of algorithms; may be empty."""

    def read(self, text: str) -> dict[str, date] | None:
        """Return day by name; None for another text."""
        if not text:
            return {}
        from gateway.domain.algorithms import ALGORITHMS  # most commands need no table

        days: dict[str, date] = {}
        for part in filter(None, (w.strip() for w in text.split(","))):
            name, _, day = (w.strip() for w in part.partition("="))
            if name in days or ALGORITHMS.find(name) is None:
                return None
            try:
                days[name] = date.fromisoformat(day)
            except ValueError:
                return None
            if not is_in_span(days[name]):
                return None
        return days


@dataclass(frozen=True, slots=True)
class Below:
    """Path that is inside the data directory unless it is set."""

    name: str


@dataclass(frozen=True, slots=True)
class Address:
    """Database address, whose password is masked. The default is a SQLite file in the data directory."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """This deployment."""

    name: str = "node"
    data_dir: Path = Path("data")
    office: Annotated[str, OneOf(("on", "off"))] = "on"
    trial: Annotated[str, OneOf(("off", "on"))] = "off"
    controls: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Database of the node; all settings but the address apply to a server only."""

    url: Annotated[str, Address("gateway.db")] = "sqlite+aiosqlite:///data/gateway.db"
    ca: Path | None = None
    connections: Annotated[int, Between(2, 200)] = 10
    statement_timeout_s: Annotated[float, Between(1, 3600)] = 30.0
    lock_timeout_s: Annotated[float, Between(1, 600)] = 10.0
    idle_timeout_s: Annotated[float, Between(5, 3600)] = 60.0

    @property
    def address(self) -> str:
        """Return the URL with the certificates to trust: every connection to the server is made from it alone."""
        if self.ca is None or self.url.startswith("sqlite"):
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}ca={quote(str(self.ca))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentSettings:
    """The place of new large content, and the bucket of an object store (S3)."""

    store: Annotated[str, OneOf(("folder", "s3"))] = "folder"
    endpoint: str = ""
    region: str = "us-east-1"
    bucket: str = ""
    prefix: str = "gateway"
    access_key: str = ""
    secret_key: Secret | None = None
    ca: Path | None = None
    addressing: Annotated[str, OneOf(("path", "virtual"))] = "path"
    plain_http: Annotated[str, OneOf(("no", "yes"))] = "no"
    timeout_s: Annotated[int, Between(1, 600)] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisSettings:
    """The axis that carries packets between nodes."""

    kind: Annotated[str, OneOf(("embedded", "amqp", "vxp", "lgsp"))] = "embedded"
    folder: Annotated[Path, Below("axis")] = Path("data/axis")
    poison_limit: Annotated[int, Between(1, 100)] = 5
    vouches: Annotated[str, OneOf(("known", "all", "nobody"))] = "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpSettings:
    """The broker, if the axis is `amqp`. The user defaults to the node's name."""

    servers: str = ""
    vhost: str = "lienthong"
    user: str = ""
    password: Secret | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    heartbeat_s: Annotated[int, Between(2, 300)] = 10
    confirm_s: Annotated[int, Between(1, 600)] = 30
    prefetch: Annotated[int, Between(1, 500)] = 32
    part_mb: Annotated[int, Between(1, 16)] = 2


# The section, beside `axis`, that an axis of this kind is read from.
AXIS_SECTIONS: Mapping[str, str | None] = {"embedded": None, "amqp": "amqp", "vxp": "vxp", "lgsp": "lgsp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAxis:
    """One of several axes, an entry of `[[axes]]`: `parts` are the sections that it is read from, by their names. `serves`
    are those of our agencies whose mail it carries, by patterns; none: all."""

    name: str
    serves: tuple[str, ...] = ()
    away_s: Annotated[int, Between(0, 3600)] = 30
    parts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """An entry of `[[routes]]` for one of the patterns that it names."""

    to: str
    axes: tuple[str, ...]
    sender: str = "*"
    away: Annotated[str, OneOf(("wait", "next"))] = "wait"
    unsure: Annotated[str, OneOf(("wait", "next"))] = "wait"
    form: Annotated[str, OneOf(("standard", "unsigned", "dotnet"))] = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class VxpSettings:
    """The national axis, if the axis is `vxp`. One system by `system` and `secret`, or several in `credentials`."""

    endpoint: str = ""
    system: str = ""
    secret: Secret | None = None
    credentials: Path | None = None
    ca: Path | None = None
    folder: Path | None = None
    sender: Annotated[str, OneOf(("agency", "system"))] = "agency"
    poll_s: Annotated[float, Between(0.05, 3600)] = 60.0
    rate_per_s: Annotated[float, Between(0.1, 1000)] = 10.0
    final_codes: str = ""
    stop_codes: str = "401, 403"


@dataclass(frozen=True, slots=True, kw_only=True)
class LgspSettings:
    """A provincial service, if the axis is `lgsp`. One agency by `username`, `password`, `application`, `system` and
    `secret`, or any number in `credentials`."""

    endpoint: str = ""
    username: str = ""
    password: Secret | None = None
    application: str = ""
    system: str = ""
    secret: Secret | None = None
    credentials: Path | None = None
    ca: Path | None = None
    folder: Path | None = None
    unknown_outcome: Annotated[str, OneOf(("wait", "resend"))] = "wait"
    partial: Annotated[str, OneOf(("refuse", "all"))] = "refuse"
    poll_s: Annotated[float, Between(0.05, 3600)] = 60.0
    look_days: Annotated[int, Between(1, 60)] = 3
    sweep_days: Annotated[int, Between(1, 3660)] = 90
    rate_per_s: Annotated[float, Between(0.1, 1000)] = 10.0
    final_codes: str = "10, 18, 19, 21, 22, 23"
    stop_codes: str = "15, 401, 403"


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The address of the API for programs, and the rates of each caller. Port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: Annotated[int, Between(0, 65535)] = 8080
    names: str = ""
    proxies: str = "127.0.0.1, ::1"
    client_certificates: Annotated[str, OneOf(("off", "on"))] = "off"
    rate_per_s: Annotated[float, Between(0.1, 100_000)] = 100.0
    burst: Annotated[int, Between(1, 1_000_000)] = 500
    connections: Annotated[int, Between(8, 100_000)] = 500
    idle_s: Annotated[int, Between(1, 3600)] = 75
    calls_days: Annotated[int, Between(1, 365)] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The pages for people: name and emblem in the heading, the contact for help, how long a send, or an act on a letter
    that came, can be undone, how much room pictures of pages may take, how much is read of files, so that a search
    finds their words, whether scans are read, and whether strangers may ask if a document was issued here."""

    name: str = ""
    contact: str = ""
    emblem: Path | None = None
    ribbon: Annotated[str, OneOf(("off", "on"))] = "off"
    undo_s: Annotated[int, Between(0, 120)] = 30
    undo_express_s: Annotated[int, Between(0, 120)] = 5
    undo_act_s: Annotated[int, Between(0, 60)] = 10
    urge_days: Annotated[int, Between(0, 90)] = 7
    pictures_mb: Annotated[int, Between(0, 100_000)] = 256
    words: Annotated[str, OneOf(("on", "off"))] = "on"
    words_pages: Annotated[int, Between(1, 1_000)] = 60
    words_mb: Annotated[int, Between(1, 50)] = 20
    words_s: Annotated[int, Between(1, 120)] = 20
    scans: Annotated[str, OneOf(("auto", "off"))] = "auto"
    verification: Annotated[str, OneOf(("off", "on"))] = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """Exchange keys: in files, unencrypted without a password, or on a token if a module is set."""

    folder: Annotated[Path, Below("keys")] = Path("data/keys")
    password: Secret | None = None
    former_password: Secret | None = None
    pkcs11_module: Path | None = None
    token: str = ""
    pin: Secret | None = None
    overlap_days: Annotated[int, Between(0, 365)] = 30
    renew_days: Annotated[int, Between(0, 180)] = 30

    @property
    def passwords(self) -> bytes | None:
        """The passwords of the key files, a line each, first that of new files; None for files that are not encrypted."""
        secrets = [secret.reveal() for secret in (self.password, self.former_password) if secret is not None]
        return "\n".join(secrets).encode() if self.password is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSettings:
    """`ca.pem` (anchors), `chain/` (intermediates) and `crl/` (revocation lists) in one folder."""

    folder: Annotated[Path, Below("trust")] = Path("data/trust")
    revocation_grace_h: Annotated[int, Between(0, 720)] = 24
    algorithms_until: Annotated[str, Days()] = ""

    @property
    def algorithms(self) -> Algorithms:
        """Return the table of algorithms as this node shortens it."""
        from gateway.domain.algorithms import ALGORITHMS

        return ALGORITHMS.shortened(Days().read(self.algorithms_until) or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Sizes of documents from agencies (R13, size limits), original bytes, and of one envelope on the wire."""

    file_mb: Annotated[int, Between(1, 1000)] = 10
    document_mb: Annotated[int, Between(1, 2000)] = 50
    envelope_mb: Annotated[int, Between(2, 4000)] = 100
    quarantine_mb: Annotated[int, Between(10, 1_000_000)] = 1024
    disk_free_mb: Annotated[int, Between(0, 1_000_000)] = 200
    unsent_mb: Annotated[int, Between(0, 10_000_000)] = 2000
    partner_mb: Annotated[int, Between(0, 10_000_000)] = 500


DELIVERY_MODES = Pairs(("electronic", "both", "paper"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """Choices that the rulebook leaves to each node. `auto`: refuse if `trust.folder` has PDF anchors, else warn."""

    unsigned_lead: Annotated[str, OneOf(("auto", "refuse", "warn"))] = "auto"
    outgoing_series: Annotated[str, OneOf(("type", "all"))] = "type"
    recall_approval: Annotated[str, OneOf(("recorded", "step"))] = "recorded"
    delivery_modes: Annotated[str, DELIVERY_MODES] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerSettings:
    """The scanner for malware; without an address no file is scanned."""

    address: str = ""
    required: Annotated[str, OneOf(("yes", "no"))] = "yes"
    timeout_s: Annotated[int, Between(1, 600)] = 30
    max_mb: Annotated[int, Between(1, 4000)] = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSettings:
    """The sealed hold of secrets: the public key for which content is sealed."""

    recipient: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignSettings:
    """The agency's own key, with which a person signs PDFs; never the token of the exchange keys. PINs are typed."""

    module: Path | None = None
    token: str = ""
    seals: Annotated[Path, Below("seals")] = Path("data/seals")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """Accounts of people for the pages. Zero days turn a rule off."""

    address: str = ""
    password_length: Annotated[int, Between(8, 128)] = 8
    password_days: Annotated[int, Between(0, 3650)] = 90
    password_history: Annotated[int, Between(1, 20)] = 5
    second_factor: Annotated[str, OneOf(("nobody", "admins", "clerks"))] = "admins"
    lock_after: Annotated[int, Between(3, 100)] = 5
    lock_min: Annotated[int, Between(1, 1440)] = 15
    address_tries: Annotated[int, Between(5, 10_000)] = 20
    idle_min: Annotated[int, Between(5, 480)] = 30
    session_h: Annotated[int, Between(1, 24)] = 12
    link_h: Annotated[int, Between(1, 168)] = 72
    warn_days: Annotated[int, Between(0, 3650)] = 60
    suspend_days: Annotated[int, Between(0, 3650)] = 183
    withdraw_days: Annotated[int, Between(0, 3650)] = 15
    unused_days: Annotated[int, Between(0, 3650)] = 0
    login_style: Annotated[str, OneOf(("next", "second", "initials"))] = "next"
    login_tail: str = ""
    clerks_mailbox: str = "vanthu{abbr}"
    admins_mailbox: str = "{abbr}qtdv"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeSettings:
    """Office hours of this node's agencies; holidays and swap days are in the calendar."""

    hours: str = "07:30-11:30, 13:30-17:00"
    weekdays: str = "mon, tue, wed, thu, fri"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Persons needed for a change of the registry of agency codes; how often foreign axes are asked for their agencies, and
    how many new ones are taken at once without a person; the address of the signed list, and how often it is fetched; and
    the address at which its issuer is told that it was taken."""

    two_people: Annotated[str, OneOf(("yes", "no"))] = "yes"
    axis_list_h: Annotated[int, Between(0, 720)] = 0
    axis_list_most_new: Annotated[int, Between(0, 150_000)] = 200
    feed_url: str = ""
    feed_h: Annotated[int, Between(1, 720)] = 6
    feed_ca: Path | None = None
    receipt_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings(SmtpServer):
    """The mail server, for alarms and for reminders to people of this node's agencies; without a host there are none."""

    port: Annotated[int, Between(1, 65535)] = 587
    security: Annotated[str, OneOf(("starttls", "tls", "none"))] = "starttls"
    timeout_s: Annotated[int, Between(1, 300)] = 30
    digest_at: str = "08:00, 14:00"
    people: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSettings:
    """Receivers of the node's alarms: mail addresses, an address that takes webhooks, and quiet hours."""

    mail: str = ""
    url: str = ""
    secret: Secret | None = None
    quiet: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Batches of the workers, and the length of their leases (G7)."""

    threads: Annotated[int, Between(1, 64)] = 4
    pack_batch: Annotated[int, Between(1, 500)] = 8
    send_batch: Annotated[int, Between(1, 500)] = 16
    receive_batch: Annotated[int, Between(1, 500)] = 16
    lease_s: Annotated[int, Between(15, 3600)] = 60
    poll_s: Annotated[float, Between(0.05, 60)] = 1.0
    drain_s: Annotated[int, Between(0, 3600)] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSettings:
    """The hot folder, for documents as files. Without a root there is none; without agencies every agency has one."""

    root: Path | None = None
    agencies: str = ""
    look_s: Annotated[float, Between(0.2, 600)] = 5.0
    settle_s: Annotated[float, Between(0, 600)] = 5.0
    wait_min: Annotated[float, Between(0.01, 1440)] = 10.0
    batch: Annotated[int, Between(1, 500)] = 50
    unacked: Annotated[int, Between(1, 10_000)] = 1000
    sent_days: Annotated[int, Between(0, 36_500)] = 0
    error_days: Annotated[int, Between(0, 36_500)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """The networks that webhooks may reach, and how long an answer may take. Without `networks` only addresses on the
    public Internet are called."""

    networks: str = ""
    plain_http: Annotated[str, OneOf(("no", "yes"))] = "no"
    ca: Path | None = None
    timeout_s: Annotated[int, Between(1, 30)] = 10
    at_once: Annotated[int, Between(2, 500)] = 32
    log_days: Annotated[int, Between(1, 365)] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatSettings:
    """The interface for document systems with the national axis's library. Zero hours: a call may have any age."""

    vxp: bool = False
    fresh_h: Annotated[int, Between(0, 8760)] = 0
    sent_days: Annotated[int, Between(1, 365)] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """The address for a monitoring system, apart from the API and without a key. Port 0: none."""

    host: str = "127.0.0.1"
    port: Annotated[int, Between(0, 65535)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The log on stderr, one JSON object per line; and how the log of events is sealed, stamped and published."""

    level: Annotated[str, OneOf(("debug", "info", "warning", "error"))] = "info"
    seal_every_s: Annotated[int, Between(5, 240)] = 60
    tsa_url: str = ""
    tsa_every_s: Annotated[int, Between(60, 86_400)] = 3600
    tsa_timeout_s: Annotated[int, Between(1, 120)] = 15
    require_timestamp_h: Annotated[int, Between(0, 720)] = 0
    publish_folder: Path | None = None
    publish_every_h: Annotated[int, Between(1, 720)] = 24
    witnesses: str = ""
    witnesses_needed: Annotated[int, Between(0, 100)] = 0
    witness_every_s: Annotated[int, Between(60, 86_400)] = 3600
    compares: str = ""
    is_witness: Annotated[str, OneOf(("yes", "no"))] = "yes"
    note_key: Annotated[str, OneOf(("file", "token"))] = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, and in `origin` the source of each value that is not a default. `axes` and `routes` are empty if
    there is one axis, that of the section `axis`."""

    node: Node = field(default_factory=Node)
    database: Database = field(default_factory=Database)
    content: ContentSettings = field(default_factory=ContentSettings)
    axis: AxisSettings = field(default_factory=AxisSettings)
    amqp: AmqpSettings = field(default_factory=AmqpSettings)
    vxp: VxpSettings = field(default_factory=VxpSettings)
    lgsp: LgspSettings = field(default_factory=LgspSettings)
    api: Api = field(default_factory=Api)
    pages: Pages = field(default_factory=Pages)
    keys: KeySettings = field(default_factory=KeySettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    rules: RuleSettings = field(default_factory=RuleSettings)
    scanner: ScannerSettings = field(default_factory=ScannerSettings)
    seal: SealSettings = field(default_factory=SealSettings)
    sign: SignSettings = field(default_factory=SignSettings)
    accounts: AccountSettings = field(default_factory=AccountSettings)
    office: OfficeSettings = field(default_factory=OfficeSettings)
    registry: RegistrySettings = field(default_factory=RegistrySettings)
    mail: MailSettings = field(default_factory=MailSettings)
    alarms: AlarmSettings = field(default_factory=AlarmSettings)
    workers: WorkerSettings = field(default_factory=WorkerSettings)
    folder: FolderSettings = field(default_factory=FolderSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    compat: CompatSettings = field(default_factory=CompatSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    axes: tuple[NamedAxis, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    axis_name: str = ""
    """Name of the axis in `axis`, among several."""
    origin: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def axis_kind(self) -> str:
        """Return `several` where there are several."""
        return "several" if self.axes else self.axis.kind

    def each_axis(self) -> Mapping[str, Settings]:
        """Return the same settings as those of each axis alone, by its name; of one axis without a name."""
        if not self.axes:
            return {self.axis_name: self}
        return {
            axis.name: replace(self, axes=(), routes=(), axis_name=axis.name, **axis.parts)
            for axis in self.axes
        }


LISTS = ("axes", "routes")
_NO_SECTIONS = frozenset({"origin", "axis_name", *LISTS})
SECTIONS: Mapping[str, type] = {
    name: kind for name, kind in get_type_hints(Settings).items() if name not in _NO_SECTIONS
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting as its section declares it."""

    key: str
    kind: type
    rule: Between | OneOf | Pairs | Days | Below | Address | None

    @property
    def is_secret(self) -> bool:
        """Tell whether its value may stand in a secret file and in no message."""
        return self.kind is Secret or isinstance(self.rule, Address)


def names() -> Iterator[str]:
    """Yield every setting as section.key, in the order of the file."""
    for section, kind in SECTIONS.items():
        for f in fields(kind):
            yield f"{section}.{f.name}"


@cache
def _hints(section: str) -> Mapping[str, Any]:
    return get_type_hints(SECTIONS[section], include_extras=True)


@cache
def option(key: str) -> Option:
    """Return the setting of that name; the name must be one of `names`."""
    section, name = key.split(".")
    hint: Any = _hints(section)[name]
    rule = None
    if get_origin(hint) is Annotated:
        hint, rule = get_args(hint)
    return Option(key=key, kind=next(iter(get_args(hint)), hint), rule=rule)
