"""The package's own life: upgraded, removed, purged; and its sibling for other systems."""
