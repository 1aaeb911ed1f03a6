"""Of two drivers on one prefix of an object store one works, and a dead one is followed."""

import json
import uuid

import pytest

from curate.engine import lease
from curate.errors import RefusedError, ResourceError
from curate.storage.store import open_store


@pytest.fixture
def store():
    store = open_store(f"memory://lease-{uuid.uuid4().hex}")
    yield store
    store.remove("")


def of_another_host(store, beats=0):
    body = {"host": "elsewhere", "pid": 1, "id": "x", "beats": beats}
    store.replace(".lease-000004", json.dumps(body).encode())


def test_a_lease_is_held_and_given_back(store):
    with lease.held(store) as held:
        assert store.top() == [".lease-000001"]
        held.check()
    assert store.top() == []


def test_a_driver_that_renews_its_lease_excludes_another(store):
    of_another_host(store)
    waits = []

    def wait(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            of_another_host(store, beats=1)

    with pytest.raises(RefusedError, match="pid 1 on 'elsewhere'"), lease.held(store, wait):
        pass
    assert waits == [lease.BEAT, lease.BEAT]
    assert store.top() == [".lease-000004"]


def test_a_lease_that_is_not_renewed_is_taken_over(store):
    of_another_host(store)
    waits = []
    with lease.held(store, waits.append) as held:
        assert store.top() == [held.name] == [".lease-000005"]
    assert sum(waits) >= lease.PATIENCE


def test_a_process_of_this_machine_that_ended_is_not_waited_for(store, monkeypatch):
    monkeypatch.setattr(lease.os, "getpid", lambda: 1 << 30)
    assert lease.Lease(store, 7).take()
    with lease.held(store, pytest.fail) as held:
        assert held.name == ".lease-000008"


def test_a_lost_lease_is_noticed_before_publishing(store):
    with lease.held(store) as held:
        store.replace(".lease-000009", b"{}")
        with pytest.raises(RefusedError, match="another run took over"):
            held.check()


def test_a_store_that_overwrites_is_refused(store, monkeypatch):
    def create(name, data):
        store.replace(name, data)
        return True

    monkeypatch.setattr(store, "create", create)
    with pytest.raises(ResourceError, match="only if it is absent"), lease.held(store):
        pass


@pytest.mark.parametrize("pid", [10**400, -(10**30), "x", None])
def test_a_planted_holder_is_waited_for_like_any_other(store, pid):
    body = {"host": lease.socket.gethostname(), "pid": pid, "id": "x", "beats": 0}
    store.replace(".lease-000004", json.dumps(body).encode())
    waits = []
    with lease.held(store, waits.append) as held:
        assert held.name == ".lease-000005"
    assert sum(waits) >= lease.PATIENCE
