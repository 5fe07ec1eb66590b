"""Tools to try and to show the gateway: a demonstration with agencies and their story, a sandbox for programs, a kit that
judges other gateways, and axes to test clients against. No node in production needs any of it."""

from gateway.words import labels

SUBJECTS = {
    "demo": "demo",
    "sandbox": "sandbox clash.GW-SANDBOX-CLOCK clash.GW-SANDBOX-SILENT",
    "conformance": "conformance",
    "simulate": "simulate",
    "verdict": "judge",
}

labels.add_catalogues("gateway_labs.words", SUBJECTS)
