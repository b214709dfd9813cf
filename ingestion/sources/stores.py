"""Stores of files: a folder, a tar archive or a zip archive, behind one interface.

Where a file can be read in place on disk (a folder, a plain tar, a zip), an entry carries a `Span`
instead of bytes: worker processes then read, and inflate, in parallel. A compressed tar can only be
streamed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

from foundation.errors import DatasetError, UsageError


class Span(NamedTuple):
    """Location of a file's bytes on disk; cheap to send to a worker."""

    file: str
    """Path of the file to open."""
    offset: int
    """First byte."""
    stored_bytes: int
    """Number of bytes to read."""
    deflated: bool = False
    """Whether the bytes are a raw deflate stream, as in a zip archive."""
    crc32: int | None = None
    """CRC-32 of the content, where the archive records one."""

    def read(self) -> bytes:
        """Reads the content, inflated if needed.

        Raises:
            OSError: the file cannot be read.
            ValueError: the bytes in an archive are damaged.
        """
        with open(self.file, "rb", buffering=0) as file:
            data = os.pread(file.fileno(), self.stored_bytes, self.offset)
            while len(data) < self.stored_bytes:  # one pread gives at most 2 GiB
                more = os.pread(
                    file.fileno(), self.stored_bytes - len(data), self.offset + len(data)
                )
                if not more:
                    break
                data += more
        if self.deflated:
            try:
                data = zlib.decompress(data, wbits=-zlib.MAX_WBITS)
            except zlib.error as error:
                raise ValueError(f"damaged in the archive ({error})") from error
        if self.crc32 is not None and zlib.crc32(data) != self.crc32:
            raise ValueError("damaged in the archive (wrong checksum)")
        return data


_IGNORED_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini", "ehthumbs.db"})
_ARCHIVE_KINDS = "a folder, or a .tar, .tar.gz, .tgz or .zip archive"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_ZIP_LOCAL_HEADER_BYTES = 30


class Entry(NamedTuple):
    """A file of a store."""

    path: str
    """Relative to the store, with "/" between parts; undecodable bytes are surrogate escapes."""
    num_bytes: int
    """Size of the content."""
    content: Span | Callable[[], bytes]
    """Where the content lies; or, in a stream, a function to call before the next entry."""
    changed_ns: int | None = None
    """Modification time of a file of a folder, in nanoseconds."""
    problem: str = ""
    """Why the content cannot be had, such as a link in an archive."""

    def read(self) -> bytes:
        """Returns the content."""
        return self.content.read() if isinstance(self.content, Span) else self.content()


class Store(Protocol):
    """A collection of files."""

    def walk(self) -> Iterator[Entry]:
        """Yields every regular file that is not hidden, always in the same order.

        Raises:
            DatasetError: the store is damaged or cannot be read.
        """
        ...


def open_store(source: Path) -> Store:
    """Opens a folder or an archive, recognised by its content and not by its name.

    Raises:
        UsageError: the path does not exist.
        DatasetError: it is neither a folder nor an archive.
    """
    if source.is_dir():
        return FolderStore(source)
    if _ADDRESS.match(str(source)) and not source.exists():
        address = str(source).replace(":/", "://", 1)  # pathlib makes one slash of two
        raise UsageError(f"{address} is an address: download it, and give {_ARCHIVE_KINDS}.")
    if not source.exists():
        raise UsageError(f"{source} does not exist: give {_ARCHIVE_KINDS}.")
    try:
        with source.open("rb") as file:
            head = file.read(512)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return ZipStore(source)
        if opener := _decompressor(head):
            return CompressedTarStore(source, opener)
        if tarfile.is_tarfile(source):
            return TarStore(source)
    except OSError as error:
        raise DatasetError(f"{source} cannot be read: {error.strerror}.") from error
    raise DatasetError(
        f"{source} is neither a folder nor an archive that can be opened: give {_ARCHIVE_KINDS}."
    )


class FolderStore:
    """A folder with all its sub-folders, in the order of names."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def walk(self) -> Iterator[Entry]:
        """See `Store.walk`. Links are followed; one into an enclosing folder is an error."""
        yield from self._walk(str(self._root), "", ())

    def _walk(self, folder: str, prefix: str, parents: tuple[str, ...]) -> Iterator[Entry]:
        parents = (*parents, os.path.realpath(folder))
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            raise DatasetError(f"{folder} cannot be read: {error.strerror}.") from error
        for entry in entries:
            if _is_ignored(entry.name):
                continue
            path = prefix + entry.name
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError as error:  # a link to itself
                raise DatasetError(f"{entry.path} cannot be read: {error.strerror}.") from error
            if is_folder:
                # At once: folders that link to each other have endless paths before any repeats.
                if entry.is_symlink() and (target := os.path.realpath(entry.path)) in parents:
                    raise DatasetError(
                        f"{entry.path} is a link to {target}, in which it lies itself: remove it."
                    )
                yield from self._walk(entry.path, path + "/", parents)
            elif is_file:  # not a pipe or device, which would block
                status = entry.stat()
                span = Span(entry.path, 0, status.st_size)
                yield Entry(path, status.st_size, span, status.st_mtime_ns)


class TarStore:
    """An uncompressed tar archive: listed by its headers, read in place."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def walk(self) -> Iterator[Entry]:
        """See `Store.walk`."""
        try:
            with self._file.open("rb") as file:
                for path, member, read in _tar_members(file, seekable=True):
                    span = Span(str(self._file), member.offset_data, member.size)
                    problem = _tar_problem(member)
                    yield Entry(path, member.size, read if problem else span, problem=problem)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise _damaged(self._file, error) from error


class CompressedTarStore:
    """A compressed tar archive, decompressed from its start on every walk by `opener`."""

    def __init__(self, file: Path, opener: Callable[[Path], IO[bytes]]) -> None:
        self._file = file
        self._opener = opener

    def walk(self) -> Iterator[Entry]:
        """See `Store.walk`."""
        try:
            with self._opener(self._file) as stream:
                for path, member, read in _tar_members(stream, seekable=False):
                    yield Entry(path, member.size, read, problem=_tar_problem(member))
                while stream.read(1 << 20):  # to the end, where the checksum is
                    pass
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise _damaged(self._file, error) from error


class ZipStore:
    """A zip archive. Its directory of names is held in memory."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def walk(self) -> Iterator[Entry]:
        """See `Store.walk`."""
        try:
            with zipfile.ZipFile(self._file) as archive, self._file.open("rb") as raw:
                for info in archive.infolist():
                    path = _clean(_zip_name(info))
                    if info.is_dir() or not path:
                        continue
                    if info.flag_bits & 1:
                        raise DatasetError(
                            f"{self._file} is protected by a password: unpack it and give the "
                            "folder."
                        )
                    problem = ""
                    if stat.S_ISLNK(info.external_attr >> 16):
                        target = archive.read(info).decode("utf-8", "surrogateescape")
                        problem = _link_problem("link", target)
                    content = self._content(archive, raw, info)
                    yield Entry(path, info.file_size, content, problem=problem)
        except (zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
            raise _damaged(self._file, error) from error

    def _content(
        self, archive: zipfile.ZipFile, raw: IO[bytes], info: zipfile.ZipInfo
    ) -> Span | Callable[[], bytes]:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return lambda: archive.read(info)
        # The data follows a local header, whose variable fields may differ from the directory's.
        raw.seek(info.header_offset)
        header = raw.read(_ZIP_LOCAL_HEADER_BYTES)
        if len(header) < _ZIP_LOCAL_HEADER_BYTES or not header.startswith(b"PK\x03\x04"):
            raise zipfile.BadZipFile("a file's header is missing")
        variable = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        return Span(
            str(self._file),
            info.header_offset + _ZIP_LOCAL_HEADER_BYTES + variable,
            info.compress_size,
            info.compress_type == zipfile.ZIP_DEFLATED,
            info.CRC,
        )


def _tar_members(
    file: IO[bytes], *, seekable: bool
) -> Iterator[tuple[str, tarfile.TarInfo, Callable[[], bytes]]]:
    """Yields path, header and a reader of each regular file or link, without keeping a list."""
    with tarfile.open(
        None, "r:" if seekable else "r|", file, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # it keeps all: 1 KB per file
            path = _clean(member.name)
            is_link = member.issym() or member.islnk()
            if not (member.isfile() or is_link) or member.issparse() or not path:
                continue

            def read(member: tarfile.TarInfo = member) -> bytes:
                extracted = archive.extractfile(member)
                data = extracted.read() if extracted else b""
                if len(data) != member.size:
                    raise tarfile.ReadError("unexpected end of data")
                return data

            yield path, member, read
        # tarfile does not notice a file that ends between two members.
        if seekable:
            file.seek(archive.offset)
            if len(file.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
                raise tarfile.ReadError("the end-of-archive mark is missing")


def _tar_problem(member: tarfile.TarInfo) -> str:
    if member.issym():
        return _link_problem("link", member.linkname)
    return _link_problem("hard link", member.linkname) if member.islnk() else ""


def _link_problem(kind: str, target: str) -> str:
    return f"a {kind} in the archive, to {target}, which is not followed: add the file itself"


def _decompressor(head: bytes) -> Callable[[Path], IO[bytes]] | None:
    if head.startswith(b"\x1f\x8b"):
        return lambda file: cast(IO[bytes], gzip.open(file))
    if head.startswith(b"BZh"):
        return lambda file: cast(IO[bytes], bz2.open(file))
    if head.startswith(b"\xfd7zXZ"):
        return lambda file: cast(IO[bytes], lzma.open(file))
    return None


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in _IGNORED_NAMES


def _clean(path: str) -> str:
    """Returns the path without "./" and doubled slashes, or "" if it is to be ignored."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "" if any(_is_ignored(part) for part in parts) else "/".join(parts)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Returns the name as UTF-8, which many archives use without setting the flag."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _damaged(file: Path, error: Exception) -> DatasetError:
    if isinstance(error, OSError) and error.errno is not None:
        return DatasetError(f"{file} cannot be read: {error.strerror}.")
    return DatasetError(
        f"{file} is damaged or was not downloaded to its end ({error}): get it again."
    )
