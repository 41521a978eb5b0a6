"""SIGINT and SIGTERM: the first is a wish, the second ends at once."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from selfplay.signals import StopRequest

CODE = """
import sys, time
from selfplay.signals import StopRequest
with StopRequest() as stop:
    print("ready", flush=True)
    while not stop.requested or sys.argv[1] == "stubborn":
        time.sleep(0.01)
print("saved", flush=True)
sys.exit(stop.exit_code)
"""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_first_signal_saves_then_exits(signum, code):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "x"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signum)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "saved\n")
    assert err.splitlines() == ["stopping: saving after this update (once more to stop at once)"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_at_once(signum):
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, "stubborn"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signum)
    assert process.stderr.readline().startswith("stopping: ")
    process.send_signal(signum)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (-signum, "")


def test_handlers_are_put_back_and_threads_do_without():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGTERM) != before
        assert (stop.requested, stop.exit_code) == (False, 0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.requested, stop.exit_code) == (True, 143)
    assert signal.getsignal(signal.SIGTERM) == before

    seen = []

    def work():
        with StopRequest() as stop:
            stop.request(signal.SIGINT)
            seen.append(stop.exit_code)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [130]
    assert signal.getsignal(signal.SIGTERM) == before
