"""What is fitted: data, formulas, models, the ladder."""
