"""No connection gets past the closed ports by a kind of socket that Landlock does not see."""

from __future__ import annotations

import errno
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline_app.worker.confinement import filters, landlock, sockets
from pipeline_app.worker.keepers import Keepers
from pipeline_app.worker.process import Keeper
from tests.worker.probes import allowed, listening, run

from .world import World

needs_landlock = pytest.mark.skipif(
    landlock.version() < landlock.PORTS_VERSION, reason="needs Linux 6.7 or later with Landlock"
)

MULTIPATH = 262
# Ways to connect that Landlock does not see; each leaves whether the one who listens was reached, or an error's number.
WAYS = {
    "Fast Open by sendmsg": "socket.socket().sendmsg([b'x'], [], socket.MSG_FASTOPEN, address)",
    "Fast Open by sendto": "socket.socket().sendto(b'x', socket.MSG_FASTOPEN, address)",
    "Fast Open of IPv6": "socket.socket(socket.AF_INET6).sendto(b'x', socket.MSG_FASTOPEN, (mapped, address[1]))",
    "Multipath TCP": f"socket.socket(socket.AF_INET, socket.SOCK_STREAM, {MULTIPATH}).connect(address)",
    "Multipath TCP of IPv6": f"socket.socket(10, socket.SOCK_STREAM, {MULTIPATH}).connect((mapped, address[1]))",
}
WAY = """
import errno, socket
address, mapped = ("127.0.0.1", {port}), "::ffff:127.0.0.1"
try:
    {way}
    print("reached")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


def has(way: str) -> bool:
    """Tell whether this kernel has what a way needs."""
    name = "mptcp/enabled" if "Multipath" in way else "ipv4/tcp_fastopen"
    path = Path("/proc/sys/net") / name
    return path.exists() and int(path.read_text()) & 1 == 1


@needs_landlock
@pytest.mark.parametrize("way", WAYS)
def test_no_other_kind_of_tcp_leads_to_a_closed_port(tmp_path: Path, way: str) -> None:
    if not has(way):
        pytest.skip("This kernel lacks it: net.mptcp.enabled and net.ipv4.tcp_fastopen are to be 1.")
    seen = {}
    with listening() as port:
        for network in ("full", "no-metadata", "none"):
            with Keeper(allowed(tmp_path, network, endpoints=[f"http://127.0.0.1:{port}/"])) as keeper:
                _, seen[network] = run(keeper, tmp_path, WAY.format(port=port, way=WAYS[way]))
    refused = "EPROTONOSUPPORT\n" if "Multipath" in way else "ENOTSUP\n"
    # Whoever is let through to all is let through by this way, so that its refusal shows something.
    assert seen == {"full": "reached\n", "no-metadata": refused, "none": refused}


# System calls by number, also those of a 32-bit program by the interrupt that it makes them by: push rbx; eax, ebx, ecx
# and edx are the arguments; int 0x80; pop rbx; ret.
CALLS = """
import ctypes, errno, mmap
libc = ctypes.CDLL(None, use_errno=True)
def name(result):
    return "done" if result >= 0 else errno.errorcode[-result]
def call(*arguments):
    return name(-ctypes.get_errno() if libc.syscall(*arguments) < 0 else 0)
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("53 89f8 89f3 87ca cd80 5b c3"))
at = ctypes.addressof(ctypes.c_char.from_buffer(code))
old = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)(at)
"""


def calls(keeper: Keeper, folder: Path, *expressions: str) -> list[str]:
    """Return how system calls end for an application."""
    _, text = run(keeper, folder, f"{CALLS}print({', '.join(expressions)})")
    return text.split()


@needs_landlock
@pytest.mark.skipif(platform.machine() != "x86_64", reason="The numbers of the calls are those of x86_64.")
def test_the_filter_cannot_be_passed_by_other_numbers_or_rings(tmp_path: Path) -> None:
    multipath = f"2, 1, {MULTIPATH}"
    filtered = {
        f"call(41, {multipath})": "EPROTONOSUPPORT",
        # What the kernel does not read of a number does not hide it.
        f"call(41, 2, 1, ctypes.c_long({MULTIPATH} | 1 << 32))": "EPROTONOSUPPORT",
        "call(41, 2, 1, 256)": "EPROTONOSUPPORT",
        "call(41, 43, 1, 0)": "EAFNOSUPPORT",
        "call(307, 0, None, 0, 0x20000000)": "ENOTSUP",
        "call(425, 1, ctypes.create_string_buffer(120))": "ENOSYS",
        f"call(41 | 1 << 30, {multipath})": "ENOSYS",
    }
    old = {f"name(old(359, {multipath}))": "EPROTONOSUPPORT", "name(old(102, 1, 0, 0))": "ENOSYS"}
    plain = {"call(41, 2, 1, 6)": "done", "call(41, 10, 1, 0)": "done", "call(41, 2, 2, 0)": "done"}
    with Keeper(allowed(tmp_path, "full")) as keeper:
        unfiltered = calls(keeper, tmp_path, *filtered)
        # A kernel that runs no 32-bit programs ends whoever calls it so.
        if calls(keeper, tmp_path, "name(old(359, 2, 1, 0))") == ["done"]:
            filtered |= old
    with Keeper(allowed(tmp_path, "no-metadata")) as keeper:
        assert dict(zip(filtered, calls(keeper, tmp_path, *filtered), strict=True)) == filtered
        assert dict(zip(plain, calls(keeper, tmp_path, *plain), strict=True)) == plain
    assert "ENOTSUP" not in unfiltered


@needs_landlock
def test_where_no_calls_can_be_filtered_the_worker_says_what_is_open(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert filters.available()
    for there in (True, False):
        monkeypatch.setattr(filters, "available", lambda answer=there: answer)
        caplog.clear()
        with Keepers(replace(world.settings, network="no-metadata"), world.settings.scratch):
            pass
        assert ("but for Multipath TCP and Fast Open" in caplog.text) != there
        assert "network no-metadata" in caplog.text


ALLOWED = 0x7FFF0000
X86_64, I386, AARCH64, ARM, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0xC00000F3


def judged(machine: str, architecture: int, number: int, *arguments: int) -> int:
    """Run a machine's filter on a call as the kernel does; return the number of the error, 0 for none."""
    words = {0: number, 4: architecture}
    words |= {filters.argument(index): value & 0xFFFFFFFF for index, value in enumerate(arguments)}
    program = sockets._program(sockets._MACHINES[machine])
    loaded = place = 0
    while True:
        code, then, otherwise, value = program[place]
        # The kernel takes no step of more than 255, and none backwards.
        assert 0 <= then <= 255
        assert 0 <= otherwise <= 255
        place += 1
        if code == 0x20:
            loaded = words.get(value, 0)
        elif code == 0x06:
            return 0 if value == ALLOWED else value & 0xFFFF
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            place += then if holds else otherwise


# Machine, architecture, and the numbers of socket, sendto, sendmsg and sendmmsg there.
NUMBERS = [
    ("x86_64", X86_64, 41, 44, 46, 307),
    ("x86_64", I386, 359, 369, 370, 345),
    ("aarch64", AARCH64, 198, 206, 211, 269),
    ("aarch64", ARM, 281, 290, 296, 374),
]


@pytest.mark.parametrize(("machine", "architecture", "socket", "sendto", "sendmsg", "sendmmsg"), NUMBERS)
def test_each_architecture_has_its_filter(
    machine: str, architecture: int, socket: int, sendto: int, sendmsg: int, sendmmsg: int
) -> None:
    fast = 0x20000000 | 0x4000

    def judge(*call: int) -> int:
        return judged(machine, architecture, *call)

    assert [judge(socket, family, 1, MULTIPATH) for family in (2, 10)] == [errno.EPROTONOSUPPORT] * 2
    assert judge(socket, 43, 1, 0) == errno.EAFNOSUPPORT
    # TCP, UDP, sockets with a path, and netlink, whose protocols are numbers of its own.
    assert [judge(socket, *call) for call in ((2, 1, 6), (10, 1, 0), (2, 2, 17), (1, 1, 0), (16, 3, 300))] == [0] * 5
    assert [judge(sendto, 3, 0, 1, fast), judge(sendmsg, 3, 0, fast), judge(sendmmsg, 3, 0, 1, fast)] == [
        errno.EOPNOTSUPP
    ] * 3
    assert [judge(sendto, 3, 0, 1, 0x4000), judge(sendmsg, 3, 0, 0x4000), judge(sendmmsg, 3, 0, 1, 0)] == [0] * 3
    assert judge(425, 1, 0) == errno.ENOSYS
    assert judge(0) == judge(1) == 0


def test_calls_whose_arguments_no_filter_sees_are_not_there() -> None:
    assert judged("x86_64", I386, 102, 1, 0) == errno.ENOSYS
    assert judged("x86_64", X86_64, 41 | 1 << 30, 2, 1, 6) == errno.ENOSYS
    # Of 64 bits it is another call (getuid), and on Arm none.
    assert judged("x86_64", X86_64, 102) == 0
    assert judged("x86_64", RISCV64, 198, 2, 1, 6) == errno.ENOSYS
