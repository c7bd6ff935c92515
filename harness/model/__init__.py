"""What is fitted: formula, terms, table, design, case."""
