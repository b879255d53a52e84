//! A run: supervisor, timeline, live view, and leaving nothing behind.
