"""The laboratory's additions to the program: words of the command line, loaded when they are typed."""

from __future__ import annotations

from gateway.bootstrap.extensions import Extension, Noun

LABS = Extension(
    nouns={
        "demo": Noun(
            sentence="Start trial agencies and their axes in one folder, play their story, and keep running "
            "for you to try.",
            after_noun="serve",
            module="gateway_labs.demo.command",
        ),
        "sandbox": Noun(
            sentence="Start a node for testing programs: robot agencies, a clock that can be moved, test keys.",
            after_noun="serve",
            module="gateway_labs.sandbox.command",
        ),
        "conformance": Noun(
            sentence="Take a gateway through 32 numbered steps, and print a score sheet.",
            after_noun="serve",
            module="gateway_labs.conformance.command",
        ),
        "simulate": Noun(
            sentence="Simulated foreign axes for testing clients: durable, with faults on purpose.",
            after_noun="folder",
            module="gateway_labs.simulators.command",
        ),
    },
    verbs={"webhooks": ("gateway_labs.webhook_trial",)},
)
