"""Janus VideoRoom as the plane's bench needs it: a process with a configuration that is fair, and its API.

Fair: shared event loops instead of a thread a peer, ICE-lite, no sound, no transport-wide feedback, log off,
and libsrtp on OpenSSL where ``make bench-peers`` has built it (Debian's is on NSS).
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Self

from loadtest.bench._peer import Identity, Peer
from sfu.addresses import interface_addresses

EVENT_LOOPS: Final = 2
ROOM: Final = 1234
SSRC: Final = 5000
PAYLOAD_TYPE: Final = 96
LIBSRTP: Final = Path(__file__).resolve().parents[2] / "var" / "peers" / "libsrtp2.so.1"
_INSTALLED: Final = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu" / "janus"
_START_S: Final = 10.0
_LAUNCHES: Final = 20
_ANSWER_S: Final = 10.0
_MESSAGE: Final = 256 * 1024
_VIDEO: Final = (
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n"
)


def missing() -> str:
    """Why Janus cannot be measured here; empty when it can."""
    if shutil.which("janus") is None:
        return "Janus is not installed: make bench-peers, as root"
    if not (_INSTALLED / "plugins" / "libjanus_videoroom.so").exists():
        return "Janus' VideoRoom is not where Debian puts it"
    if own_address() is None:
        return "Janus takes no loopback addresses, and this machine has no other"
    return ""


def described() -> str:
    """Version and what it runs with."""
    try:
        said = subprocess.run(["janus", "--version"], check=False, capture_output=True, text=True).stdout
    except OSError as error:
        return f"Janus, which did not say its version: {type(error).__name__}"
    version = re.search(r"\d+\.\d+\.\d+", said)
    crypto = "OpenSSL" if LIBSRTP.exists() else "NSS (Debian's)"
    return f"Janus {version[0] if version else ''}, event_loops={EVENT_LOOPS}, libsrtp on {crypto}"


def own_address() -> str | None:
    """An IPv4 address of this machine, not loopback, which Janus never takes; packets to it stay here."""
    return next((each for each in interface_addresses() if "." in each and not each.startswith("127.")), None)


class JanusProcess:
    """Janus in a folder of its own; nothing listens but a Unix socket."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="zvonok-bench-")
        root = Path(self._folder.name)
        self.path = str(root / "api")
        for kind, name in (("plugins", "libjanus_videoroom.so"), ("transports", "libjanus_pfunix.so")):
            (root / kind).mkdir()
            (root / kind / name).symlink_to(_INSTALLED / kind / name)
        for kind in ("events", "loggers"):
            (root / kind).mkdir()
        (root / "janus.jcfg").write_text(
            f'general: {{ configs_folder = "{root}"; plugins_folder = "{root}/plugins"; '
            f'transports_folder = "{root}/transports"; events_folder = "{root}/events"; '
            f'loggers_folder = "{root}/loggers"; debug_level = 2; session_timeout = 0; '
            f"event_loops = {EVENT_LOOPS}; }}\n"
            f'nat: {{ ice_lite = true; ice_enforce_list = "{own_address()}"; }}\nmedia: {{ }}\n',
            encoding="utf-8",
        )
        (root / "janus.transport.pfunix.jcfg").write_text(
            f'general: {{ enabled = true; json = "compact"; path = "{self.path}"; '
            'type = "SOCK_SEQPACKET"; }\n'
            "admin: { admin_enabled = false; }\n",
            encoding="utf-8",
        )
        (root / "janus.plugin.videoroom.jcfg").write_text("general: { }\n", encoding="utf-8")
        self._process = self._launch()

    def _launch(self) -> subprocess.Popen[bytes]:
        root = Path(self._folder.name)
        environment = dict(os.environ)
        if LIBSRTP.exists():
            environment["LD_LIBRARY_PATH"] = str(LIBSRTP.parent)
        with (root / "log").open("wb") as log:
            return subprocess.Popen(
                ["janus", "-C", str(root / "janus.jcfg"), "-F", str(root)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        # Its Unix socket's thread now and then ends before it has begun, and Janus with it: once more, then.
        for _ in range(_LAUNCHES):
            if self._is_up():
                return self
            said = (Path(self._folder.name) / "log").read_text(errors="replace")[-1000:]
            self._process.kill()
            self._process.wait()
            Path(self.path).unlink(missing_ok=True)
            self._process = self._launch()
        self.__exit__()
        raise RuntimeError(f"Janus did not start: {said}")

    def _is_up(self) -> bool:
        deadline = time.monotonic() + _START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
                try:
                    probe.connect(self.path)
                    return True
                except OSError:
                    time.sleep(0.05)
        return False

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def cpu_s(self) -> float:
        """CPU time of all its threads, user and system."""
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class JanusControl:
    """Its API over the Unix socket, one session; raises ConnectionError when it says no."""

    def __init__(self, path: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock.settimeout(_ANSWER_S)
        self._sock.connect(path)
        self._numbers = itertools.count(1)
        self._session = 0
        self._session = self._ask({"janus": "create"})["data"]["id"]
        handle = self.attach()
        self.message(
            handle,
            {
                "request": "create",
                "room": ROOM,
                "publishers": 4,
                "bitrate": 0,
                "videocodec": "vp8",
                "transport_wide_cc_ext": False,
                "playoutdelay_ext": False,
                "videoorient_ext": False,
            },
        )

    def close(self) -> None:
        """Let the session end."""
        self._sock.close()

    def attach(self) -> int:
        """A new handle, which is a peer connection."""
        answer = self._ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return int(answer["data"]["id"])

    def message(
        self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None
    ) -> tuple[dict[str, Any], str]:
        """Ask the plugin; its data and its SDP ("" for none)."""
        request: dict[str, Any] = {"janus": "message", "handle_id": handle, "body": body}
        if jsep is not None:
            request["jsep"] = jsep
        answer = self._ask(request)
        data = answer["plugindata"]["data"]
        if "error" in data:
            raise ConnectionError(f"Janus: {data['error']}")
        return data, answer.get("jsep", {}).get("sdp", "")

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        transaction = str(next(self._numbers))
        request["transaction"] = transaction
        if self._session:
            request["session_id"] = self._session
        self._sock.send(json.dumps(request).encode())
        while True:
            answer: dict[str, Any] = json.loads(self._sock.recv(_MESSAGE))
            if answer.get("transaction") != transaction or answer["janus"] == "ack":
                continue
            if answer["janus"] == "error":
                raise ConnectionError(f"Janus: {answer['error']}")
            return answer


def publish(
    control: JanusControl, peer: Peer, identity: Identity, address: tuple[str, int]
) -> tuple[str, int]:
    """Make a publisher of the room, whose socket has this address; the answer's SDP and the feed's number."""
    handle = control.attach()
    joined, _ = control.message(handle, {"request": "join", "ptype": "publisher", "room": ROOM})
    offer = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
        f"m=video 9 UDP/TLS/RTP/SAVPF {PAYLOAD_TYPE}\r\nc=IN IP4 0.0.0.0\r\n{_own(peer, identity, address)}"
        f"a=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n{_VIDEO}a=ssrc:{SSRC} cname:bench\r\n"
    )
    _, answer = control.message(handle, {"request": "publish"}, {"type": "offer", "sdp": offer})
    return answer, int(joined["id"])


def subscribe(
    control: JanusControl, feed: int, peer: Peer, identity: Identity, address: tuple[str, int]
) -> str:
    """Make a subscriber of a feed; Janus' offer, which is answered here."""
    handle = control.attach()
    body = {"request": "join", "ptype": "subscriber", "room": ROOM, "streams": [{"feed": feed}]}
    deadline = time.monotonic() + _ANSWER_S
    while True:
        try:
            _, offer = control.message(handle, body)
            break
        except ConnectionError:  # its own end of the publisher's DTLS may still be on its way
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    mid = re.search(r"^a=mid:(\S+)", offer, re.MULTILINE)
    answer = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
        f"a=group:BUNDLE {mid[1] if mid else 0}\r\n"
        f"m=video 9 UDP/TLS/RTP/SAVPF {PAYLOAD_TYPE}\r\nc=IN IP4 0.0.0.0\r\n{_own(peer, identity, address)}"
        f"a=mid:{mid[1] if mid else 0}\r\na=recvonly\r\na=rtcp-mux\r\n{_VIDEO}"
    )
    control.message(handle, {"request": "start"}, {"type": "answer", "sdp": answer})
    return offer


def _own(peer: Peer, identity: Identity, address: tuple[str, int]) -> str:
    return (
        f"a=ice-ufrag:{peer.ufrag}\r\na=ice-pwd:{peer.pwd}\r\n"
        f"a=fingerprint:sha-256 {identity.fingerprint}\r\na=setup:active\r\n"
        f"a=candidate:1 1 udp 2015363327 {address[0]} {address[1]} typ host\r\na=end-of-candidates\r\n"
    )
