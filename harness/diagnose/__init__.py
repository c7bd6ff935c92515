"""Why two programs disagree on a person's data, and what to do about it."""
