"""JSOC on this computer: as much of its protocol as drms speaks to find, export and download files."""

import collections
import contextlib
import datetime
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from astropy.io import fits

RECORDS = re.compile(r"(?P<series>[\w.]+)\[(?P<times>[^\]]+)\](\{(?P<segment>\w+)\})?")
TYPES = {"T_REC": "time", "T_OBS": "time", "QUALITY": "int", "MISSVALS": "int"}


def instant(text):
    return datetime.datetime.strptime(text.removesuffix("_TAI"), "%Y.%m.%d_%H:%M:%S")


def record_of(path):
    """Keywords that the archive lists for a file."""
    with fits.open(path) as hdus:
        header = hdus[-1].header
    quality = f"0x{int(header.get('QUALITY', 0)):08x}"
    times = {key: header[key] for key in ("T_REC", "T_OBS")}
    return {**times, "QUALITY": quality, "MISSVALS": str(header.get("MISSVALS", 0)), "path": Path(path)}


class JsocServer:
    """
    Series by name, each a list of records: keywords, and the ``path`` of the file.

    What can go wrong is switched on by attributes; numbers count down.
    """

    def __init__(self, series):
        self.series = series
        self.segments = {"mdi.fd_M_96m_lev182": "data", "hmi.M_720s": "magnetogram"}
        self.emails = {"me@example.org"}
        self.requests, self.polls = {}, collections.Counter()
        self.pending = 1  # questions before a request is ready
        self.dropped = self.unavailable = self.garbled = 0  # next answers
        self.broken_off = self.short = 0  # next files
        self.only_files = False  # whether drops and refusals are of files alone
        self.no_file, self.gone, self.refused = set(), set(), set()  # nominal times
        self.delay = 0.0  # seconds, of a file
        self.log, self.served, self.begun = [], collections.Counter(), collections.Counter()
        self.lock = threading.Lock()

    def takes(self, name):
        """Whether the next answer is to fail so."""
        with self.lock:
            left = getattr(self, name)
            setattr(self, name, max(0, left - 1))
            return left > 0

    def query(self, ds, keys):
        match = RECORDS.fullmatch(ds)
        if match is None or match["series"] not in self.series:
            return {"status": 1, "error": f"Cannot find series of {ds}"}
        first, last = (instant(one) for one in match["times"].split("-"))
        rows = [row for row in self.series[match["series"]] if first <= instant(row["T_REC"]) <= last]
        if not rows:
            return {"status": 0, "count": 0}
        found = [{"name": key, "values": [row.get(key, "Invalid KeyLink") for row in rows]} for key in keys]
        return {"status": 0, "count": len(rows), "keywords": found, "segments": [], "links": []}

    def structure(self, ds):
        known = {name.lower(): name for name in self.series}  # the archive takes names in any case
        series = known.get(ds.partition("[")[0].lower())
        if series is None:
            return {"status": 1, "error": f"Series of {ds} does not exist"}
        keywords = [{"name": key, "type": kind, "recscope": "variable"} for key, kind in TYPES.items()]
        segments = [{"name": self.segments[series], "protocol": "fits"}]
        primary = {"primekeys": ["T_REC"], "dbindex": ["T_REC"], "keywords": keywords, "segments": segments}
        numbers = {"status": 0, "retention": 0, "unitsize": 1, "archive": 1, "tapegroup": 0}
        return {"note": "", "links": [], **numbers, **primary}

    def export(self, arguments):
        if arguments["notify"] not in self.emails:
            return {"status": 4, "error": "Email address is not registered"}
        if arguments["protocol"] != "fits" or arguments["method"] != "url":
            return {"status": 4, "error": "only files with headers are here"}
        match = RECORDS.fullmatch(arguments["ds"])
        times = match["times"].split(",")
        if self.refused & set(times):
            return {"status": 4, "error": "the record set cannot be made"}
        rows = {row["T_REC"]: row for row in self.series[match["series"]]}
        request_id = f"JSOC_{len(self.requests):03d}"
        data = []
        for at, name in enumerate(times):
            if name in rows:
                record = f"{match['series']}[{name}]{{{match['segment']}}}"
                file = "NoDataFile" if name in self.no_file else f"{at:04d}.{rows[name]['path'].name}"
                data.append({"record": record, "filename": file, "path": rows[name]["path"], "t_rec": name})
        self.requests[request_id] = data
        return {"status": 2, "requestid": request_id, "method": "url", "protocol": "fits", "wait": 1}

    def status(self, request_id):
        facts = {"requestid": request_id, "method": "url", "protocol": "fits"}
        if request_id not in self.requests:
            return {"status": 5, "error": "the request is unknown or has expired", **facts}
        self.polls[request_id] += 1
        if self.polls[request_id] <= self.pending:
            return {"status": 1, "wait": 1, **facts}
        data = [{key: row[key] for key in ("record", "filename")} for row in self.requests[request_id]]
        return {"status": 0, "dir": f"/SUM1/{request_id}", "count": len(data), "size": 1, "data": data, **facts}

    def file(self, path):
        """Record of a file that was exported; `None` if there is none."""
        _, _, request_id, name = path.split("/")
        rows = [row for row in self.requests.get(request_id, []) if row["filename"] == name]
        return None if not rows or rows[0]["t_rec"] in self.gone else rows[0]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        row = self.server.jsoc.file(unquote(urlsplit(self.path).path))
        self.send_response(200 if row else 404)
        self.send_header("Content-Length", str(row["path"].stat().st_size if row else 0))
        self.end_headers()

    def do_GET(self):
        jsoc = self.server.jsoc
        parts = urlsplit(self.path)
        arguments = {key: values[0] for key, values in parse_qs(parts.query).items()}
        jsoc.log.append(self.path)
        is_file = parts.path.startswith("/SUM1/")
        if is_file or not jsoc.only_files:
            if jsoc.takes("dropped"):
                self.close_connection = True
                return
            if jsoc.takes("unavailable"):
                self.send_error(503)
                return
        if is_file:
            self.send_file(unquote(parts.path))
            return
        answers = {
            "jsoc_info": lambda: (
                jsoc.structure(arguments["ds"])
                if arguments["op"] == "series_struct"
                else jsoc.query(arguments["ds"], arguments["key"].split(","))
            ),
            "jsoc_fetch": lambda: (
                jsoc.export(arguments) if arguments["op"] == "exp_request" else jsoc.status(arguments["requestid"])
            ),
            "checkAddress.sh": lambda: {"status": 2 if unquote(arguments["address"]) in jsoc.emails else 4, "msg": ""},
        }
        body = json.dumps(answers[parts.path.rpartition("/")[2]]()).encode()
        body = body[: len(body) // 2] if jsoc.takes("garbled") else body
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, path):
        jsoc = self.server.jsoc
        row = jsoc.file(path)
        if row is None:
            self.send_error(404)
            return
        content = row["path"].read_bytes()
        if jsoc.takes("short"):
            content = content[: len(content) // 2]
        until = len(content) // 2 if jsoc.takes("broken_off") else len(content)
        jsoc.begun[row["t_rec"], row["path"].name] += 1
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            for start in range(0, until, max(1, until // 4)):
                time.sleep(jsoc.delay / 4)
                self.wfile.write(content[start : min(start + max(1, until // 4), until)])
            self.wfile.flush()
        except OSError:
            return
        if until == len(content) and len(content) == row["path"].stat().st_size:
            jsoc.served[row["path"].name] += 1
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # clients are killed here


@contextlib.contextmanager
def running(jsoc):
    """Serve; yields the base URL."""
    server = Server(("127.0.0.1", 0), Handler)
    server.jsoc = jsoc
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
