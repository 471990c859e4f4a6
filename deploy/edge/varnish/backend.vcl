# Where read-api is, and how long it may take. The longest answer on its way bounds how long after a purge an old one may
# still come in: see default.vcl, and CDN_REPEAT_AFTER.
backend default {
    .host = "read-api";
    .port = "8000";
    .connect_timeout = 1s;
    .first_byte_timeout = 15s;
    .between_bytes_timeout = 60s;
    .max_connections = 500;
}
