"""Retrieval of the files that a folder of pairs still lacks, batch by batch."""

import contextlib
import time

import drms
from tqdm.auto import tqdm

from sunpy_magsr.pairing.downloads import DamagedFileError, download_files, settle
from sunpy_magsr.pairing.exports import Exports
from sunpy_magsr.pairing.manifest import Manifest
from sunpy_magsr.pairing.records import HMI, MDI

__all__ = ["Retrieval"]

_BATCH = 50  # frames of one request


class Retrieval:
    """
    Downloads into one folder of pairs, which are repeated where they fail.

    Parameters
    ----------
    folder : `pathlib.Path`
        The folder of pairs. It must exist, and no other process may download into it.
    client : `drms.Client`
        Client of the archive.
    workers : `int`
        Number of files that are downloaded at the same time.
    attempts : `int`
        How often the download of a file is tried.
    wait : `float`
        Seconds before the second attempt. The time doubles before each further one.

    Attributes
    ----------
    manifest : `~sunpy_magsr.pairing.manifest.Manifest`
        The table of the folder's files.
    """

    def __init__(self, folder, client, *, workers, attempts, wait):
        self.folder, self.partial = folder, folder / ".partial"
        self.partial.mkdir(exist_ok=True)
        self.workers, self.attempts, self.wait = workers, attempts, wait
        self.manifest = Manifest(folder)
        self.exports = Exports(client, folder / ".requests.json", wait=wait)

    def missing(self, pairs, *, verify):
        """
        Enter pairs into the manifest, and find out which of their files must be downloaded.

        A complete file that a stopped run left among the partial ones is moved to its place.

        Parameters
        ----------
        pairs : `list` of `tuple` of `~sunpy_magsr.pairing.records.Frame`
            MDI and HMI frames.
        verify : `bool`
            Whether to compare the hashes of the files that are there, and not only their sizes.

        Returns
        -------
        `list` of `~sunpy_magsr.pairing.records.Frame`
            Frames whose files must be downloaded.
        """
        missing = []
        for pair in pairs:
            for frame in pair:
                self.manifest.add(pair[0].stamp, frame)
                left = self.partial / frame.file_name
                if left.is_file():
                    with contextlib.suppress(DamagedFileError):  # the download was interrupted
                        self.manifest.done(frame, settle(left, frame, self.folder))
                if not self.manifest.has(frame, verify=verify):
                    missing.append(frame)
        self.manifest.write()
        return missing

    def download(self, missing, *, progress):
        """
        Download the files of frames, and enter into the manifest what became of each.

        Parameters
        ----------
        missing : `list` of `~sunpy_magsr.pairing.records.Frame`
            The frames, as `missing` returns them.
        progress : `bool`
            Whether to show a progress bar on a terminal.
        """
        batches = [
            frames[first : first + _BATCH]
            for frames in ([one for one in missing if one.series is series] for series in (MDI, HMI))
            for first in range(0, len(frames), _BATCH)
        ]
        with tqdm(total=len(missing), desc="fetch", unit="file", disable=None if progress else True) as bar:
            try:
                for batch in batches:
                    self._download(batch, bar)
                    self.manifest.write()
            finally:
                self.manifest.write()

    def _download(self, batch, bar):
        """Download a batch. Files that fail are tried again, those that the server no longer has only once more."""

        def done(frame, facts):
            self.manifest.done(frame, facts)
            bar.update()

        for attempt in range(self.attempts):
            bar.set_postfix_str("the archive prepares files")
            urls = self._urls(batch)
            bar.set_postfix_str("")
            for frame in batch:
                self.manifest.rows[frame.path]["attempts"] += 1
            batch = [frame for frame in batch if frame.t_rec in urls]
            options = {"workers": self.workers, "done": done}
            failed = download_files(urls, batch, self.folder, self.partial, **options) if batch else {}
            gone = [frame for frame, (_, may_help) in failed.items() if not may_help]
            self.exports.forget(gone)  # the archive deletes the files that it has prepared after some days
            for frame, (why, _) in failed.items():
                self.manifest.failed(frame, why)
            batch = [frame for frame in failed if frame not in gone or attempt == 0]
            if not batch:
                return
            if attempt < self.attempts - 1:
                time.sleep(self.wait * 2**attempt)

    def _urls(self, batch):
        """URLs by nominal time. A batch that the archive refuses is halved until the frame that it refuses is known."""
        try:
            urls = self.exports.urls(batch)
        except drms.DrmsError as error:
            if len(batch) > 1:
                half = len(batch) // 2
                return self._urls(batch[:half]) | self._urls(batch[half:])
            urls, why = {}, str(error)
        else:
            why = "the archive has no file of it"
        for frame in batch:
            if frame.t_rec not in urls:
                self.manifest.failed(frame, why)
        return urls
