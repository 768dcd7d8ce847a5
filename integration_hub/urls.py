"""The addresses of the hub."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from integration_hub import health
from syncs import views
from syncs.notices import hooks

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", include("integration_hub.console.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics_view),
    path("events/<slug:source>/", views.post),
    path("events/<slug:source>", views.post),
    path("events/<slug:source>/<str:uid>", views.fate),
    path("events/<path:rest>", views.nothing),
    path("events/", views.nothing),
    path("hooks/hubspot/<slug:connection>/", hooks.notice, {"kind": "hubspot"}),
    path("hooks/salesforce/<slug:connection>/<str:token>/", hooks.notice, {"kind": "salesforce"}),
]
