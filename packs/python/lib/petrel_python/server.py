"""A prewarmed process: everything an action needs is loaded, and every run is a
fork of it: python -u .../petrel_python/server.py

3 is a socket to Petrel, with lines of JSON. Petrel says

  {"op": "start", "id": 7}   with five descriptors: the request, standard output and
                             error, the result, the socket of action_service
  {"op": "reap", "id": 7}    the number of the process may be used again

and is told {"id": 7, "pid": 123}, or {"id": 7, "error": "..."}, and then
{"id": 7, "exit": 0}, minus the number of the signal when one ended it. A run is
not reaped before it is asked for, so that its number means nobody else while
somebody may want to end it. When Petrel is gone, the runs are ended.
"""

import array
import atexit
import ctypes
import gc
import io
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time

_HERE = os.path.dirname(os.path.abspath(__file__))
LIB = os.path.dirname(_HERE)
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != _HERE]

from petrel_python import run  # noqa: E402

FILES = 5  # descriptors of a start
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Server:
    def __init__(self, fd):
        self.pid = os.getpid()
        self.socket = socket.socket(fileno=fd)
        os.set_inheritable(fd, False)
        self.runs = {}  # id -> pid
        self.ended = set()  # ids whose end was told
        self.text = b""
        self.files = []
        self.wake, wakeup = socket.socketpair()
        self.wakeup = wakeup
        for s in (self.wake, wakeup):
            s.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.selector.register(self.wake, selectors.EVENT_READ)

    def serve(self):
        """Returns the descriptors of a run in the process of the run, and None in
        this one when Petrel is gone.
        """
        self.tell({"ready": "%d.%d" % sys.version_info[:2]})
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.wake:
                    self.wake.recv(4096)
                    self.notice_ends()
                elif not self.receive():
                    self.end_all()
                    return None
            while b"\n" in self.text:
                line, self.text = self.text.split(b"\n", 1)
                files = self.obey(json.loads(line.decode("utf-8")))
                if files is not None:
                    return files

    def receive(self):
        """Takes in what Petrel says; False when it is gone."""
        size = array.array("i").itemsize
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        try:
            text, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(16 * FILES * size), flags)
        except InterruptedError:
            return True
        except OSError:
            return False
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(data[: len(data) - len(data) % size])
                for fd in fds:
                    os.set_inheritable(fd, False)
                self.files.extend(fds)
        self.text += text
        return bool(text)

    def obey(self, message):
        number = message["id"]
        if message["op"] == "reap":
            pid = self.runs.pop(number, None)
            self.ended.discard(number)
            if pid is not None:
                os.waitpid(pid, 0)
            return None
        files, self.files = self.files[:FILES], self.files[FILES:]
        try:
            pid = os.fork()
        except OSError as error:
            pid = -1
            self.tell({"id": number, "error": "no process could be started: %s" % error})
        if pid == 0:
            self.become_run()
            return files
        for fd in files:
            os.close(fd)
        if pid > 0:
            self.runs[number] = pid
            self.tell({"id": number, "pid": pid})
            self.notice_ends()  # its signal may have come before it was noted
        return None

    def become_run(self):
        """Makes this process one that knows nothing of the server."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for s in (self.socket, self.wake, self.wakeup):
            s.close()
        for fd in self.files:  # of runs that begin after this one
            os.close(fd)
        # What the action starts stays below it, and it ends with the server.
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.pid:
            os._exit(1)

    def notice_ends(self):
        for number, pid in list(self.runs.items()):
            if number in self.ended:
                continue
            info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if info is None:
                continue
            self.ended.add(number)
            code = info.si_status if info.si_code == os.CLD_EXITED else -info.si_status
            self.tell({"id": number, "exit": code})

    def tell(self, message):
        try:
            self.socket.sendall(json.dumps(message).encode("ascii") + b"\n")
        except OSError:
            pass  # it is gone, which receive finds out

    def end_all(self):
        for sig, pause in ((signal.SIGTERM, 0.5), (signal.SIGKILL, 0)):
            for number, pid in self.runs.items():
                if number not in self.ended:
                    try:
                        os.killpg(pid, sig)
                    except OSError:
                        pass
            if len(self.runs) > len(self.ended):
                time.sleep(pause)


def prctl(option, value):
    """Asks the kernel for something that only Linux has."""
    if _libc is not None:
        _libc.prctl(option, value, 0, 0, 0)


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def main():
    base = [p for p in sys.path if os.path.abspath(p) != LIB]
    server = Server(3)
    gc.collect()
    gc.freeze()  # what is there now is shared by all runs and not looked at again
    files = server.serve()
    if files is None:
        return
    request_fd, out, err, result_fd, service_fd = files
    for fd, place in ((request_fd, 0), (out, 1), (err, 2)):
        os.dup2(fd, place)
        os.close(fd)
    request = run.read_request(0)
    os.environ.clear()
    os.environ.update(request["env"])
    if "TZ" in os.environ:
        time.tzset()
    sys.path[:] = request["path"] + base
    before = set(sys.modules)
    code = 0
    try:
        run.execute(request, result_fd, service_fd)
    except SystemExit as stop:
        code = exit_code(stop.code)
    except BaseException:  # noqa: B902  as the interpreter itself does
        sys.excepthook(*sys.exc_info())
        code = 1
    del request
    end_run(code, before)


def exit_code(code):
    """Returns the exit code that sys.exit(code) means."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def end_run(code, before):
    """Ends the process of a run as an interpreter ends, except that it leaves alone
    what it shares with the server: taking that apart takes longer than most runs.
    """
    threading._shutdown()  # waits for threads
    atexit._run_exitfuncs()
    run.flush()
    for thing in gc.get_objects():  # what came after gc.freeze
        if issubclass(type(thing), io.IOBase):
            try:
                thing.flush()
            except Exception:  # closed already, or nobody reads
                pass
    for name in set(sys.modules) - before:
        sys.modules.pop(name, None)
    gc.collect()  # what only the run had is finalised
    os._exit(code)


if __name__ == "__main__":
    main()
