"""Verdict on a program that connects to the sandbox: documents and tricks that try it, and a judgement of its calls."""
