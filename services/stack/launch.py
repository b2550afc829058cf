"""The last step before a child process becomes the program it runs: drop root, and die with the parent.

Run by path with a bare interpreter (`python -I -S launch.py PARENT SIGNAL UID GID REACH PROGRAM ...`), for the steps
must happen in the child and must not depend on anything that is installed. Imports the standard library only.

- UID, GID: the user to become; -1 = stay. PostgreSQL refuses to run as root.
- REACH 1: keep the one capability that lets that user pass through folders closed to it, for a clone or a data folder
  may lie under a folder that only root may enter.
- SIGNAL: what the kernel sends when the parent (process PARENT) dies, so that no server outlives a killed launcher.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _prctl(*arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(*(ctypes.c_ulong(argument) for argument in (*arguments, *[0] * (5 - len(arguments))))) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _keep_reach() -> None:
    """Reduce this process's capabilities to CAP_DAC_OVERRIDE, and pass it on across exec."""
    bit = 1 << CAP_DAC_OVERRIDE
    header = _Header(CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)(_Sets(bit, bit, bit), _Sets(0, 0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(ctypes.byref(header), ctypes.byref(sets)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def _become(uid: int, gid: int, reach: bool) -> None:
    if reach:
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if reach:
        _keep_reach()


def main() -> None:
    """Do the steps, then exec; never returns."""
    parent, signal_number, uid, gid, reach = (int(argument) for argument in sys.argv[1:6])
    program = sys.argv[6:]
    if uid >= 0:
        _become(uid, gid, bool(reach))
    if sys.platform == "linux" and signal_number:
        _prctl(PR_SET_PDEATHSIG, signal_number)  # after setuid, which clears it
        if os.getppid() != parent:  # the parent died before the kernel knew
            sys.exit(1)
    os.execv(program[0], program)  # noqa: S606  # that is what it is for


if __name__ == "__main__":
    main()
