"""What only the experiments of the paper need: settings, tables, figures, printed numbers."""
