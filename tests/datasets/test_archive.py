"""Data sets as people have them: folders around them, what programs leave among the images, archives of every kind."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from helpers.market import TINY
from helpers.refusals import refusal_of
from osnet_lib.datasets import folder as folder_module, members, tarred
from osnet_lib.datasets.archive import open_archive
from osnet_lib.datasets.litter import is_litter
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.datasets.members import MAX_FILE_BYTES
from osnet_lib.errors import DatasetError

VERSION = "Market-1501-v15.09.15"
IMAGE = TINY["query"][0]


def refusal(path, *folders) -> str:
    opened = partial(open_archive, folders=folders) if folders else open_market1501
    return refusal_of(DatasetError, opened, path)


def read_all(path) -> tuple[str, int]:
    """Digest and number of images; every one is decoded."""
    with open_market1501(path) as data:
        samples = (*data.query, *data.gallery, *data.junk, *data.train)
        assert all(data.image(sample).size == (16, 32) for sample in samples)
        return data.digest, len(samples)


def pack_tar(folder: Path, path: Path, mode: str = "w", prefix: str = VERSION, **options) -> Path:
    with tarfile.open(path, mode, **options) as archive:
        archive.add(folder, prefix)
    return path


@contextmanager
def little_memory(most: int = 2**22):
    """Fails where a block takes more at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def member(name: str, data: bytes = b"x", **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


# ---- where the data set is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "around", ["", VERSION, f"{VERSION}/{VERSION}", f"reid-data/market1501/{VERSION}", "a/b/c/d e/行人"]
)
@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_data_set_is_found_at_any_depth(tiny_market, tmp_path, around, kind):
    root = tiny_market()
    expected = read_all(root)
    path = tmp_path / "outer"
    shutil.copytree(root, path / around)
    (path / "readme.txt").write_text("beside it")
    (path / "other" / "empty").mkdir(parents=True)
    if kind == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", path))
    elif kind == "tar":
        path = pack_tar(path, tmp_path / "packed.tar", prefix="")
    assert read_all(path) == expected


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_two_data_sets_at_different_depths_are_no_choice_to_make(tiny_market, tmp_path, kind):
    tiny_market("all/first/inner"), tiny_market("all/second")
    path = tmp_path / "all"
    if kind == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", path))
    elif kind == "tar":
        path = pack_tar(path, tmp_path / "packed.tar", prefix="")
    assert "holds several data sets (first/inner, second). Pass one of them" in refusal(path)


def test_links_are_followed_in_folders_and_lead_nowhere_twice(tiny_market, tmp_path):
    root, linked = tiny_market(), tmp_path / "linked"
    (linked / "in").mkdir(parents=True)
    for name in os.listdir(root):
        (linked / "in" / name).symlink_to(root / name)
    (linked / "again").symlink_to(linked / "in")
    (linked / "in" / "back").symlink_to(linked)
    (linked / "up").symlink_to(linked)
    assert read_all(linked) == read_all(root)


def test_the_search_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "MOST_FOLDERS", 20)
    for number in range(30):
        (tmp_path / str(number)).mkdir()
    assert "holds more than 20 folders" in refusal(tmp_path)


@pytest.mark.parametrize("make", ["dangling", "pipe"])
def test_what_is_no_file_is_refused_when_it_is_listed(tiny_market, make):
    root = tiny_market()
    path = root / "query" / "0004_c1s1_000001_00.jpg"
    if make == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/nowhere/0004.jpg")
    what = "is no regular file" if make == "pipe" else "is a link to /nowhere/0004.jpg, which is not there"
    assert refusal(root).startswith(f"{path}: {what}")


# ---- what programs leave ---------------------------------------------------------------------------------------------

LITTER = [
    *("Thumbs.db", "THUMBS.DB", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "Desktop.INI", "$RECYCLE.BIN"),
    *("System Volume Information", ".DS_Store", f"._{IMAGE}", ".AppleDouble", "__MACOSX", "Icon\r", "Icon\uf00d"),
    *(".nfs0000000012345", ".fuse_hidden0001", ".ipynb_checkpoints", ".Trash-1000", ".directory", "lost+found"),
    *("@eaDir", "#recycle", "@Recycle", f"{IMAGE}@SynoEAStream", f"{IMAGE}@SynoResource", ".@__thumb", "@tmp"),
    *(f"{IMAGE}:Zone.Identifier", f"{IMAGE}:Zone.Identifier:$DATA", f"{IMAGE}\uf03aZone.Identifier"),
    *(
        f"{IMAGE}:SmartScreen",
        f"{IMAGE}:com.dropbox.attributes",
        f"{IMAGE}:com.apple.quarantine",
        f"{IMAGE}:AFP_AfpInfo",
    ),
    *("Thumbs.db:encryptable", ".picasa.ini", "Picasa.ini", "ZbThumbnail.info", ".stfolder", "~$list.xlsx", ".dropbox"),
]
NO_LITTER = [
    *(IMAGE, "list.txt", "readme", "README.md", "query.mat", "Thumbs.jpg", f"{IMAGE} (1)", f"{IMAGE}.crdownload"),
    *(
        f"{IMAGE}.part",
        f"{IMAGE}~",
        "thumbs",
        "icon.jpg",
        "query",
        "0001_com.apple.x.jpg",
        "checkpoints",
        "@x",
        "~x.jpg",
    ),
    *("0001_c1s1_000001_00 (1).jpg", f"{IMAGE}:other"),
]


@pytest.mark.parametrize("name", LITTER)
def test_litter(name):
    assert is_litter(name)


@pytest.mark.parametrize("name", NO_LITTER)
def test_no_litter(name):
    assert not is_litter(name)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_litter_makes_no_difference_as_file_or_folder(tiny_market, tmp_path, kind):
    root = tiny_market()
    expected = read_all(root)
    for number, name in enumerate(LITTER):
        for place in (root, root / "query", root / "bounding_box_test"):
            if number % 2:
                (place / name).write_bytes(b"litter")
            else:
                (place / name / "query").mkdir(parents=True)
                (place / name / "query" / "x.jpg").write_bytes(b"litter")
    path = root
    if kind == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", root))
    elif kind == "tar":
        path = pack_tar(root, tmp_path / "packed.tar")
    assert read_all(path) == expected


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
@pytest.mark.parametrize("name", [name for name in NO_LITTER if name != IMAGE])
def test_what_is_no_litter_is_refused_by_name(tiny_market, tmp_path, kind, name):
    root = tiny_market(bounding_box_train=[])
    (root / "query" / name).write_bytes(b"x")
    path = root
    if kind == "zip":
        path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", root))
    elif kind == "tar":
        path = pack_tar(root, tmp_path / "packed.tar", prefix="")
    assert f"query/{name}: " in refusal(path)


# ---- zips ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_of_python_is_read_from_several_threads(tiny_market, pack, method):
    root = tiny_market()
    with open_market1501(pack(root, "top/", method)) as data, ThreadPoolExecutor(4) as pool:
        for sample, read in zip(data.gallery * 5, pool.map(data.read, data.gallery * 5)):
            assert read == (root / "bounding_box_test" / sample.name).read_bytes()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("damage", ["byte", "short claim", "long claim"])
def test_damage_of_a_packed_member_is_named(tmp_path, method, damage):
    path, content = tmp_path / "x.zip", np.random.default_rng(0).bytes(3000)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("query/a.jpg", content)
    archive = open_archive(path, ["query"])
    info = archive.files["query"]["a.jpg"]
    if damage == "byte":
        data = bytearray(path.read_bytes())
        data[1500] ^= 0xFF
        path.write_bytes(data)
    else:
        info.file_size += {"short claim": -1, "long claim": 1}[damage]
    with pytest.raises(DatasetError, match=r"x\.zip/query/a\.jpg: cannot be read \(.+\)\. Keep the data set"):
        archive.read("query", "a.jpg")
    archive.close()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_unpacks_to_more_than_it_claims_does_not_fill_the_memory(tmp_path, method):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("query/a.jpg", bytes(2**24))
    data = path.read_bytes().replace((2**24).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    archive = open_archive(path, ["query"])
    with little_memory(), pytest.raises(DatasetError, match="cannot be read"):
        archive.read("query", "a.jpg")
    archive.close()


def test_a_zip_of_names_that_are_no_utf8_is_told(tiny_market, pack):
    path = pack(tiny_market(), "行/")
    path.write_bytes(path.read_bytes().replace("行".encode(), b"\xd0\xd0X"))
    assert "names are marked as UTF-8 and are not. Unpack it and pass the folder" in refusal(path)


# ---- tars ------------------------------------------------------------------------------------------------------------

TARS = {
    "plain": ("x.tar", "w", {}),
    "v7": ("x.tar", "w", {"format": tarfile.USTAR_FORMAT}),
    "gnu": ("x.tar", "w", {"format": tarfile.GNU_FORMAT}),
    "pax": ("x.tar", "w", {"format": tarfile.PAX_FORMAT}),
    "gzip": ("x.tar.gz", "w:gz", {}),
    "tgz": ("x.TGZ", "w:gz", {}),
    "bzip2": ("x.tar.bz2", "w:bz2", {}),
    "xz": ("x.tar.xz", "w:xz", {}),
    "another name": ("x.zip", "w:gz", {}),
    "no suffix": ("x", "w:xz", {}),
}


@pytest.mark.parametrize("kind", TARS)
def test_a_tar_is_read_in_place(tiny_market, tmp_path, kind):
    root = tiny_market()
    expected = read_all(root)
    name, mode, options = TARS[kind]
    path = (
        pack_tar(root, tmp_path / name, mode, prefix="long/" + "n" * 90 + "/" + "m" * 90, **options)
        if kind != "v7"
        else (pack_tar(root, tmp_path / name, mode, **options))
    )
    shutil.rmtree(root)
    before = sorted(tmp_path.rglob("*"))
    assert read_all(path) == expected
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked


@pytest.mark.parametrize("pack_twice", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_a_stream_of_several_parts_is_read_to_its_end(tiny_market, tmp_path, pack_twice):
    root = tiny_market()  # as pigz, pbzip2 and pixz write
    data = pack_tar(root, tmp_path / "x.tar").read_bytes()
    path = tmp_path / "parts"
    path.write_bytes(b"".join(pack_twice(data[start : start + 7000]) for start in range(0, len(data), 7000)))
    assert read_all(path) == read_all(root)


def test_threads_read_the_same_bytes_of_a_tar(tiny_market, tmp_path):
    root = tiny_market()
    with open_market1501(pack_tar(root, tmp_path / "x.tar")) as data, ThreadPoolExecutor(8) as pool:
        for sample, read in zip(data.gallery * 20, pool.map(data.read, data.gallery * 20)):
            assert read == (root / "bounding_box_test" / sample.name).read_bytes()
    with pytest.raises(DatasetError, match="closed file"):
        data.read(data.query[0])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_tar_cut_short_is_refused_when_it_is_opened(tiny_market, tmp_path, mode, keep):
    path = pack_tar(tiny_market(), tmp_path / "x.tar", mode)
    data = path.read_bytes()
    end = int(len(data) * keep)
    if mode == "w":
        end = len(data.rstrip(b"\0")) * end // len(data) // 512 * 512  # between two blocks, where it is seen least
    path.write_bytes(data[:end])
    assert "x.tar: is not a readable tar (" in refusal(path)


def test_a_tar_cut_between_two_members_is_refused(tiny_market, tmp_path):
    path = pack_tar(tiny_market(), tmp_path / "x.tar")
    with tarfile.open(path) as archive:
        borders = [info.offset for info in archive][3:]
    data = path.read_bytes()
    for border in borders:
        path.write_bytes(data[:border])
        assert "damaged or cut short" in refusal(path)


def test_a_damaged_header_does_not_end_the_list_in_silence(tiny_market, tmp_path):
    path = pack_tar(tiny_market(), tmp_path / "x.tar")
    with tarfile.open(path) as archive:
        offset = [info.offset for info in archive][5]
    data = bytearray(path.read_bytes())
    data[offset + 150] ^= 0x01  # in its checksum
    path.write_bytes(data)
    assert "is not a readable tar (a member that is damaged or cut short)" in refusal(path)


def test_a_damaged_end_of_a_packed_tar_is_found(tiny_market, tmp_path):
    path = pack_tar(tiny_market(), tmp_path / "x.tar.gz", "w:gz")
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF  # in the checksum of all
    path.write_bytes(data)
    assert "is not a readable tar (CRC check failed" in refusal(path)


QUERY = member("query/a.jpg")
HOSTILE = {
    "up": ([member("../a.jpg")], "leads out of it ('../a.jpg')"),
    "up inside": ([member("query/../../a.jpg")], "leads out of it"),
    "absolute": ([member("/etc/passwd")], "leads out of it"),
    "drive": ([member("C:/a.jpg")], "leads out of it"),
    "backslashes": ([member("query\\..\\..\\a.jpg")], "leads out of it"),
    "twice": ([QUERY, member("./query/a.jpg")], "x.tar/query/a.jpg: is in the tar twice"),
    "link": ([QUERY, member("query/b.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "is a link"),
    "hard link": ([QUERY, member("query/b.jpg", b"", type=tarfile.LNKTYPE, linkname="query/a.jpg")], "is a link"),
    "device": (
        [QUERY, member("query/b.jpg", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)],
        "is a device or pipe",
    ),
    "pipe": ([QUERY, member("query/b.jpg", b"", type=tarfile.FIFOTYPE)], "is a device or pipe"),
    "folder": ([member("query/b/a.jpg")], "x.tar/query/b/a.jpg: lies in a folder where only images belong"),
    "linked folder": (
        [member("test/a.jpg"), QUERY, member("gallery", b"", type=tarfile.SYMTYPE, linkname="/etc")],
        "x.tar/gallery: is no folder but a link, which is not followed",
    ),
    "nothing": ([member("a.jpg")], "holds none of the folders query/, gallery/"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_tar_is_refused(tmp_path, case, packed):
    inside, what = HOSTILE[case]
    path = tar_of(tmp_path / "x.tar", *inside)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert what in refusal(path, "query", "gallery")


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "head, what",
    [
        (header("query/a.jpg", MAX_FILE_BYTES + 1), "unexpected end of data"),
        (header("x", 2**40), "unexpected end of data|impossible length"),
        (header("x", -512), "negative length|impossible length"),
        (header("query/a.jpg", -1), "negative length"),
        (header("x", 2**30, tarfile.XHDTYPE), "a header of more than 1,048,576 bytes|unexpected end of data"),
        (header("x", 2**30, tarfile.GNUTYPE_LONGNAME), "a header of more than 1,048,576 bytes"),
    ],
)
def test_a_member_that_claims_what_cannot_be_is_refused_in_little_memory(tmp_path, pack, head, what):
    path = tmp_path / "x.tar"
    path.write_bytes(pack(head + bytes(10240)))
    with little_memory(), pytest.raises(DatasetError, match=what):
        open_archive(path, ["query"])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_a_large_image_is_refused_and_other_large_files_are_passed_over(tmp_path, monkeypatch, pack):
    for module in (members, tarred):
        monkeypatch.setattr(module, "MAX_FILE_BYTES", 2**22 - 1)
    large = bytes(2**22)
    for name, what in (("query/a.jpg", "claims 4,194,304 bytes"), ("movie.avi", None)):
        path = tar_of(tmp_path / "x.tar", member(name, large), member("query/b.jpg"))
        path.write_bytes(pack(path.read_bytes()))
        with little_memory():
            if what:
                assert what in refusal(path, "query")
            else:
                archive = open_archive(path, ["query"])
                assert archive.read("query", "b.jpg") == b"x"
                archive.close()


def test_a_packed_tar_of_more_images_than_the_memory_may_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tarred, "MAX_HELD_BYTES", 2**20)
    images = [member(f"query/{number}.jpg", np.random.default_rng(number).bytes(2**18)) for number in range(6)]
    path = tar_of(tmp_path / "x.tar", *images)
    assert len(open_archive(path, ["query"]).files["query"]) == 6  # a plain one holds nothing
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert "images, which would have to be in memory at once. Unpack it and pass the folder" in refusal(path, "query")


def test_an_xz_that_asks_for_more_memory_than_it_may_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tarred, "_XZ_MEMORY", 2**20)
    path = tar_of(tmp_path / "x.tar", QUERY)
    path.write_bytes(lzma.compress(path.read_bytes(), preset=9))
    assert "is not a readable tar (Memory usage limit exceeded)" in refusal(path, "query")


def test_the_limits_of_members_and_of_the_whole(tmp_path, monkeypatch):
    path = tar_of(tmp_path / "x.tar", *(member(f"query/{number}.jpg") for number in range(5)))
    monkeypatch.setattr(tarred, "_MAX_MEMBERS", 4)
    assert "more than 4 members" in refusal(path, "query")
    monkeypatch.setattr(tarred, "_MAX_MEMBERS", 5)
    monkeypatch.setattr(tarred, "_MAX_UNPACKED", 3000)
    assert "impossible length" in refusal(path, "query")


# ---- what is something else ------------------------------------------------------------------------------------------

OTHERS = {
    "rar": (b"Rar!\x1a\x07\x01\x00" + bytes(100), "is a RAR archive", "unrar x FILE"),
    "rar4": (b"Rar!\x1a\x07\x00" + bytes(100), "is a RAR archive", "unrar x FILE"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(100), "is a 7z archive", "7z x FILE"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(100), "is packed by zstd", "tar --zstd -xf FILE"),
    "page": (b"<html>quota</html>", "is a web page (HTML)", "Download it again in a browser"),
    "page with a mark": (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML>", "is a web page (HTML)", "Download it again in a browser"),
    "page with a comment": (b"<!-- x -->\n<HTML lang=en>", "is a web page (HTML)", "Download it again in a browser"),
    "error of a store": (b'<?xml version="1.0"?><Error>', "is a server's message", "download it again"),
    "error of a service": (b'{"error": {"code": 403}}', "is a server's message", "download it again"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of git-lfs", "git lfs pull"),
    "torrent": (b"d8:announce35:udp://x", "is a torrent", "program for torrents"),
    "nothing": (b"", "is an empty file", "Download or copy it again"),
    "text": (
        b"query bounding_box_test\n",
        "is not a readable zip (File is not a zip file), nor a tar",
        "Download it again",
    ),
    "half a zip": (
        b"PK\3\4" + bytes(100),
        "it begins as one, but its list of members cannot be read",
        "in several parts",
    ),
    "gzip of something": (gzip.compress(b"no tar" * 200), "is not a readable tar", "something else"),
    "zeros": (bytes(2048), "is not a readable zip", "something else"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", [f"{VERSION}.zip", "market.tar"])
def test_a_file_of_another_kind_is_told_for_what_it_is(tmp_path, kind, name):
    data, what, cure = OTHERS[kind]
    (tmp_path / name).write_bytes(data)
    message = refusal(tmp_path / name)
    assert message.startswith(f"{tmp_path / name}: ") and what in message and cure in message


def test_a_folder_without_permission_beside_the_data_set_is_passed_over(tiny_market, tmp_path, monkeypatch):
    root = tiny_market("outer/inner")
    locked = tmp_path / "outer" / "a locked one"
    locked.mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path) == str(locked):  # the tests may run as root, whom no permission stops
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert read_all(tmp_path / "outer") == read_all(root)
    assert "cannot be listed (Permission denied)" in refusal(locked)


@pytest.mark.skipif(not shutil.which("tar"), reason="no tar")
def test_a_tar_of_the_system_is_read(tiny_market, tmp_path):
    root = tiny_market()
    subprocess.run(["tar", "-czf", str(tmp_path / "x.tgz"), "-C", str(root.parent), root.name], check=True)
    assert read_all(tmp_path / "x.tgz") == read_all(root)
