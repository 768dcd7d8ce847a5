"""The addresses of the pages that are not model pages; all within the admin, for staff only."""

from django.contrib import admin
from django.urls import path

from integration_hub.console import pages

app_name = "console"
_view = admin.site.admin_view
urlpatterns = [
    path("timeline/", _view(pages.timeline), name="timeline"),
    path("timeline/<path:record_id>/", _view(pages.timeline_record), name="timeline_record"),
    path("answer-times/", _view(pages.sla), name="sla"),
    path("answer-times/by-day.csv", _view(pages.sla_by_day), name="sla_by_day"),
    path("answer-times/alerts.csv", _view(pages.sla_alerts), name="sla_alerts"),
    path("directory-issues/", _view(pages.directory_issues), name="directory"),
    path(
        "directory-issues/link/<int:link_id>/<int:person_id>/", _view(pages.link_person), name="link_person"
    ),
    path("directory-issues/refresh/", _view(pages.refresh_directory), name="refresh_directory"),
]
