"""Make the rules for Prometheus and Alertmanager from the alarms that docs/operations.md recommends. In: its tables. Out:
config/prometheus/gateway.rules.yml and config/prometheus/inhibit.yml; with --check exit code 1 where they differ."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "operations.md"
RULES, INHIBIT = (ROOT / "config" / "prometheus" / name for name in ("gateway.rules.yml", "inhibit.yml"))
HEAD = "# Made from docs/operations.md by tools/alarm_rules.py: change the page.\n"
_WHEN = re.compile(r"`(?P<expr>[^`]+)`(?: \([^)]*\))?(?: for (?:(?P<minutes>\d+) minutes|(?P<day>a day)))?")
_LINK = re.compile(r"\[([^\]]+)\]\((#[^)]+|[^)]+)\)")


def rows(head: str) -> Iterator[list[str]]:
    """Yield the cells of the table with this head."""
    table = PAGE.read_text("utf-8").split(f"{head}\n")[1].split("\n\n")[0]
    for line in table.splitlines()[1:]:
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        yield [cell.strip().replace("\\|", "|") for cell in cells]


def name_of(alarm: str) -> str:
    """Return the name of a rule: `no worker` is GatewayNoWorker."""
    return "Gateway" + "".join(word[:1].upper() + word[1:] for word in re.findall(r"\w+", alarm))


def rules() -> str:
    """Make the rules file. An alarm without an expression needs another program's eyes, and is left out."""
    lines = [HEAD + "groups:", "  - name: gateway", "    rules:"]
    for alarm, when, place in rows("| alarm | when | look at |"):
        match = _WHEN.match(when)
        if match is None or not re.search(r"gateway_", match["expr"]):
            lines.append(f"      # {alarm}: {when}".replace("`", ""))
            continue
        lines += [f"      - alert: {name_of(alarm)}", f"        expr: {json.dumps(match['expr'])}"]
        if match["minutes"] or match["day"]:
            lines.append(f"        for: {match['minutes'] + 'm' if match['minutes'] else '1d'}")
        advice = _LINK.sub(r"\1 (docs/operations.md\2)", place).replace("`", "")
        lines += ["        annotations:", f"          summary: {json.dumps(f'Gateway: {alarm}')}"]
        lines.append(f"          description: {json.dumps(advice)}")
    return "\n".join(lines) + "\n"


def inhibit() -> str:
    """Make the rules by which Alertmanager keeps what follows from another alarm to itself."""
    lines = [HEAD + "inhibit_rules:"]
    for cause, effects in rows("| while this fires | these are inhibited |"):
        targets = "|".join(name_of(effect) for effect in effects.split(", "))
        lines.append(f"  - source_matchers: ['alertname = \"{name_of(cause)}\"']")
        lines.append(f"    target_matchers: ['alertname =~ \"{targets}\"']")
    return "\n".join(lines) + "\n"


def main() -> str | None:
    """Write both files, or compare them; return the fault."""
    for path, text in ((RULES, rules()), (INHIBIT, inhibit())):
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text:
            return f"{path.relative_to(ROOT)} differs from docs/operations.md: run tools/alarm_rules.py"
    return None


if __name__ == "__main__":
    sys.exit(main())
