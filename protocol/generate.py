"""Write what is made from the protocol's models, or compare it with what is there (`--check`)."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))  # it must work before anything is installed, and describe this checkout

from swanbridge_protocol.schema import markdown, names, openrpc, typescript  # noqa: E402


def outputs() -> dict[str, str]:
    """Return the text of every generated file by its path from the root."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    document = json.dumps(openrpc(project["version"]), indent=2, ensure_ascii=False)
    return {
        "protocol/openrpc.json": document + "\n",
        "protocol/PROTOCOL.md": markdown(),
        "clients/js/src/generated/protocol.d.ts": typescript(),
        "clients/js/src/generated/names.js": names(),
    }


def stale(root: Path) -> list[str]:
    """Return the paths under `root` that are missing or differ from what the models say."""
    return [
        path
        for path, text in outputs().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None) -> int:
    """Write the files that differ, or with `--check` name them and return 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="where the files are (default: this checkout)"
    )
    options = parser.parse_args(arguments)
    differing = stale(options.root)
    if options.check:
        for path in differing:
            print(f"{path} differs: run python protocol/generate.py", file=sys.stderr)
        return 1 if differing else 0
    made = outputs()
    for path in differing:
        (options.root / path).parent.mkdir(parents=True, exist_ok=True)
        (options.root / path).write_text(made[path], encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
