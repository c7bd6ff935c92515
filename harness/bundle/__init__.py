"""A folder that shows a case: data, stand-alone scripts, what they print, an issue text."""
