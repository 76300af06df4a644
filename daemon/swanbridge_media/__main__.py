"""Start one engine: `python -m swanbridge_media audio|decoder`; the daemon does, nobody else."""

import sys


def main() -> int:
    """Run the engine that the first argument names until the daemon hangs up."""
    kinds = ("audio", "decoder")
    if len(sys.argv) < 2 or sys.argv[1] not in kinds:
        print(
            f"usage: python -m swanbridge_media {'|'.join(kinds)}  (started by swanbridged)", file=sys.stderr
        )
        return 2
    if sys.argv[1] == "audio":
        from .audio.engine import run
    else:
        from .codec.engine import run
    return run(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
