"""All benchmarks, one command: `scripts/bench [NAME ...] [--json FILE]`.

Figures are medians unless their name says otherwise; a bound is what we promise, MISS says it is not kept.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path

from harness import Report

NAMES = ("start", "calls", "playback", "load")


def main() -> int:
    """Run the named benchmarks; exit status 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    report = Report()
    for name in options.names or NAMES:
        print(f"--- {name}", flush=True)
        asyncio.run(importlib.import_module(name).measure(report))
    if options.json:
        facts = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cores": os.cpu_count()}
        rows = [{**asdict(one), "reached": one.reached, "ratio": one.ratio} for one in report.figures]
        Path(options.json).write_text(json.dumps({**facts, "figures": rows}, indent=2) + "\n")
    missed = [one.name for one in report.figures if one.reached is False]
    if missed:
        print(f"{len(missed)} bound(s) missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
