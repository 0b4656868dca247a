"""`python -m local up|deploy|demo|down|invoke|java`: what should the local machine do?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from local import machine, node
from local.processes import NotUp


def main(arguments: list[str]) -> int:
    """Run one verb; 2 with one line where the machine is not up or does not answer."""
    parser = argparse.ArgumentParser(prog="python -m local")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up").add_argument("--search", choices=("emulator", "node"), default="emulator")
    for verb in ("deploy", "demo", "down", "java"):
        verbs.add_parser(verb)
    invoking = verbs.add_parser("invoke")
    invoking.add_argument("function")
    invoking.add_argument("event", type=Path)
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except NotUp as error:
        print(f"local: {error}", file=sys.stderr)
        return 2


def _run(given: argparse.Namespace) -> int:
    if given.verb == "up":
        record = machine.up(given.search)
        _say(f"AWS at {record['aws']}, search at {record['search']}")
    elif given.verb == "down":
        machine.down()
    elif given.verb == "java":
        _say(str(node.java()))
    elif given.verb == "deploy":
        from local import deploy

        for name, value in sorted(deploy.deploy(machine.needed()).items()):
            _say(f"{name:<28}{value}")
    elif given.verb == "demo":
        from local import demo

        return demo.run(machine.needed())
    else:
        from local import invoke

        _say(json.dumps(invoke.once(given.function, given.event.read_bytes()), indent=2))
    return 0


def _say(text: str) -> None:
    print(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
