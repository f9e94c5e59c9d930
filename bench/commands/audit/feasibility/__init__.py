"""Whether printed scores can come from counts: of right answers, of a confusion matrix, of right answers by class."""
