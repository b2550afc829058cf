"""`python -m schemas.generate [--check]`: write the published contracts, or say which of them differ from the models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.documents import documents, drift

FOLDER = Path(__file__).parent


def write(folder: Path) -> int:
    """Write every document below `folder` and remove those of types that are gone; returns how many changed."""
    changed = drift(folder)
    wanted = documents()
    for name in changed:
        path = folder / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted[name])
        else:
            path.unlink()
    return len(changed)


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit code is 1 when `--check` finds drift."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail and name the files that differ")
    if not parser.parse_args(arguments).check:
        sys.stdout.write(f"{write(FOLDER)} of {len(documents())} contract files changed\n")
        return 0
    drifted = drift(FOLDER)
    for name in drifted:
        sys.stderr.write(f"schemas/{name} differs from the models: run make generate\n")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
