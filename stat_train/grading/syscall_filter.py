"""The system calls that an answer's program is refused: whatever makes or joins a socket.

A network of its own does not keep a program from sockets that are files (a message bus, a container daemon,
an agent that holds keys): joining one is no writing, so that read-only mounts let it through.
"""

import errno
import struct

MACHINES = {  # audit architecture; socket, connect, socketpair
    "x86_64": (0xC000003E, 41, 42, 53),
    "aarch64": (0xC00000B7, 198, 203, 199),
}
IO_URING_SETUP = 425
X32 = 0x40000000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24
LOAD, KEEP_BITS, IF_EQUAL, IF_AT_LEAST, GIVE = 0x20, 0x54, 0x15, 0x35, 0x06
ALLOWED, REFUSED = 0x7FFF0000, 0x00050000 | errno.EPERM
UNIX, STREAM, KIND_OF_SOCKET = 1, 1, 0xF


def syscall_filter(machine: str) -> bytes | None:
    """A seccomp program for `machine` (`platform.machine()`); None for one whose calls are not known here.

    EPERM for socket, connect, io_uring_setup, socketpair but for streams between two ends of one's own
    (asyncio needs them), and every call by the numbers of another machine.
    """
    if machine not in MACHINES:
        return None
    architecture, socket, connect, socketpair = MACHINES[machine]
    steps: list[tuple[int, int, str, str]] = [
        (LOAD, ARCHITECTURE, "", ""),
        (IF_EQUAL, architecture, "", "refuse"),
        (LOAD, NUMBER, "", ""),
        (IF_AT_LEAST, X32, "refuse", ""),
        *((IF_EQUAL, call, "refuse", "") for call in (socket, connect, IO_URING_SETUP)),
        (IF_EQUAL, socketpair, "", "allow"),
        (LOAD, FIRST_ARGUMENT, "", ""),
        (IF_EQUAL, UNIX, "", "refuse"),
        (LOAD, SECOND_ARGUMENT, "", ""),
        (KEEP_BITS, KIND_OF_SOCKET, "", ""),
        (IF_EQUAL, STREAM, "allow", "refuse"),
        (GIVE, ALLOWED, "", ""),
        (GIVE, REFUSED, "", ""),
    ]
    ends = {"allow": len(steps) - 2, "refuse": len(steps) - 1}
    return b"".join(
        struct.pack("=HBBI", code, *(ends[to] - place - 1 if to else 0 for to in (yes, no)), value)
        for place, (code, value, yes, no) in enumerate(steps)
    )
