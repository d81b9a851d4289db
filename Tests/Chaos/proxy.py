"""A TCP proxy between nodes and their control plane that can be told to misbehave."""

import selectors
import socket
import threading
import time


class Proxies:
    """Several as one."""

    def __init__(self, *proxies):
        self.proxies = list(proxies)

    def add(self, proxy):
        self.proxies.append(proxy)
        return proxy

    def set(self, mode):
        for proxy in self.proxies:
            proxy.set(mode)

    def drop(self):
        for proxy in self.proxies:
            proxy.drop()


class FaultProxy:
    """Modes: `pass`; `cut` (refuses and closes); `hole` (accepts, forwards nothing either way); `deaf` (requests go
    through, answers do not); `slow` (each chunk waits 100 ms)."""

    def __init__(self, port, target):
        self.target = target
        self.mode = "pass"
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.pairs = set()
        self.lock = threading.Lock()
        self.closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def set(self, mode):
        self.mode = mode
        if mode == "cut":
            self.drop()

    def drop(self):
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.closed = True
        self.listener.close()
        self.drop()

    def accept(self):
        while not self.closed:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.mode == "cut":
                near.close()
                continue
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            near.close()
            return
        pair = (near, far)
        with self.lock:
            self.pairs.add(pair)
        chooser = selectors.DefaultSelector()
        chooser.register(near, selectors.EVENT_READ, far)
        chooser.register(far, selectors.EVENT_READ, near)
        try:
            while not self.closed:
                for key, _ in chooser.select(0.2):
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    while self.mode == "hole" or (self.mode == "deaf" and key.fileobj is far):
                        if pair not in self.pairs:
                            return
                        time.sleep(0.02)
                    if self.mode == "slow":
                        time.sleep(0.1)
                    key.data.sendall(data)
        except OSError:
            pass
        finally:
            chooser.close()
            with self.lock:
                self.pairs.discard(pair)
            near.close()
            far.close()
