"""A service for strangers' code as one writes it in an afternoon: it runs what it is sent and checks
nothing. The cases at the service must escape here, or they could not tell ours from this one.
It listens on loopback, answers one request at a time and prints its port."""
import http.server, io, json, os, re, shutil, subprocess, sys, tarfile, tempfile, time, urllib.parse, zlib

PLACE = tempfile.mkdtemp(prefix="sandrun-naive-")
jobs = {}
callers = {}


def unpack_zip(data, folder):
    at = data.find(b"PK\5\6")
    count, at = int.from_bytes(data[at + 10 : at + 12], "little"), int.from_bytes(data[at + 16 : at + 20], "little")
    for _ in range(count):
        number = lambda start, size: int.from_bytes(data[at + start : at + start + size], "little")
        name = data[at + 46 : at + 46 + number(28, 2)].decode().replace("\\", "/")
        local, packed, mode = number(42, 4), number(20, 4), number(38, 4) >> 16
        begin = local + 30 + int.from_bytes(data[local + 26 : local + 28], "little") + int.from_bytes(data[local + 28 : local + 30], "little")
        body = data[begin : begin + packed]
        body = zlib.decompress(body, -15) if number(10, 2) == 8 else body
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if mode & 0o170000 == 0o120000: os.symlink(body.decode(), path)
        else: open(path, "wb").write(body)
        at += 46 + number(28, 2) + number(30, 2) + number(32, 2)


def unpack(name, data, folder):
    if name.endswith((".tar.gz", ".tgz", ".tar")):
        tarfile.open(fileobj=io.BytesIO(data)).extractall(folder, filter="fully_trusted")
    elif name.endswith(".zip"): unpack_zip(data, folder)
    else:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path) or folder, exist_ok=True)
        open(path, "wb").write(data)


def run(folder, manifest):
    program = {"bash": "bash", "node": "node"}.get(manifest.get("interpreter"), "/usr/bin/python3")
    words = [program, manifest.get("entrypoint", "main.py"), *manifest.get("args", [])]
    env = {**os.environ, "HOSTILE_BARE": PLACE}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, timeout=manifest.get("timeout", 20))


class Naive(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_): pass

    def answer(self, status, body, headers={}):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items(): self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(body)

    def caller(self):
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"):
            if self.headers[name]: return self.headers[name]
        return self.client_address[0]

    def handle_one_request(self):
        try: super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError): self.close_connection = True
        except Exception:
            self.close_connection = True
            self.answer(500, {"error": "it broke"})

    def job(self, rest):
        identity, _, path = rest.partition("/")
        return jobs[int(identity)], urllib.parse.unquote(path)

    def do_GET(self):
        _, kind, *rest = self.path.partition("?")[0].split("/", 2)
        if kind == "health": return self.answer(200, {"status": "healthy"})
        if kind == "stats": return self.answer(200, {"your_quota": {"running": callers.get(self.caller(), 0), "waiting": 0}})
        job, path = self.job("".join(rest))
        if kind == "status": return self.answer(200, {"status": "completed", "outcome": job["outcome"]})
        if kind == "logs": return self.answer(200, job["logs"])
        if kind == "outputs": return self.answer(200, {"files": os.listdir(job["folder"])})
        if kind == "download" and path:
            kinds = {"Content-Type": "text/html", "Content-Disposition": "inline; filename=" + path}
            return self.answer(200, open(os.path.join(job["folder"], path), "rb").read(), kinds)
        jobs.pop(job["id"])
        self.answer(200, b"", {"Content-Type": "application/gzip"})

    do_HEAD = do_GET

    def do_DELETE(self):
        self.job(self.path.split("/")[2])
        self.answer(204, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        folder = tempfile.mkdtemp(dir=PLACE)
        manifest = {}
        kind = self.headers["Content-Type"] or "text/plain"
        if kind.startswith("multipart/"): manifest = self.take_form(body, kind, folder)
        elif "json" in kind:
            manifest = json.loads(body)
            open(folder + "/main.py", "w").write(manifest["code"])
        else: open(folder + "/main.py", "wb").write(body)
        identity = len(jobs) + 1
        callers[self.caller()] = callers.get(self.caller(), 0) + 1
        ended = run(folder, manifest) if "sleep(600)" not in str(body) else None
        logs = {"stdout": "" if ended is None else ended.stdout.decode(), "stderr": "" if ended is None else ended.stderr.decode()}
        outcome = {"kind": "exited", "exit_code": 0 if ended is None else ended.returncode}
        jobs[identity] = {"id": identity, "folder": folder, "logs": logs, "outcome": outcome}
        self.answer(202 if self.path.startswith("/submit") else 200, {"job_id": str(identity), "output": logs["stdout"], **logs})

    def take_form(self, body, kind, folder):
        manifest = {}
        for part in body.split(b"--" + kind.partition("boundary=")[2].encode())[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            name = re.search(rb'filename="([^"]*)"', head)
            if name is None: manifest = json.loads(content)
            else: unpack(name[1].decode(), content[:-2], folder)
        return manifest


http.server.HTTPServer.request_queue_size = 512
server = http.server.HTTPServer(("127.0.0.1", 0), Naive)
print(server.server_address[1], flush=True)
import signal
def stop(*_):
    shutil.rmtree(PLACE, ignore_errors=True)
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
server.serve_forever()
