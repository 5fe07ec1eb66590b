"""The laboratory's additions to the program: four words of the command line, each loaded when it is typed."""

from __future__ import annotations

from gateway.bootstrap.extensions import Extension, Noun

LABS = Extension(
    nouns={
        "demo": Noun(
            sentence="Start trial agencies and their axes in one folder, with sample documents, and keep them running "
            "for you to try.",
            after_noun="serve",
            module="gateway_labs.demo.command",
        ),
        "sandbox": Noun(
            sentence="Start a node for testing programs: robot agencies, a clock that you can move, test keys.",
            after_noun="serve",
            module="gateway_labs.sandbox.command",
        ),
        "conformance": Noun(
            sentence="Test a gateway in 32 numbered steps, and print a score sheet.",
            after_noun="serve",
            module="gateway_labs.conformance.command",
        ),
        "simulate": Noun(
            sentence="Simulated foreign axes for testing clients: durable, with deliberate faults.",
            after_noun="folder",
            module="gateway_labs.simulators.command",
        ),
    }
)
