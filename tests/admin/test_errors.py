"""What is refused or fails says so in words, and where to go on."""

from django.test import Client, RequestFactory
from django.views.defaults import server_error


def test_an_address_without_a_page_leads_to_the_search(page):
    answer = page.get("/admin/nothing/of/this/")

    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()
    assert 'href="/admin/timeline/"' in answer.content.decode()


def test_who_lacks_a_right_reads_who_they_are_and_whom_to_ask(visitor):
    answer = visitor.get("/admin/answer-times/")

    assert answer.status_code == 403
    assert "You are signed in as <b>guest</b>" in answer.content.decode()


def test_a_form_that_is_too_old_says_so(page):
    strict = Client(enforce_csrf_checks=True)

    answer = strict.post("/admin/login/", {"username": "boss"})

    assert answer.status_code == 403
    assert "Nothing was saved: the form is too old" in answer.content.decode()


def test_a_body_that_is_too_large_is_told_the_limit(page):
    answer = page.post("/admin/configuration/", {"text": "x" * 3_000_000})

    assert answer.status_code == 400
    assert "2.5 MB" in answer.content.decode()


def test_an_error_of_the_hub_says_what_goes_on_and_shows_nothing_of_it():
    answer = server_error(RequestFactory().get("/admin/"))

    assert answer.status_code == 500
    assert "Something went wrong in the hub" in answer.content.decode()
