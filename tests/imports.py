"""A program that does one thing after the other, from the lightest to the heaviest, and prints which modules it had imported by then.

Each of them takes a new process seconds, and what comes later can only add to what is imported: so tests share one process.
"""

import gc
import importlib
import json
import sys

from components import STEPS

gc.disable()  # a fifth of the time that imports take

loaded = {}

from darkroom.runtime.step import config_of  # noqa: E402

for step in STEPS:
    config_of(step, {})
loaded["settings"] = sorted(sys.modules)

from darkroom.versions.environment import environment_tags  # noqa: E402

environment_tags()
loaded["environment"] = sorted(sys.modules)

importlib.import_module("components.evaluate.evaluate")
loaded["evaluate"] = sorted(sys.modules)

for step in STEPS:
    if step != "register":  # which talks to the registry
        importlib.import_module(f"components.{step}.{step}")
loaded["steps"] = sorted(sys.modules)

print(json.dumps(loaded))
