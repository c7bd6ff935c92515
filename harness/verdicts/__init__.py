"""Do two fits agree, and where they do not, what is the cause."""
