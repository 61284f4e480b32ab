"""The downloader against a local server with planted faults; the unpacker against planted archives."""

import errno
import gzip
import hashlib
import io
import os
import re
import signal
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tutorial_files import download as module
from tutorial_files.archives import extract
from tutorial_files.download import download
from tutorial_lib.errors import TutorialError

BODY = np.random.default_rng(0).bytes(3_000_000)
OTHER = np.random.default_rng(1).bytes(2_500_000)
MD5 = hashlib.md5(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `body`; the switches plant the faults."""

    daemon_threads = True
    body: bytes = BODY
    tag: str | None = '"v1"'
    ranges: bool = True  # answer Range requests
    shifted: int = 0  # answer with a wrong range
    cut_after: int | None = None  # close the connection after so many bytes
    announce: bool | str = True  # send Content-Length, this one if it is a text
    kind: str | None = None  # Content-Type
    chunked: bool = False  # in chunks of 10,000 bytes, without the end if `cut_after` is set
    unasked: bool = False  # send the second half as a range
    pause: float = 0  # seconds after each 100 bytes

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/data.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path != "/data.bin":
            return self.send_error(404)
        body, wanted = self.server.body, self.headers["Range"]
        self.server.asked.append(wanted)
        first = 0
        if self.server.unasked:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes 5-{len(body) - 1}/{len(body)}")
        elif wanted and self.server.ranges and self.headers["If-Range"] in (None, self.server.tag):
            first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) - self.server.shifted
            if first >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if self.server.chunked:
            return self.send_chunks(body[first:][: self.server.cut_after])
        if self.server.announce:
            announced = self.server.announce
            announced = announced if isinstance(announced, str) else str(len(body) - first)
            self.send_header("Content-Length", announced)
        if self.server.kind:
            self.send_header("Content-Type", self.server.kind)
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        self.end_headers()
        if self.server.pause:
            for place in range(0, len(body), 100):
                self.wfile.write(body[place : place + 100])
                time.sleep(self.server.pause)
        else:
            self.wfile.write(body[first:][: self.server.cut_after])

    def send_chunks(self, body: bytes) -> None:
        self.protocol_version = "HTTP/1.1"
        self._headers_buffer[0] = self._headers_buffer[0].replace(b"HTTP/1.0", b"HTTP/1.1")
        self.send_header("Transfer-Encoding", "chunked")
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        self.end_headers()
        for place in range(0, len(body), 10_000):
            part = body[place : place + 10_000]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if self.server.cut_after is None:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def interrupted(server: Server, target: Path, size: int = 1_200_000) -> None:
    """Leave the first `size` bytes behind, as a broken transfer does."""
    server.cut_after = size
    with pytest.raises(
        TutorialError,
        match=r"broke off after 1,200,000 of 3,000,000 bytes: run the same command again and it resumes \(the first 1,200,000 bytes are kept\)",
    ):
        download(server.url, target, MD5, progress=False)
    server.cut_after = None
    assert not target.exists() and target.with_name(target.name + ".part").stat().st_size == size


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives_and_is_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "data.bin"
    assert all(
        download(server.url, target, md5, progress=False) == target for md5 in (MD5, MD5, None)
    )
    assert (
        target.read_bytes() == BODY
        and names(target.parent) == ["data.bin"]
        and server.asked == [None]
    )
    target.write_bytes(b"spoilt")
    download(server.url, target, MD5, progress=False)
    assert target.read_bytes() == BODY


def test_progress_goes_to_stderr_only_on_request(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    download(server.url, tmp_path / "quiet.bin", progress=False)
    assert capfd.readouterr() == ("", "")
    download(server.url, tmp_path / "loud.bin")
    told = capfd.readouterr()
    assert told.out == "" and "loud.bin" in told.err and "100%" in told.err


def test_a_broken_transfer_resumes_where_it_stopped(server: Server, tmp_path: Path) -> None:
    interrupted(server, tmp_path / "data.bin")
    download(server.url, tmp_path / "data.bin", MD5, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == BODY and names(tmp_path) == ["data.bin"]
    assert server.asked == [None, "bytes=1200000-"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    interrupted(server, tmp_path / "data.bin")
    server.body, server.tag = OTHER, '"v2"'
    # without a checksum only the tag can tell
    download(server.url, tmp_path / "data.bin", progress=False)
    assert (tmp_path / "data.bin").read_bytes() == OTHER


@pytest.mark.parametrize(
    "fault", ["no ranges", "wrong range", "shorter file", "part already complete"]
)
def test_servers_that_cannot_resume(server: Server, tmp_path: Path, fault: str) -> None:
    interrupted(server, tmp_path / "data.bin")
    expected, server.tag = BODY, None
    (tmp_path / "data.bin.part.tag").unlink()
    if fault == "no ranges":
        server.ranges = False
    elif fault == "wrong range":
        server.shifted = 10
    elif fault == "shorter file":
        server.body = expected = OTHER[:1_000_000]
    else:
        (tmp_path / "data.bin.part").write_bytes(BODY)
    download(server.url, tmp_path / "data.bin", hashlib.md5(expected).hexdigest(), progress=False)
    assert (tmp_path / "data.bin").read_bytes() == expected and names(tmp_path) == ["data.bin"]


def test_a_transfer_without_announced_size(server: Server, tmp_path: Path) -> None:
    server.announce = False
    download(server.url, tmp_path / "data.bin", MD5, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == BODY


def test_chunks_that_break_off_are_kept_where_they_can_be_resumed(
    server: Server, tmp_path: Path
) -> None:
    server.chunked, server.cut_after = True, 1_000_000
    target = tmp_path / "data.bin"
    with pytest.raises(
        TutorialError, match=r"again and it resumes \(the first 1,000,000 bytes are kept\)"
    ):
        download(server.url, target, progress=False)
    assert (tmp_path / "data.bin.part").read_bytes() == BODY[:1_000_000]
    server.cut_after = None
    download(server.url, target, MD5, progress=False)
    assert server.asked == [None, "bytes=1000000-"] and target.read_bytes() == BODY
    target.unlink()
    server.tag, server.cut_after = (
        None,
        1_000_000,
    )  # without tag and checksum nothing can be resumed
    with pytest.raises(TutorialError, match=r"run the same command again \(nothing is kept\)"):
        download(server.url, target, progress=False)
    assert names(tmp_path) == []


def test_an_endless_drip_is_given_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "LEAST", 30_000)
    server.pause = 0.01
    with pytest.raises(
        TutorialError,
        match=r"less than 100,000 bytes a second\).*\(the first [\d,]+ bytes are kept",
    ):
        download(server.url, tmp_path / "data.bin", progress=False)
    server.pause = 0
    download(server.url, tmp_path / "data.bin", MD5, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == BODY


@pytest.mark.parametrize("announced", ["abc", "-5", "1e6", ""])
def test_a_length_that_is_no_number_counts_as_none(
    server: Server, tmp_path: Path, announced: str
) -> None:
    server.announce = announced or " "
    download(server.url, tmp_path / "data.bin", MD5, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == BODY


TABLE = b"1::0068646::10::1381620027\n" * 1000
PAGE = b"\n  <!DOCTYPE html><html><body>Please log in</body></html>"
EXAMINED = {
    "a login page": ("x.dat", {"body": PAGE}, "is a web page"),
    "a page by its type": ("x.dat", {"body": b"hello", "kind": "text/html; charset=utf-8"}, "is a web page"),
    "nothing": ("x.dat", {"body": b" \n"}, "is empty"),
    "a cut table": ("x.dat", {"body": TABLE[:-9], "announce": False}, "ends in the middle of a line"),
    "a cut line": ("x.csv", {"body": b"a,b,c\n1,2,3\n1,"}, "ends in the middle of a line"),
    "a cut gzip file": ("x.txt.gz", {"body": gzip.compress(OTHER)[:-9]}, "is no whole gzip file"),
    "a page as gzip": ("x.txt.gz", {"body": b"Forbidden"}, "is no whole gzip file"),
    "a cut zip": ("x.zip", {"body": b"PK\3\4" + OTHER}, "is no whole zip archive"),
    "a damaged tar": ("x.tar.gz", {"body": b"\x1f\x8b" + OTHER}, "is no whole gzip file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", EXAMINED)
def test_without_a_checksum_the_file_is_examined(server: Server, tmp_path: Path, kind: str) -> None:
    name, faults, message = EXAMINED[kind]
    for switch, value in faults.items():
        setattr(server, switch, value)
    with pytest.raises(TutorialError, match=message) as caught:
        download(server.url, tmp_path / name, progress=False)
    assert names(tmp_path) == [] and "\n" not in str(caught.value)
    server.announce, server.kind = True, None
    server.body = gzip.compress(TABLE) if name.endswith("gz") else TABLE
    if name.endswith("zip"):
        server.body = zip_of(tmp_path, {"a": TABLE}, "made.zip").read_bytes()
    (tmp_path / name).write_bytes(faults["body"])  # and so is one that was kept before
    if kind not in ("a page by its type", "a cut table"):  # on the disk these cannot be told
        download(server.url, tmp_path / name, progress=False)
        assert (tmp_path / name).read_bytes() == server.body


def test_a_good_file_without_a_checksum_is_kept(server: Server, tmp_path: Path) -> None:
    server.body, server.kind = TABLE.rstrip(), "text/plain"  # its size is announced: nothing is cut
    download(server.url, tmp_path / "x.dat", progress=False)
    assert (tmp_path / "x.dat").read_bytes() == server.body


def test_a_part_that_nobody_asked_for(server: Server, tmp_path: Path) -> None:
    server.unasked = True
    with pytest.raises(TutorialError, match="sent a part of .* that nobody asked for"):
        download(server.url, tmp_path / "data.bin", MD5, progress=False)
    assert names(tmp_path) == []


def test_a_wrong_checksum_removes_the_file(server: Server, tmp_path: Path) -> None:
    server.body = OTHER
    with pytest.raises(
        TutorialError, match=f"{hashlib.md5(OTHER).hexdigest()} instead of {MD5} and was removed"
    ):
        download(server.url, tmp_path / "data.bin", MD5, progress=False)
    assert names(tmp_path) == []


def test_refusals_of_the_network(server: Server, tmp_path: Path) -> None:
    with pytest.raises(TutorialError, match="answered 404 Not Found for .*/other.bin"):
        download(server.url.replace("data.bin", "other.bin"), tmp_path / "data.bin")
    server.shutdown()
    server.server_close()
    with pytest.raises(
        TutorialError, match="No connection for http://127.0.0.1.*refused.*check the network"
    ):
        download(server.url, tmp_path / "data.bin")
    with pytest.raises(TutorialError, match="must start with https"):
        download("file:///etc/hostname", tmp_path / "data.bin")
    assert names(tmp_path) == []


def test_a_full_disk_keeps_what_has_arrived(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.FileIO):
        def write(self, data: bytes) -> int:
            if self.tell() + len(data) > 2 * module.CHUNK:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", **k: (
            FullDisk(self, mode) if "b" in mode else opened(self, mode, **k)
        ),
    )
    with pytest.raises(
        TutorialError,
        match="Cannot write .*data.bin.part .No space left on device.: free some space",
    ):
        download(server.url, tmp_path / "data.bin", progress=False)
    monkeypatch.undo()
    assert not (tmp_path / "data.bin").exists()
    kept = (tmp_path / "data.bin.part").stat().st_size
    download(server.url, tmp_path / "data.bin", MD5, progress=False)
    assert server.asked == [None, f"bytes={kept}-"] and kept > module.CHUNK // 2


def test_a_read_only_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)  # permissions alone would not stop root
    for call in (
        lambda: download(server.url, tmp_path / "a" / "b"),
        lambda: extract(zip_of(tmp_path, {"a": b""}), tmp_path / "c"),
    ):
        with pytest.raises(TutorialError, match="Cannot write .*Read-only file system.*may write"):
            call()
    assert server.asked == []


def zip_of(folder: Path, files: dict[str, bytes], name: str = "x.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return folder / name


def tar_of(
    folder: Path, members: list[tuple[str, bytes, str, bytes]], name: str = "x.tar.gz"
) -> Path:
    """Members are (name, type, link target, content)."""
    with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as archive:
        for path, kind, link, content in members:
            info = tarfile.TarInfo(path)
            info.type, info.linkname, info.size = kind, link, len(content)
            archive.addfile(info, io.BytesIO(content))
    return folder / name


def zip_link(folder: Path) -> Path:
    info = zipfile.ZipInfo("ml/link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/hostname")
    return folder / "x.zip"


def zip_without_a_name(folder: Path) -> Path:
    """The one letter of the name is declared to be a comment field instead."""
    path = zip_of(folder, {"a": b"x"})
    data = bytearray(path.read_bytes())
    for place in (26, data.index(b"PK\1\2") + 28):
        data[place : place + 4] = b"\0\0\1\0"
    path.write_bytes(data)
    return path


def damaged_zip(folder: Path) -> Path:
    path = zip_of(folder, {"a": BODY})
    data = bytearray(path.read_bytes())
    data[1000] ^= 255
    path.write_bytes(data)
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-400_000])
    return path


def test_each_kind_of_archive_is_unpacked(tmp_path: Path) -> None:
    files = {"ml/a.txt": b"one", "ml/sub/b.txt": b"two"}
    for index, archive in enumerate(
        (
            zip_of(tmp_path, files | {"ml/": b""}),
            tar_of(
                tmp_path, [(path, tarfile.REGTYPE, "", content) for path, content in files.items()]
            ),
            tar_of(
                tmp_path,
                [("./" + path, tarfile.REGTYPE, "", content) for path, content in files.items()],
                "x.tar",
            ),
        )
    ):
        folder = extract(archive, tmp_path / f"out{index}")
        assert (folder / "a.txt").read_bytes() == b"one" and (
            folder / "sub" / "b.txt"
        ).read_bytes() == b"two"
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(b"three"))
    assert (
        extract(tmp_path / "table.csv.gz", tmp_path / "out3") / "table.csv"
    ).read_bytes() == b"three"
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_unpacking_into_a_folder_keeps_what_is_there(tmp_path: Path) -> None:
    (folder := tmp_path / "ml").mkdir()
    (folder / "mine.txt").write_text("mine")
    (folder / "a.txt").write_text("old")
    extract(zip_of(tmp_path, {"ml/a.txt": b"new", "ml/sub/b.txt": b"two"}), folder)
    assert (folder / "mine.txt").read_text() == "mine" and (folder / "a.txt").read_text() == "new"
    assert (folder / "sub" / "b.txt").read_text() == "two"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "zip traversal": (
        lambda d: zip_of(d, {"ok": b"", "ml/../../evil": b"x"}),
        "holds 'ml/../../evil'",
    ),
    "zip absolute": (lambda d: zip_of(d, {f"{d.parent}/evil": b"x"}), "holds '/.*/evil'"),
    "zip backslash": (lambda d: zip_of(d, {"..\\evil": b"x"}), "holds '..\\\\\\\\evil'"),
    "zip drive": (lambda d: zip_of(d, {"C:evil": b"x"}), "holds 'C:evil'"),
    "zip without a name": (zip_without_a_name, "holds '', which"),
    "zip link": (zip_link, "holds 'ml/link', which is a link"),
    "tar traversal": (
        lambda d: tar_of(d, [("../evil", tarfile.REGTYPE, "", b"x")]),
        "holds '../evil'",
    ),
    "tar absolute": (
        lambda d: tar_of(d, [(f"{d.parent}/evil", tarfile.REGTYPE, "", b"x")]),
        "holds '/.*/evil'",
    ),
    "tar symlink": (
        lambda d: tar_of(d, [("l", tarfile.SYMTYPE, "..", b""), ("l/evil", b"0", "", b"x")]),
        "holds 'l', which",
    ),
    "tar hard link": (
        lambda d: tar_of(d, [("l", tarfile.LNKTYPE, "/etc/hostname", b"")]),
        "holds 'l', which is a link",
    ),
    "tar device": (
        lambda d: tar_of(d, [("n", tarfile.CHRTYPE, "", b"")]),
        "holds 'n', which is a link, a device",
    ),
    "too large": (
        lambda d: zip_of(d, {"ok": b"", "zeros": bytes(5_000_000)}),
        "more than 4,000,000 bytes",
    ),
    "damaged zip": (damaged_zip, "damaged"),
    "no zip": (lambda d: (d / "x.zip").write_bytes(BODY) and d / "x.zip", "damaged"),
    "cut zip": (lambda d: cut(zip_of(d, {"a": BODY})), "damaged"),
    "cut tar": (lambda d: cut(tar_of(d, [("a", tarfile.REGTYPE, "", BODY)])), "damaged"),
    "cut gz": (
        lambda d: (d / "x.gz").write_bytes(gzip.compress(BODY)) and cut(d / "x.gz"),
        "damaged",
    ),
    "no gz": (lambda d: (d / "x.gz").write_bytes(b"text") and d / "x.gz", "damaged"),
    "unknown": (lambda d: (d / "x.rar").write_bytes(b"text") and d / "x.rar", "known are .zip"),
    "absent": (lambda d: d / "absent.zip", "There is no archive"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_dangerous_and_damaged_archives_are_refused_and_leave_nothing(
    tmp_path: Path, fault: str
) -> None:
    (inside := tmp_path / "inside").mkdir()
    make, message = REFUSED[fault]
    archive = make(inside)
    before = names(inside)
    with pytest.raises(TutorialError, match=message) as caught:
        extract(archive, inside / "out", max_bytes=4_000_000)
    assert names(inside) == before and names(tmp_path) == ["inside"]
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_at_random_moments_and_called_again(tmp_path: Path, server: Server) -> None:
    """The file is not there or whole at any moment, and whole with the right bytes at the end."""
    server.body = np.random.default_rng(2).bytes(60_000_000)
    right, target = hashlib.md5(server.body).hexdigest(), tmp_path / "data.bin"
    moments, killed = np.random.default_rng(3).uniform(0.0, 0.25, 25), 0
    for moment in moments:
        child = os.fork()
        if child == 0:
            download(server.url, target, right, progress=False)
            os._exit(0)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        if target.exists():
            assert target.read_bytes() == server.body
            target.unlink()
    assert killed >= 10
    assert download(server.url, target, right, progress=False).read_bytes() == server.body
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]
