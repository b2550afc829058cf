"""Which user PostgreSQL runs as: ourselves, or, for root, somebody without privileges (PostgreSQL refuses root)."""

import os
import pwd
import stat
import sys
from pathlib import Path

from services.stack.child import Account
from services.stack.errors import NotAllowed

CANDIDATES = ("kaohe", "nobody")  # the first that exists; a name is needed, initdb looks it up
CAP_DAC_OVERRIDE = 1


def account_for(*paths: Path) -> Account | None:
    """The user for a process that must reach these paths; None = ourselves. Raises NotAllowed."""
    if os.geteuid() != 0:
        _check_name(os.geteuid())
        return None
    entry = _entry()
    if all(_open_to(path, entry.pw_uid, entry.pw_gid) for path in paths):
        return Account(entry.pw_uid, entry.pw_gid, reach=False)
    if sys.platform == "linux" and _may_pass_reach_on():
        return Account(entry.pw_uid, entry.pw_gid, reach=True)
    closed = next(path for path in paths if not _open_to(path, entry.pw_uid, entry.pw_gid))
    raise NotAllowed(
        f"PostgreSQL does not run as root, and {entry.pw_name} cannot enter {closed}",
        "run kaohe as an ordinary user, or move the installation and KAOHE_HOME to folders that others may enter",
    )


def give(path: Path, account: Account | None) -> None:
    """Make `path` and everything in it belong to the account."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, account.uid, account.gid, follow_symlinks=False)


def _check_name(uid: int) -> None:
    """PostgreSQL asks the system for the name of its user; a container may run under a number that has none."""
    try:
        pwd.getpwuid(uid)
    except KeyError as error:
        raise NotAllowed(
            f"PostgreSQL needs a user with a name, and this system has none for user id {uid}",
            "add the user to /etc/passwd, or set KAOHE_DATABASE_URL to an existing server",
        ) from error


def _entry() -> pwd.struct_passwd:
    for name in CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NotAllowed(
        "PostgreSQL does not run as root, and there is no user `nobody` to run it as", "run kaohe as an ordinary user"
    )


def _open_to(path: Path, uid: int, gid: int) -> bool:
    """Whether a user of one group may pass through every folder above `path`."""
    for folder in path.resolve().parents:
        entry = folder.stat()
        bit = stat.S_IXUSR if entry.st_uid == uid else stat.S_IXGRP if entry.st_gid == gid else stat.S_IXOTH
        if not entry.st_mode & bit:
            return False
    return True


def _may_pass_reach_on() -> bool:
    """Whether this process holds the capability that overrides permissions of files (containers may have dropped it)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapPrm:"):
            return bool(int(line.split()[1], 16) >> CAP_DAC_OVERRIDE & 1)
    return False
