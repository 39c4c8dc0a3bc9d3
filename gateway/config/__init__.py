"""Typed site configuration: models, loading with every mistake at once, `explain`, `diff`."""
