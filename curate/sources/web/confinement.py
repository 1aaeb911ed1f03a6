"""What the sandbox's child drops before it reads a page: the network, and writing to any file.

No privilege is needed: a network namespace of its own (where users may have namespaces), and
Landlock, on Linux. Where the kernel refuses one of them, or the system is another, the limits of
time, memory and files that processes have everywhere remain. What may be read stays as it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
import sys
from pathlib import Path

#: Linux: numbers of system calls, the same on all machines since they were added together.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_NO_NEW_PRIVILEGES = 38
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000

#: Rights of Landlock (linux/landlock.h): to write, and to remove or make entries of each kind.
_WRITING = 1 << 1 | sum(1 << bit for bit in range(4, 13))
#: Rights that later versions of it know: to link elsewhere (2), to truncate (3).
_LINK, _TRUNCATE = 1 << 13, 1 << 14
#: To bind and to connect over TCP (4); sockets without a file, signals to processes outside (6).
_TCP, _SCOPES = 0b11, 0b11

#: Files that may be open at a time.
_OPEN_FILES = 64


def confine() -> list[str]:
    """Drop the network and writing, for good; return what was dropped: ``network``, ``writing``.

    Call it before a thread is started: namespaces are for processes of one thread, and Landlock
    holds for the thread that asks for it and for what that starts later.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if sys.platform != "linux":
        return []
    dropped = []
    with contextlib.suppress(OSError, AttributeError):  # a C library may lack what is called
        libc, user = ctypes.CDLL(None), os.getuid()
        if not libc.unshare(_NEW_USER | _NEW_NETWORK):
            dropped.append("network")
            with contextlib.suppress(OSError):  # files keep their owner
                Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        if _without_writing(libc):
            dropped.append("writing")
    return dropped


def _without_writing(libc: ctypes.CDLL) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    rights = _WRITING | (_LINK if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    parts = [rights, *([_TCP] if version >= 4 else []), *([_SCOPES] if version >= 6 else [])]
    asked = struct.pack(f"={len(parts)}Q", *parts)
    rules = libc.syscall(_CREATE_RULESET, asked, ctypes.c_size_t(len(asked)), ctypes.c_uint32(0))
    if rules < 0:
        return False
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    refused = libc.syscall(_RESTRICT_SELF, rules, ctypes.c_uint32(0))
    os.close(rules)
    return not refused


def write_no_more(nowhere: int) -> None:
    """Let no file grow, and what libraries print go to ``nowhere``, not into the log of a run."""
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
