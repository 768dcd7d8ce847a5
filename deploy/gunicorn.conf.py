"""gunicorn: a few processes with threads; what waits for vendors runs in the clusters, not here."""

import os

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_WORKERS", "2"))
worker_class = "gthread"
threads = 4
timeout = 60
graceful_timeout = 30
max_requests = 100_000  # at 500 events a second a worker is renewed every few minutes, not seconds
max_requests_jitter = 10_000
control_socket_disable = True  # it would lie in the home directory, which the service does not have
accesslog = None  # addresses of pages can carry what people searched for
# Whose X-Forwarded-… headers count; set it with BEHIND_PROXY when the proxy is on another host.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
