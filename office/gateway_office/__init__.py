"""The office: what persons at pages need, above the exchange, which never imports it."""

from gateway.words import labels

SUBJECTS = {
    "account": "account entry issued lending new_password",
    "accounts": "duty ended factor password post right standing",
    "agencies": "agencies",
    "calls": "calls",
    "compose": "compose",
    "desk": "bell tour",
    "help": "help",
    "inspection": "inspection",
    "leaf": "leaf",
    "lists": "listing tab tile pane",
    "recalls": "recall_ask recalls",
    "reforms": "reforms",
    "reports": "report",
    "office_rules": "office_rule",
    "tags": "tags",
    "tasks": "chart dashboard lamp task tasks",
    "told": "told",
}

labels.add_catalogues("gateway_office.words", SUBJECTS)
