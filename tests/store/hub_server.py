"""A Hub on this computer: as much of its protocol as uploading and downloading a model folder speaks."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import yaml

LARGE = (".safetensors", ".npz")


class Hub:
    """Repositories by id, each with its branches: a commit, and its files as bytes by path."""

    def __init__(self):
        self.branches, self.commits, self.messages, self.large = {}, {}, {}, {}
        self.log, self.tokens = [], set()
        self.private, self.refused = {}, None
        self.status = None  # of all answers

    def create(self, repo_id):
        """Make a repository with an empty first commit."""
        self.branches[repo_id] = {"main": None}
        self.commit(repo_id, "main", {}, "initial commit")

    def commit(self, repo_id, branch, files, message):
        """Make ``files`` the content of a branch."""
        name = hashlib.sha1(repr((repo_id, branch, message, len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[name], self.messages[name] = files, message
        self.branches[repo_id][branch] = name
        return name

    def publish(self, repo_id, folder, *, branches=("main",)):
        """Put a folder there without a client."""
        self.create(repo_id)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for branch in branches:
            self.commit(repo_id, branch, files, "by hand")

    def files(self, repo_id, revision="main"):
        """Files of a branch or a commit; `None` if there is no such thing."""
        return self.commits.get(self.resolve(repo_id, revision))

    def resolve(self, repo_id, revision):
        """Commit of a branch or commit."""
        return revision if revision in self.commits else self.branches.get(repo_id, {}).get(revision)


class RefusedError(Exception):
    """Answered with a status and a sentence."""

    def __init__(self, status, error, **more):
        self.status, self.content = status, {"error": error, **more}


class Handler(BaseHTTPRequestHandler):
    """Answers from a `Hub`."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args, hub, **kwargs):
        self.hub = hub
        super().__init__(*args, **kwargs)

    def do_GET(self):
        self.answer(
            {
                r"/api/models/([^/]+/[^/]+)": self.info,
                r"/api/models/([^/]+/[^/]+)/revision/([^/]+)": self.info,
                r"/api/models/([^/]+/[^/]+)/tree/([^/]+)": self.tree,
                r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)": self.content,
            }
        )

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self.answer(
            {
                r"/api/repos/create": self.create,
                r"/api/validate-yaml": self.validate,
                r"/api/models/([^/]+/[^/]+)/branch/([^/]+)": self.branch,
                r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)": self.preupload,
                r"/api/models/([^/]+/[^/]+)/commit/([^/]+)": self.commit,
                r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch": self.batch,
                r"/verify": self.verify,
            }
        )

    def do_PUT(self):
        self.answer({r"/large/(\w+)": self.upload})

    def answer(self, routes):
        path = urlsplit(self.path).path
        self.hub.log.append((self.command, unquote(path)))
        self.hub.tokens.add(self.headers.get("Authorization"))
        self.body = self.read()
        try:
            if self.hub.refused is not None and self.hub.refused in path:
                raise RefusedError(403, "You have no right to write here.")
            if self.hub.status is not None:
                raise RefusedError(self.hub.status, "This Hub is not well.")
            for pattern, function in routes.items():
                if found := re.fullmatch(pattern, path):
                    return self.send(200, *function(*map(unquote, found.groups())))
            raise RefusedError(404, "There is no such thing.")
        except RefusedError as refusal:
            codes = {404: "RepoNotFound", 410: "RevisionNotFound"} | (
                {401: "RepoNotFound", 403: "GatedRepo"} if self.hub.status else {}
            )
            code = codes.get(refusal.status)
            status = 404 if code == "RevisionNotFound" else refusal.status
            return self.send(status, refusal.content, {"X-Error-Code": code} if code else {})

    def read(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def send(self, status, content, headers=None):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def found(self, repo_id, revision):
        files = self.hub.files(repo_id, revision)
        if files is None and repo_id in self.hub.branches:
            raise RefusedError(410, "Revision Not Found")
        if files is None:
            raise RefusedError(404, "Repository Not Found")
        return files

    def info(self, repo_id, revision="main"):
        files = self.found(repo_id, revision)
        siblings = [{"rfilename": name} for name in files]
        return ({"id": repo_id, "sha": self.hub.resolve(repo_id, revision), "siblings": siblings},)

    def tree(self, repo_id, revision):
        files = self.found(repo_id, revision)
        return (
            [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in sorted(files.items())
            ],
        )

    def content(self, repo_id, revision, name):
        files = self.found(repo_id, revision)
        if name not in files:
            raise RefusedError(404, "Entry not found")
        tag = hashlib.sha1(files[name]).hexdigest()
        return files[name], {"ETag": f'"{tag}"', "X-Repo-Commit": self.hub.resolve(repo_id, revision)}

    def create(self):
        asked = json.loads(self.body)
        repo_id = f"{asked['organization']}/{asked['name']}"
        place = {"url": f"{self.address}/{repo_id}"}
        if repo_id in self.hub.branches:
            raise RefusedError(409, "You already created this model repo", **place)
        self.hub.create(repo_id)
        self.hub.private[repo_id] = asked.get("visibility") == "private" or bool(asked.get("private"))
        return (place,)

    def validate(self):
        text = json.loads(self.body)["content"]
        front = yaml.safe_load(text.split("---")[1]) if text.startswith("---\n") else None
        if not isinstance(front, dict) or "license" not in front:
            raise RefusedError(400, "no license in the front matter")
        return ({"errors": [], "warnings": []},)

    def branch(self, repo_id, name):
        if name in self.hub.branches[repo_id]:
            raise RefusedError(409, "Reference already exists")
        self.hub.branches[repo_id][name] = self.hub.branches[repo_id]["main"]
        return ({},)

    def preupload(self, repo_id, revision):
        self.found(repo_id, revision)
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(self.body)["files"]
        ]
        return ({"files": modes},)

    def batch(self, _repo_id):
        objects = [
            {
                **asked,
                "actions": {
                    "upload": {"href": f"{self.address}/large/{asked['oid']}", "header": {}},
                    "verify": {"href": f"{self.address}/verify"},
                },
            }
            for asked in json.loads(self.body)["objects"]
        ]
        return ({"transfer": "basic", "objects": objects},)

    def upload(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise RefusedError(400, "The content is not that of its name.")
        self.hub.large[oid] = self.body
        return (b"",)

    def verify(self):
        asked = json.loads(self.body)
        if len(self.hub.large.get(asked["oid"], b"")) != asked["size"]:
            raise RefusedError(400, "The content has another size.")
        return ({},)

    def commit(self, repo_id, revision):
        files, message = dict(self.found(repo_id, revision)), ""
        for line in self.body.splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "header":
                message = value["summary"]
            elif step["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif step["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif step["key"] == "deletedFile":
                del files[value["path"]]
        name = self.hub.commit(repo_id, revision, files, message)
        return ({"success": True, "commitOid": name, "commitUrl": f"{self.address}/{repo_id}/commit/{name}"},)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def log_message(self, *_):
        """Keep quiet."""


@contextlib.contextmanager
def local_hub(monkeypatch, cache):
    """Serve an empty `Hub` for a block, and make it the one that huggingface_hub knows, with its cache at ``cache``."""
    from huggingface_hub import constants

    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, hub=hub))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
