"""The addresses of the pages that are not model pages; all within the admin, for staff only."""

from django.contrib import admin
from django.urls import path

from integration_hub.console import pages, promotion, quality
from integration_hub.console.switch_page import page as switch_page
from integration_hub.console.usage import page as usage_page

app_name = "console"
_view = admin.site.admin_view
urlpatterns = [
    path("configuration/", _view(promotion.configuration), name="configuration"),
    path("configuration/export/", _view(promotion.export), name="export"),
    path("configuration/missing-fields/", _view(promotion.missing_fields), name="missing_fields"),
    path("timeline/", _view(pages.timeline), name="timeline"),
    path("timeline/<path:record_id>/", _view(pages.timeline_record), name="timeline_record"),
    path("answer-times/", _view(pages.sla), name="sla"),
    path("answer-times/by-day.csv", _view(pages.sla_by_day), name="sla_by_day"),
    path("answer-times/flows-by-day.csv", _view(pages.flow_times_by_day), name="flow_times_by_day"),
    path("answer-times/alerts.csv", _view(pages.sla_alerts), name="sla_alerts"),
    path("data-quality/", _view(quality.overview), name="quality"),
    path("data-quality/group/", _view(quality.group), name="quality_group"),
    path("data-quality/group/replay/", _view(quality.replay), name="quality_replay"),
    path("data-quality/group/entry/", _view(quality.add_entry), name="quality_entry"),
    path("data-quality/correct/<int:link_id>/", _view(quality.correct), name="quality_correct"),
    path("usage/<slug:key>/", _view(usage_page), name="usage"),
    path("switch/<str:name>/", _view(switch_page), name="switch"),
    path("directory-issues/", _view(pages.directory_issues), name="directory"),
    path(
        "directory-issues/link/<int:link_id>/<int:person_id>/", _view(pages.link_person), name="link_person"
    ),
    path("directory-issues/refresh/", _view(pages.refresh_directory), name="refresh_directory"),
]
