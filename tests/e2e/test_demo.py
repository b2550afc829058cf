"""The demo as a newcomer runs it: a process of its own, real servers, a month, a frozen score; it ends by itself and leaves nothing running."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 270  # a minute on an idle machine


@pytest.mark.timeout(SECONDS + 60)
def test_the_demo_runs_once_and_every_step_holds(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "demo", "--once", "--home", str(home)],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "160", "KAOHE_KAFKA_BROKERS": "127.0.0.1:1"},  # the demo brings its own servers
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    shown = done.stdout
    assert done.returncode == 0, shown[-4000:] + done.stderr[-2000:]
    for line in (
        "Every step held.",
        "events accepted by the gateway",
        "the figures moved as events came",
        "repetitions counted nothing",
        "Refused at first: 1 people cannot be computed (GC01",
        "ids that no roster row explains (TMP01",
        "imported twice, recorded once",
        "S01 sealed",
        "S02 sealed",
        "statements sum to the score, exactly",
        "postings compared: same",
        "完单及时率",
        "Σ",
        "API       http://127.0.0.1:",
        "Key       kh_",
    ):
        assert line in shown, line
    assert "✗" not in shown
    assert "Traceback" not in done.stderr
    left = [
        process for process in psutil.process_iter(["cmdline"]) if str(home) in " ".join(process.info["cmdline"] or ())
    ]
    assert left == []
