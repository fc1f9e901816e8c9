"""What a run wrote: description, parts, index, rows; `xcorr_app.store` reads it."""
