"""Times are whole nanoseconds since 1970-01-01T00:00:00 UTC."""

NS = 1_000_000_000  # nanoseconds in a second
DAY_NS = 86_400 * NS
