"""Threads that have no database, and the one that has."""

import threading

import pytest

from syncs.engine.backfill.desk import Desk, StoppedError


def in_thread(work):
    """Run in a thread; return it and the list into which its answer or error goes."""
    got = []

    def run():
        try:
            got.append(work())
        except Exception as error:  # noqa: BLE001 - looked at by the test
            got.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, got


def test_a_job_is_done_by_the_thread_that_made_the_desk():
    desk = Desk()
    thread, got = in_thread(lambda: desk.ask(threading.get_ident))

    while thread.is_alive():
        desk.serve(0.01)

    assert got == [threading.get_ident()]


def test_an_error_of_a_job_goes_to_whoever_asked():
    desk = Desk()
    thread, got = in_thread(lambda: desk.ask(lambda: 1 // 0))

    while thread.is_alive():
        desk.serve(0.01)

    assert isinstance(got[0], ZeroDivisionError)


def test_an_error_of_a_posted_job_ends_the_loop():
    desk = Desk()
    desk.post(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        desk.serve(0.01)


@pytest.mark.parametrize("what", ["ask", "pause"])
def test_who_waits_leaves_when_the_work_is_ended(what):
    desk = Desk()
    thread, got = in_thread((lambda: desk.ask(int)) if what == "ask" else (lambda: desk.pause(60)))

    desk.close()
    thread.join(5)

    assert isinstance(got[0], StoppedError)


def test_jobs_run_side_by_side():
    desk, both = Desk(), threading.Barrier(2, timeout=5)

    assert [number >= 0 for number in desk.together([both.wait, both.wait])] == [True, True]
