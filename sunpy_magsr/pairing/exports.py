"""Requests to the archive for files, which are repeated where the network or the server fails."""

import http.client
import json
import re
import time
from urllib.error import HTTPError, URLError

import drms

from sunpy_magsr.atomic import whole_file

__all__ = ["Exports", "make_client", "persistently"]

_ATTEMPTS = 6
_T_REC = re.compile(r"\[(\d{4}\.\d\d\.\d\d_\d\d:\d\d:\d\d(?:_TAI)?)\]")
_SERVER_ERROR = 500


def make_client(email, *, wait, server=None):
    """
    Make a client of the archive.

    Parameters
    ----------
    email : `str`
        E-mail address that is registered at the archive.
    wait : `float`
        Seconds before a second attempt to reach the archive; see `persistently`.
    server : `str`, optional
        Base URL of another server with the protocol of JSOC. By default it is JSOC.

    Returns
    -------
    `drms.Client`
        The client, which asks with this address.

    Raises
    ------
    ValueError
        If the address is not registered.
    OSError
        If the archive does not answer.
    """
    config = "jsoc" if server is None else _config(server)
    try:
        return persistently(lambda: drms.Client(config, email=email), wait=wait)
    except ValueError as error:
        msg = f"email must be an address that is registered at JSOC, got {email!r}."
        raise ValueError(msg) from error


def _config(server):
    base = server.rstrip("/") + "/"
    return drms.ServerConfig(
        name="custom",
        cgi_baseurl=f"{base}cgi-bin/ajax/",
        cgi_show_series="show_series",
        cgi_jsoc_info="jsoc_info",
        cgi_jsoc_fetch="jsoc_fetch",
        cgi_check_address="checkAddress.sh",
        http_download_baseurl=base,
    )


def persistently(function, *, wait, attempts=_ATTEMPTS):
    """
    Call a function again as long as the network or the server fails.

    Parameters
    ----------
    function : callable
        Function without arguments that asks the server.
    wait : `float`
        Seconds before the second attempt. The time doubles before each further one.
    attempts : `int`
        How often the function is called at most. Defaults to 6.

    Returns
    -------
    object
        What the function returns.

    Raises
    ------
    OSError
        If the last attempt failed too, or at once if the server answers with an error of the request (HTTP 4xx).
    """
    for attempt in range(attempts):
        try:
            return function()
        except HTTPError as error:
            error.close()
            if error.code < _SERVER_ERROR or attempt == attempts - 1:
                raise
        except (URLError, ConnectionError, TimeoutError, http.client.HTTPException, json.JSONDecodeError) as error:
            if attempt == attempts - 1:
                msg = f"the archive does not answer after {attempts} attempts: {error}"
                raise OSError(msg) from error
        time.sleep(wait * 2**attempt)
    return None


class Exports:
    """
    Requests for files that the archive prepares.

    The requests are stored in a file, so that after an interruption the next run continues with the same requests.

    Parameters
    ----------
    client : `drms.Client`
        Client of the archive.
    path : `pathlib.Path`
        JSON file in which the requests are stored: series and nominal times by the id of the request.
    wait : `float`
        Seconds before a second attempt; see `persistently`. Between two questions whether the files are ready, five
        times as many seconds pass.
    """

    def __init__(self, client, path, *, wait):
        self.client, self.path, self.wait = client, path, wait
        self._known = json.loads(path.read_text()) if path.is_file() else {}

    def urls(self, frames):
        """
        Ask for the files of frames, and wait until the archive has prepared them.

        Parameters
        ----------
        frames : `list` of `~sunpy_magsr.pairing.records.Frame`
            Frames of one series.

        Returns
        -------
        `dict`
            URL of each file, by the nominal time of its frame. Files that the archive does not have are missing in it.

        Raises
        ------
        drms.DrmsExportError
            If the archive refuses the request; the message says why.
        OSError
            If the archive does not answer.
        """
        wanted = {frame.t_rec for frame in frames}
        found = {}
        for request_id, facts in list(self._known.items()):
            if facts["series"] == frames[0].series.name and wanted & set(facts["t_rec"]) - set(found):
                found |= self._of_known(request_id)
        missing = sorted(wanted - set(found))
        if missing:
            request = self._submit(frames[0].series, missing)
            found |= self._finished(request)
        return {t_rec: url for t_rec, url in found.items() if t_rec in wanted}

    def forget(self, frames):
        """
        Forget the requests of frames whose URLs have failed, so that `urls` asks for their files again.

        Parameters
        ----------
        frames : `list` of `~sunpy_magsr.pairing.records.Frame`
            The frames.
        """
        gone = {(frame.series.name, frame.t_rec) for frame in frames}
        for request_id, facts in list(self._known.items()):
            if any((facts["series"], t_rec) in gone for t_rec in facts["t_rec"]):
                self._remember(request_id, None)

    def _of_known(self, request_id):
        try:
            request = persistently(lambda: self.client.export_from_id(request_id), wait=self.wait)
            return self._finished(request)
        except drms.DrmsError:  # the archive keeps requests for some days only
            self._remember(request_id, None)
            return {}

    def _submit(self, series, times):
        records = f"{series.name}[{','.join(times)}]{{{series.segment}}}"
        options = {"method": "url", "protocol": "fits"}
        request = persistently(lambda: self.client.export(records, **options), wait=self.wait)
        if request.id is not None:
            self._remember(request.id, {"series": series.name, "t_rec": list(times)})
        return request

    def _finished(self, request):
        persistently(lambda: request.wait(sleep=5 * self.wait), wait=self.wait)
        found = {}
        for _, row in request.urls.iterrows():
            match = _T_REC.search(str(row["record"]))
            if match:
                found[f"{match[1].removesuffix('_TAI')}_TAI"] = row["url"]
        return found

    def _remember(self, request_id, facts):
        self._known = {key: value for key, value in self._known.items() if key != request_id}
        if facts:
            self._known[request_id] = facts
        with whole_file(self.path) as stream:
            stream.write((json.dumps(self._known, indent=1) + "\n").encode())
