"""The laboratory's additions to the program: four words of the command line, each loaded when it is typed."""

from __future__ import annotations

from gateway.bootstrap.extensions import Extension, Noun

LABS = Extension(
    nouns={
        "demo": Noun(
            sentence="Start trial agencies and their axes in one folder, tell their story, and stay at work "
            "for you to try.",
            after_noun="serve",
            module="gateway_labs.demo.command",
        ),
        "sandbox": Noun(
            sentence="Start a node to try programs against: robot agencies, a clock one can move, test keys.",
            after_noun="serve",
            module="gateway_labs.sandbox.command",
        ),
        "conformance": Noun(
            sentence="Take a gateway through 32 numbered steps, and print a score sheet.",
            after_noun="serve",
            module="gateway_labs.conformance.command",
        ),
        "simulate": Noun(
            sentence="Foreign axes to try clients against: durable, with faults on purpose.",
            after_noun="folder",
            module="gateway_labs.simulators.command",
        ),
    }
)
