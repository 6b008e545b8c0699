import multiprocessing
import os
import subprocess
import time

from st2common.runners.base_action import Action


class Family(Action):
    """Leaves processes of every kind behind, and says their numbers."""

    def run(self):
        p = subprocess.Popen(["bash", "-c", 'trap "" TERM; sleep 300 & setsid sleep 300 & echo $! $$; wait'], stdout=subprocess.PIPE)
        numbers = p.stdout.readline().decode().split()
        r, w = os.pipe()
        m = multiprocessing.get_context("fork").Process(target=self.daemon, args=(w,))
        m.start()
        numbers.append(os.read(r, 20).decode())
        print("family", *numbers, os.getpid(), flush=True)
        time.sleep(300)

    def daemon(self, w):
        os.setsid()
        if os.fork():
            os._exit(0)
        os.write(w, str(os.getpid()).encode())
        time.sleep(300)
