"""The supervisor's word to others: whole, readable only where it should be, and true only while it lives."""

import stat
import subprocess
import sys
from pathlib import Path

from services.stack.running import running_environment, write_environment
from services.stack.state import ProcessReport, StackState, is_supervised, read_state, supervising, write_state

HOLD = (
    "import sys; from pathlib import Path; from services.stack.state import supervising\n"
    "with supervising(Path(sys.argv[1])) as held: print(held, flush=True); sys.stdin.read()"
)


def holder(folder: Path) -> tuple["subprocess.Popen[str]", bool]:
    """Another process that supervises `folder` until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip() == "True"


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    state = StackState(7, "running", "", 5, {"API": "http://a"}, [ProcessReport("api", "healthy", 8, 9, 1)])
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_a_file_that_is_cut_short_or_older_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"pid": 7, "proc', encoding="utf-8")
    assert read_state(tmp_path) is None
    (tmp_path / "state.json").write_text('{"pid": 7, "unknown": 1, "processes": []}', encoding="utf-8")
    assert read_state(tmp_path) is None


def test_one_process_supervises_a_home_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    first, held = holder(tmp_path)
    assert held
    assert is_supervised(tmp_path)
    with supervising(tmp_path) as mine:
        assert not mine
    end(first)
    assert not is_supervised(tmp_path)
    with supervising(tmp_path) as mine:
        assert mine


def test_somebody_who_only_looks_does_not_keep_a_supervisor_from_starting(tmp_path: Path) -> None:
    with supervising(tmp_path) as mine:
        assert mine
        assert not is_supervised(tmp_path / "elsewhere")


def test_the_environment_of_a_stack_is_readable_by_its_owner_and_only_while_it_runs(tmp_path: Path) -> None:
    write_environment(tmp_path, {"KAOHE_DATABASE_URL": "postgresql://a:b@/k?host=/x y&port=1", "PATH": "/bin"})
    assert stat.S_IMODE((tmp_path / "stack.env").stat().st_mode) == 0o600
    assert running_environment(tmp_path) == {}
    process, _ = holder(tmp_path)
    assert running_environment(tmp_path) == {"KAOHE_DATABASE_URL": "postgresql://a:b@/k?host=/x y&port=1"}
    end(process)
