"""The conformance suite: properties of an engine, checked on generated clustered data."""
